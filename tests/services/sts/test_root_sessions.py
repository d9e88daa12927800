"""AssumeRoot. https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRoot.html"""

from __future__ import annotations

from typing import Any

import pytest

from tests.cloud import Cloud

AUDIT = {"arn": "arn:aws:iam::aws:policy/root-task/IAMAuditRootUserCredentials"}


@pytest.fixture
def member(cloud: Cloud) -> str:
    """A member account's id."""
    organizations = cloud.client("organizations")
    organizations.create_organization()
    organizations.enable_aws_service_access(ServicePrincipal="iam.amazonaws.com")
    made = organizations.create_account(Email="dev@example.com", AccountName="dev")
    return str(made["CreateAccountStatus"]["AccountId"])


def test_a_root_session(cloud, iam, member, refused) -> None:
    sts = cloud.client("sts")
    ask: dict[str, Any] = {"TargetPrincipal": member, "TaskPolicyArn": AUDIT}
    assert refused(sts.assume_root, **ask)[0] == "AccessDenied"
    iam.enable_organizations_root_sessions()
    given = sts.assume_root(**ask)["Credentials"]
    session = {
        "access_key": given["AccessKeyId"],
        "secret_key": given["SecretAccessKey"],
        "session_token": given["SessionToken"],
    }
    who = cloud.client("sts", **session).get_caller_identity()
    assert (who["Account"], who["Arn"]) == (member, f"arn:aws:sts::{member}:assumed-root")
    assert cloud.client("iam", **session).list_access_keys()["AccessKeyMetadata"] == []
    assert refused(cloud.client("iam", **session).create_user, UserName="x")[0] == "AccessDenied"
    other = {**ask, "TaskPolicyArn": {"arn": "arn:aws:iam::aws:policy/AdministratorAccess"}}
    assert refused(sts.assume_root, **other)[0] == "ValidationError"
    own = {**ask, "TargetPrincipal": cloud.account}
    assert refused(sts.assume_root, **own)[0] == "AccessDenied"
    theirs = cloud.client("sts", access_key=member)
    assert refused(theirs.assume_root, **ask)[0] == "AccessDenied"
