"""What the door remembers of refusals and needs; control policies; record mode."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
import pytest

from serein.base.errors import AwsError
from serein.engines.policy import Policy, PolicyKind, parse_policy
from serein.kernel.authorise import Authoriser
from serein.kernel.calls import Principal, root_of, service_principal
from serein.kernel.identities import Membership, PrincipalPolicies
from serein.kernel.operations import Need, Read, operation
from serein.kernel.refusals import NEEDS_MAX, Needs
from serein.store.interface import Snapshot
from tests.kernel.small_house import ACCOUNT, Nobody, SmallHouse

ANN = Principal(kind="user", account=ACCOUNT, arn=f"arn:aws:iam::{ACCOUNT}:user/ann", id="AIDA1")
OTHER = "222222222222"


@operation("Look", unvalidated=True)
def look(read: Read, request: dict[str, Any]) -> dict[str, Any]:
    return {}


@operation("Seek", unvalidated=True)
def seek(read: Read, request: dict[str, Any]) -> dict[str, Any]:
    error = AwsError("no such note", code="NoSuchNote", status=404)
    error.hidden_without = Need("notes:List", "*")
    raise error


def policy(kind: PolicyKind, *statements: dict[str, Any], name: str = "") -> Policy:
    filled = [{"Effect": "Allow", "Action": "notes:*", "Resource": "*", **s} for s in statements]
    return parse_policy({"Version": "2012-10-17", "Statement": filled}, kind, name=name)


def story(told: Callable[[SmallHouse], Awaitable[None]], *handlers: Any, **service: Any) -> None:
    async def run() -> None:
        house = SmallHouse(*handlers, **service)
        await house.store.open()
        await told(house)

    asyncio.run(run())


class Organized(Nobody):
    """Accounts of one organization, each with its control policies."""

    def __init__(self) -> None:
        super().__init__()
        self.memberships: dict[str, Membership] = {}

    def membership_or_none(self, snapshot: Snapshot, account: str) -> Membership | None:
        return self.memberships.get(account)


def member(**controls: Any) -> Membership:
    return Membership(
        organization="o-1", path="o-1/r-1/", management_account="999999999999", **controls
    )


def organize(house: SmallHouse, **memberships: Membership) -> Organized:
    identities = Organized()
    identities.policies = PrincipalPolicies(identity=(policy("identity", {}),))
    identities.memberships = {name.strip("_"): value for name, value in memberships.items()}
    house.dispatch.authoriser = Authoriser(identities)
    return identities


def test_a_refusal_is_remembered_with_its_reasons() -> None:
    async def told(house: SmallHouse) -> None:
        with pytest.raises(AwsError):
            house.dispatch.begin(house.call("Look", by=ANN))
        [refusal] = house.dispatch.authoriser.refusals.of_account(ACCOUNT)
        assert (refusal.request_id, refusal.operation) == ("r-1", "Look")
        assert refusal.explanation.remedies[0].kind == "identity"
        assert list(house.dispatch.authoriser.refusals.of_account(OTHER)) == []
        assert list(house.dispatch.authoriser.refusals.of_account("")) == []

    story(told, look)


def test_what_is_not_there_is_told_to_who_may_list() -> None:
    async def told(house: SmallHouse) -> None:
        seek_only = policy("identity", {"Action": "notes:Seek"})
        house.identities.policies = PrincipalPolicies(identity=(seek_only,))
        with pytest.raises(AwsError, match="notes:List"):
            house.dispatch.begin(house.call("Seek", by=ANN))
        house.identities.policies = PrincipalPolicies(identity=(policy("identity", {}),))
        with pytest.raises(AwsError, match="no such note"):
            house.dispatch.begin(house.call("Seek", by=ANN))

    story(told, seek)


def test_record_mode_allows_and_records() -> None:
    async def told(house: SmallHouse) -> None:
        house.dispatch.authoriser = recorder = Authoriser(house.identities, records=True)
        house.dispatch.begin(house.call("Look", by=ANN))
        house.dispatch.begin(house.call("Look", by=ANN))
        refusals = list(recorder.refusals.of_account(ACCOUNT))
        assert [refusal.recorded for refusal in refusals] == [True, True]
        [need] = recorder.needs.of(ANN.arn)
        assert (need.action, need.refused) == ("notes:Look", True)
        nobody = Principal(kind="anonymous", account="", arn="", id="anonymous")
        with pytest.raises(AwsError):
            house.dispatch.begin(house.call("Look", by=nobody))

    story(told, look)


class TestControlPolicies:
    """https://docs.aws.amazon.com/organizations/latest/userguide/orgs_manage_policies_scps.html"""

    def test_they_bind_users_and_root_of_a_member(self) -> None:
        async def told(house: SmallHouse) -> None:
            deny = policy("scp", {"Effect": "Deny", "Sid": "No"}, name="arn:aws:organizations::9:policy/o-1/service_control_policy/p-1")  # fmt: skip
            full = policy("scp", {"Action": "*"})
            organize(house, **{f"_{ACCOUNT}": member(service_controls=((full, deny),))})
            for caller in (ANN, root_of(ACCOUNT)):
                with pytest.raises(AwsError, match=r"with an explicit deny in a service control policy: arn:aws:org.*/p-1$"):  # fmt: skip
                    house.dispatch.begin(house.call("Look", by=caller))

        story(told, look)

    def test_every_level_must_allow(self) -> None:
        async def told(house: SmallHouse) -> None:
            full, none = policy("scp", {"Action": "*"}), policy("scp", {"Action": "s3:*"})
            identities = organize(
                house, **{f"_{ACCOUNT}": member(service_controls=((full,), (none,)))}
            )
            with pytest.raises(AwsError, match="no service control policy allows"):
                house.dispatch.begin(house.call("Look", by=root_of(ACCOUNT)))
            identities.memberships[ACCOUNT] = member(service_controls=((full,), (none, full)))
            house.dispatch.begin(house.call("Look", by=root_of(ACCOUNT)))

        story(told, look)

    def test_they_do_not_bind_service_linked_roles(self) -> None:
        async def told(house: SmallHouse) -> None:
            none = policy("scp", {"Action": "s3:*"})
            organize(house, **{f"_{ACCOUNT}": member(service_controls=((none,),))})
            arn = f"arn:aws:iam::{ACCOUNT}:role/aws-service-role/x.amazonaws.com/R"
            linked = msgspec.structs.replace(ANN, kind="role", role_arn=arn)
            house.dispatch.begin(house.call("Look", by=linked))

        story(told, look)

    def test_resource_controls_bind_strangers_to_the_resources(self) -> None:
        async def told(house: SmallHouse) -> None:
            outside = policy(
                "rcp",
                {
                    "Effect": "Deny",
                    "Principal": "*",
                    "Action": "sqs:*",
                    "Condition": {"StringNotEqualsIfExists": {"aws:PrincipalOrgID": "o-1"}},
                },
            )
            full = policy("rcp", {"Action": "*", "Principal": "*"})
            identities = organize(house, **{f"_{ACCOUNT}": member(resource_controls=((full, outside),))})  # fmt: skip
            service = service_principal("sns.amazonaws.com", OTHER)
            with pytest.raises(AwsError, match="explicit deny in a resource control policy"):
                house.dispatch.begin(house.call("Look", by=service))
            identities.memberships[ACCOUNT] = member(resource_controls=((full,),))
            house.dispatch.begin(house.call("Look", by=service))

        @operation("Look", unvalidated=True, on=lambda call: f"arn:aws:sqs:us-east-1:{ACCOUNT}:q")
        def look_at(read: Read, request: dict[str, Any]) -> dict[str, Any]:
            return {}

        anyone = '{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":"*","Action":"*","Resource":"*"}}'  # fmt: skip
        story(told, look_at, iam_prefix="sqs", policy_of=lambda read, arn: anyone)


def test_needs_are_bounded() -> None:
    needs = Needs()
    for number in range(3 * NEEDS_MAX):
        needs.note(ANN.arn, "s3:GetObject", f"arn:aws:s3:::photos/{number % 7}/{number}")
    found = needs.of(ANN.arn)
    assert len(found) <= NEEDS_MAX
    assert "arn:aws:s3:::photos/*" in {need.arn for need in found}
    assert needs.principals(ACCOUNT) == [ANN.arn]
    assert needs.principals(OTHER) == []
