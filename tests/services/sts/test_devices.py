"""MFA in STS. https://docs.aws.amazon.com/IAM/latest/UserGuide/id_credentials_mfa_configure-api-require.html"""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from serein.contracts.mfa import code_at
from tests.cloud import Cloud

ACCOUNT = "000000000000"
SERIAL = f"arn:aws:iam::{ACCOUNT}:mfa/phone"


class Phone:
    """The device in bob's hand."""

    def __init__(self, cloud: Cloud, seed: bytes) -> None:
        self.cloud = cloud
        self.seed = seed

    def code(self, ahead: int = 0) -> str:
        """The code it shows, `ahead` steps from now."""
        return code_at(self.seed, int(self.cloud.clock.now() // 30) + ahead)


@pytest.fixture
def phone(cloud: Cloud, iam: Any, user: str) -> Phone:
    made = iam.create_virtual_mfa_device(VirtualMFADeviceName="phone")["VirtualMFADevice"]
    device = Phone(cloud, base64.b32decode(made["Base32StringSeed"]))
    iam.enable_mfa_device(
        UserName=user,
        SerialNumber=SERIAL,
        AuthenticationCode1=device.code(-2),
        AuthenticationCode2=device.code(-1),
    )
    return device


@pytest.fixture
def bob(cloud: Cloud, iam: Any, user: str) -> dict[str, str]:
    key = iam.create_access_key(UserName=user)["AccessKey"]
    return {"access_key": key["AccessKeyId"], "secret_key": key["SecretAccessKey"]}


def test_session_tokens(cloud, iam, user, bob, phone, refused) -> None:
    statement = {
        "Effect": "Allow",
        "Action": "sqs:*",
        "Resource": "*",
        "Condition": {
            "Bool": {"aws:MultiFactorAuthPresent": "true"},
            "NumericLessThan": {"aws:MultiFactorAuthAge": "60"},
        },
    }
    document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    iam.put_user_policy(UserName=user, PolicyName="p", PolicyDocument=document)
    sts = cloud.client("sts", **bob)
    code = phone.code()
    given = sts.get_session_token(SerialNumber=SERIAL, TokenCode=code)["Credentials"]
    with_device = cloud.client(
        "sqs",
        access_key=given["AccessKeyId"],
        secret_key=given["SecretAccessKey"],
        session_token=given["SessionToken"],
    )
    with_device.list_queues()
    assert refused(cloud.client("sqs", **bob).list_queues)[0].startswith("AccessDenied")
    assert refused(sts.get_session_token, SerialNumber=SERIAL, TokenCode=code) == (
        "AccessDenied",
        "MultiFactorAuthentication failed with invalid MFA one time pass code. ",
    ), "a code is good once"
    cloud.advance(61)
    assert refused(with_device.list_queues)[0].startswith("AccessDenied")


def test_wrong_codes(cloud, bob, phone, refused) -> None:
    sts = cloud.client("sts", **bob)
    unknown = (
        "AccessDenied",
        "MultiFactorAuthentication failed, unable to validate MFA code.  Please verify your MFA serial number is valid "
        "and associated with this user.",
    )
    other = f"arn:aws:iam::{ACCOUNT}:mfa/other"
    get = sts.get_session_token
    assert refused(get, SerialNumber=other, TokenCode=phone.code()) == unknown
    root = cloud.client("sts").get_session_token
    assert refused(root, SerialNumber=SERIAL, TokenCode=phone.code()) == unknown
    assert refused(get, SerialNumber=SERIAL) == (
        "AccessDenied",
        "MultiFactorAuthentication failed, must provide both MFA serial number and one time pass code.",
    )
    wrong = f"{(int(phone.code()) + 1) % 1_000_000:06d}"
    assert refused(get, SerialNumber=SERIAL, TokenCode=wrong)[1].startswith(
        "MultiFactorAuthentication failed with invalid"
    )


def test_a_role_that_wants_a_device(cloud, iam, user, bob, phone, refused, document) -> None:
    statement = {
        "Effect": "Allow",
        "Action": "sts:AssumeRole",
        "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:user/{user}"},
        "Condition": {"Bool": {"aws:MultiFactorAuthPresent": "true"}},
    }
    trust = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    arn = iam.create_role(RoleName="admin", AssumeRolePolicyDocument=trust)["Role"]["Arn"]
    sts = cloud.client("sts", **bob)
    plain = {"RoleArn": arn, "RoleSessionName": "me"}
    assert refused(sts.assume_role, **plain)[0] == "AccessDenied"
    assert refused(sts.assume_role, **plain, SerialNumber=SERIAL, TokenCode="000000")[0] == (
        "AccessDenied"
    )
    sts.assume_role(**plain, SerialNumber=SERIAL, TokenCode=phone.code())


def test_iam_wants_a_device(cloud, iam, user, bob, phone, refused, document) -> None:
    """https://docs.aws.amazon.com/STS/latest/APIReference/API_GetSessionToken.html: no IAM without MFA, of STS only AssumeRole and
    GetCallerIdentity."""
    iam.put_user_policy(UserName=user, PolicyName="p", PolicyDocument=document("*"))
    sts = cloud.client("sts", **bob)

    def session(**shown: str) -> dict[str, str]:
        given = sts.get_session_token(**shown)["Credentials"]
        return {
            "access_key": given["AccessKeyId"],
            "secret_key": given["SecretAccessKey"],
            "session_token": given["SessionToken"],
        }

    plain, shown = session(), session(SerialNumber=SERIAL, TokenCode=phone.code())
    cloud.client("sqs", **plain).list_queues()
    assert refused(cloud.client("iam", **plain).list_users)[0] == "AccessDenied"
    cloud.client("iam", **shown).list_users()
    for keys in (plain, shown):
        assert cloud.client("sts", **keys).get_caller_identity()["Account"] == ACCOUNT
        assert refused(cloud.client("sts", **keys).get_federation_token, Name="jo")[0] == (
            "AccessDenied"
        )
