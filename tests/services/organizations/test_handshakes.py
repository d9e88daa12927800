"""Invitations. https://docs.aws.amazon.com/organizations/latest/userguide/orgs_manage_accounts_invites.html"""

from __future__ import annotations

from typing import Any

import pytest

from tests.cloud import Cloud

GUEST = "222222222222"


@pytest.fixture
def guest(cloud: Cloud) -> Any:
    """Organizations as another account's root."""
    return cloud.client("organizations", access_key=GUEST)


@pytest.fixture
def invitation(org: Any, organization: Any) -> str:
    """The id of an invitation."""
    made = org.invite_account_to_organization(
        Target={"Type": "ACCOUNT", "Id": GUEST}, Notes="come"
    )["Handshake"]
    assert (made["State"], made["Action"]) == ("OPEN", "INVITE")
    assert {"Id": GUEST, "Type": "ACCOUNT"} in made["Parties"]
    assert made["Arn"].endswith(f":handshake/{organization['Id']}/invite/{made['Id']}")
    return str(made["Id"])


def test_accepting(org, guest, invitation, organization, refused) -> None:
    (listed,) = guest.list_handshakes_for_account()["Handshakes"]
    assert listed["Id"] == invitation
    assert refused(org.accept_handshake, HandshakeId=invitation)[0] == "AccessDeniedException"
    assert guest.accept_handshake(HandshakeId=invitation)["Handshake"]["State"] == "ACCEPTED"
    assert guest.describe_organization()["Organization"]["Id"] == organization["Id"]
    account = org.describe_account(AccountId=GUEST)["Account"]
    assert account["JoinedMethod"] == "INVITED"
    assert refused(guest.accept_handshake, HandshakeId=invitation)[0] == (
        "HandshakeAlreadyInStateException"
    )
    assert refused(org.cancel_handshake, HandshakeId=invitation)[0] == (
        "InvalidHandshakeTransitionException"
    )
    again = refused(org.invite_account_to_organization, Target={"Type": "ACCOUNT", "Id": GUEST})
    assert again == ("HandshakeConstraintViolationException", "ALREADY_IN_AN_ORGANIZATION")


def test_declining_and_cancelling(cloud, org, guest, invitation, refused) -> None:
    target = {"Type": "ACCOUNT", "Id": GUEST}
    assert refused(org.invite_account_to_organization, Target=target)[0] == (
        "DuplicateHandshakeException"
    )
    assert guest.decline_handshake(HandshakeId=invitation)["Handshake"]["State"] == "DECLINED"
    second = org.invite_account_to_organization(Target=target)["Handshake"]["Id"]
    assert org.cancel_handshake(HandshakeId=second)["Handshake"]["State"] == "CANCELED"
    states = {each["State"] for each in org.list_handshakes_for_organization()["Handshakes"]}
    assert states == {"DECLINED", "CANCELED"}
    stranger = cloud.client("organizations", access_key="333333333333")
    code = "HandshakeNotFoundException"
    assert refused(stranger.describe_handshake, HandshakeId=second)[0] == code
    assert guest.describe_handshake(HandshakeId=second)["Handshake"]["State"] == "CANCELED"
