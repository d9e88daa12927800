"""AssumeRole. https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from hashlib import sha512
from typing import Any

import pytest

from serein.base.errors import AwsError
from serein.kernel.calls import service_principal
from tests.cloud import Cloud

ACCOUNT = "000000000000"
ARN = f"arn:aws:iam::{ACCOUNT}:role/target"


@pytest.fixture
def bob(cloud: Cloud, iam: Any, user: str) -> Any:
    """STS as the user bob, who has no policies."""
    key = iam.create_access_key(UserName=user)["AccessKey"]
    return cloud.client("sts", access_key=key["AccessKeyId"], secret_key=key["SecretAccessKey"])


@pytest.fixture
def target(iam: Any) -> Callable[..., str]:
    """A role that trusts as told."""

    def make(
        condition: dict[str, Any] | None = None,
        name: str = "target",
        actions: Any = "sts:AssumeRole",
        **principal: Any,
    ) -> str:
        statement: dict[str, Any] = {
            "Effect": "Allow",
            "Action": actions,
            "Principal": principal or {"AWS": ACCOUNT},
        }
        if condition:
            statement["Condition"] = condition
        document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        made = iam.create_role(
            RoleName=name, AssumeRolePolicyDocument=document, MaxSessionDuration=7200
        )
        return str(made["Role"]["Arn"])

    return make


@pytest.fixture
def may(iam: Any, user: str, document: Callable[..., str]) -> None:
    """Bob may assume every role."""
    iam.put_user_policy(UserName=user, PolicyName="assume", PolicyDocument=document("sts:*"))


def acting(cloud: Cloud, service: str, answer: Any) -> Any:
    """A client with the credentials of an answer."""
    given = answer["Credentials"]
    return cloud.client(
        service,
        access_key=given["AccessKeyId"],
        secret_key=given["SecretAccessKey"],
        session_token=given["SessionToken"],
    )


def test_the_answer(cloud: Cloud, bob, target, may, iam) -> None:
    """Members as recorded in `test_assume_role`."""
    arn = target()
    answer = bob.assume_role(RoleArn=arn, RoleSessionName="one")
    answer.pop("ResponseMetadata")
    role_id = iam.get_role(RoleName="target")["Role"]["RoleId"]
    assert answer.keys() == {"AssumedRoleUser", "Credentials"}
    assert answer["AssumedRoleUser"] == {
        "Arn": f"arn:aws:sts::{ACCOUNT}:assumed-role/target/one",
        "AssumedRoleId": f"{role_id}:one",
    }
    given = answer["Credentials"]
    assert given.keys() == {"AccessKeyId", "SecretAccessKey", "SessionToken", "Expiration"}
    assert re.fullmatch(r"ASIA[A-Z2-7]{16}", given["AccessKeyId"])
    assert 3595 <= given["Expiration"].timestamp() - cloud.clock.now() <= 3600
    told = acting(cloud, "sts", answer).get_caller_identity()
    assert (told["Arn"], told["UserId"]) == (answer["AssumedRoleUser"]["Arn"], f"{role_id}:one")


class TestWhoMay:
    def refusal(self) -> tuple[str, str]:
        words = f"User: arn:aws:iam::{ACCOUNT}:user/bob is not authorized to perform: sts:AssumeRole on resource: {ARN}"
        return "AccessDenied", words

    def test_the_account_delegates(self, bob, target, refused) -> None:
        target()
        assert refused(bob.assume_role, RoleArn=ARN, RoleSessionName="one") == self.refusal()

    def test_trust_in_the_user_suffices(self, bob, target, user) -> None:
        target(AWS=f"arn:aws:iam::{ACCOUNT}:user/bob")
        bob.assume_role(RoleArn=ARN, RoleSessionName="one")

    def test_permission_without_trust_does_not(self, bob, target, may, refused) -> None:
        target(Service="lambda.amazonaws.com")
        assert refused(bob.assume_role, RoleArn=ARN, RoleSessionName="one") == self.refusal()

    def test_a_role_that_is_not_there(self, bob, may, refused) -> None:
        assert refused(bob.assume_role, RoleArn=ARN, RoleSessionName="one") == self.refusal()

    def test_external_id(self, bob, target, may, refused) -> None:
        target({"StringEquals": {"sts:ExternalId": "12345"}})
        assert refused(bob.assume_role, RoleArn=ARN, RoleSessionName="one") == self.refusal()
        bob.assume_role(RoleArn=ARN, RoleSessionName="one", ExternalId="12345")

    def test_session_name(self, bob, target, may, refused) -> None:
        target({"StringLike": {"sts:RoleSessionName": "${aws:username}"}})
        assert refused(bob.assume_role, RoleArn=ARN, RoleSessionName="one") == self.refusal()
        bob.assume_role(RoleArn=ARN, RoleSessionName="bob")

    def test_strangers_may_not(self, cloud: Cloud, target) -> None:
        target(AWS="*")
        body = f"Action=AssumeRole&Version=2011-06-15&RoleArn={ARN}&RoleSessionName=one".encode()
        headers = {
            "Content-Type": "application/x-www-form-urlencoded",
            "Host": "sts.us-east-1.amazonaws.com",
        }
        answer = cloud.http("POST", "http://127.0.0.1:4566/", headers, body)
        assert answer.status == 403
        assert b"MissingAuthenticationToken" in bytes(answer.body)


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"RoleSessionName": "a b"}, "Member must satisfy regular expression pattern"),
        ({"RoleSessionName": "a"}, "Member must have length greater than or equal to 2"),
        ({"DurationSeconds": 60}, "Member must have value greater than or equal to 900"),
        ({"DurationSeconds": 7201}, "The requested DurationSeconds exceeds the MaxSessionDuration set for this role."),
        ({"RoleArn": "arn:aws:iam::000000000000:user/bob"}, "arn:aws:iam::000000000000:user/bob is invalid"),
        ({"PolicyArns": [{"arn": "arn:aws:iam::111111111111:policy/x"}]}, "must belong to the account"),
    ],
)  # fmt: skip
def test_bad_requests(cloud: Cloud, target, iam, refused, params, message) -> None:
    target()
    given = {"RoleArn": ARN, "RoleSessionName": "one", **params}
    code, told = refused(cloud.unvalidated("sts").assume_role, **given)
    assert code == "ValidationError"
    assert message in told


def test_a_malformed_session_policy(cloud: Cloud, target, refused) -> None:
    target()
    told = refused(cloud.client("sts").assume_role, RoleArn=ARN, RoleSessionName="one", Policy="{}")
    assert told[0] == "MalformedPolicyDocument"


class TestWhatASessionMay:
    def test_what_its_role_may_at_the_time(
        self, cloud: Cloud, bob, target, may, iam, document, refused
    ) -> None:
        target()
        own = acting(cloud, "iam", bob.assume_role(RoleArn=ARN, RoleSessionName="one"))
        assert refused(own.list_users)[0] == "AccessDenied"
        iam.put_role_policy(
            RoleName="target", PolicyName="p", PolicyDocument=document("iam:ListUsers")
        )
        own.list_users()
        iam.delete_role_policy(RoleName="target", PolicyName="p")
        assert refused(own.list_users)[0] == "AccessDenied"

    def test_session_policies_narrow(
        self, cloud: Cloud, bob, target, may, iam, document, refused
    ) -> None:
        target()
        iam.attach_role_policy(RoleName="target", PolicyArn="arn:aws:iam::aws:policy/IAMFullAccess")
        answer = bob.assume_role(
            RoleArn=ARN, RoleSessionName="one", Policy=document("iam:ListUsers")
        )
        assert answer["PackedPolicySize"] > 0
        own = acting(cloud, "iam", answer)
        own.list_users()
        code, message = refused(own.list_roles)
        assert code == "AccessDenied"
        assert message.endswith("because no session policy allows the iam:ListRoles action")

    def test_managed_session_policies(self, cloud: Cloud, bob, target, may, iam, refused) -> None:
        target()
        iam.attach_role_policy(
            RoleName="target", PolicyArn="arn:aws:iam::aws:policy/AdministratorAccess"
        )
        arns = [{"arn": "arn:aws:iam::aws:policy/IAMReadOnlyAccess"}]
        own = acting(
            cloud, "iam", bob.assume_role(RoleArn=ARN, RoleSessionName="one", PolicyArns=arns)
        )
        own.list_roles()
        assert refused(own.create_user, UserName="x")[0] == "AccessDenied"

    def test_nothing_once_its_role_is_another(
        self, cloud: Cloud, bob, target, may, iam, refused
    ) -> None:
        target()
        own = acting(cloud, "sts", bob.assume_role(RoleArn=ARN, RoleSessionName="one"))
        iam.delete_role(RoleName="target")
        target()
        assert (
            refused(own.assume_role, RoleArn=ARN, RoleSessionName="two")[0]
            == "InvalidClientTokenId"
        )

    def test_nothing_once_it_has_expired(self, cloud: Cloud, bob, target, may, refused) -> None:
        target()
        own = acting(
            cloud, "sts", bob.assume_role(RoleArn=ARN, RoleSessionName="one", DurationSeconds=900)
        )
        own.get_caller_identity()
        cloud.advance(901)
        assert refused(own.get_caller_identity)[0] == "ExpiredToken"


class TestTokens:
    def test_a_token_is_needed_and_fits_its_key_alone(
        self, cloud: Cloud, bob, target, may, refused
    ) -> None:
        target()
        given = bob.assume_role(RoleArn=ARN, RoleSessionName="one")["Credentials"]
        other = bob.assume_role(RoleArn=ARN, RoleSessionName="two")["Credentials"]
        keys = {"access_key": given["AccessKeyId"], "secret_key": given["SecretAccessKey"]}
        token = given["SessionToken"]
        altered = token[:100] + ("A" if token[100] != "A" else "B") + token[101:]
        for wrong in (None, other["SessionToken"], altered):
            own = cloud.client("sts", session_token=wrong, **keys)
            assert refused(own.get_caller_identity)[0] == "InvalidClientTokenId"

    def test_a_wrong_secret(self, cloud: Cloud, bob, target, may, refused) -> None:
        target()
        given = bob.assume_role(RoleArn=ARN, RoleSessionName="one")["Credentials"]
        own = cloud.client(
            "sts",
            access_key=given["AccessKeyId"],
            secret_key="wrong",
            session_token=given["SessionToken"],
        )
        assert refused(own.get_caller_identity)[0] == "SignatureDoesNotMatch"

    def test_a_users_key_takes_no_token(self, cloud: Cloud, iam, user, refused) -> None:
        key = iam.create_access_key(UserName=user)["AccessKey"]
        own = cloud.client(
            "sts",
            access_key=key["AccessKeyId"],
            secret_key=key["SecretAccessKey"],
            session_token="x",
        )
        assert refused(own.get_caller_identity)[0] == "InvalidClientTokenId"


class TestSessionTags:
    """https://docs.aws.amazon.com/IAM/latest/UserGuide/id_session-tags.html"""

    BOTH = ("sts:AssumeRole", "sts:TagSession")

    def test_tags_are_the_principals(self, cloud: Cloud, bob, target, may, iam, refused) -> None:
        target(actions=list(self.BOTH))
        condition = {"StringEquals": {"aws:PrincipalTag/team": "red"}}
        statement = {
            "Effect": "Allow",
            "Action": "iam:ListUsers",
            "Resource": "*",
            "Condition": condition,
        }
        text = json.dumps({"Version": "2012-10-17", "Statement": statement})
        iam.put_role_policy(RoleName="target", PolicyName="p", PolicyDocument=text)
        tags = [{"Key": "team", "Value": "red"}]
        acting(
            cloud, "iam", bob.assume_role(RoleArn=ARN, RoleSessionName="one", Tags=tags)
        ).list_users()
        blue = bob.assume_role(
            RoleArn=ARN, RoleSessionName="one", Tags=[{"Key": "team", "Value": "blue"}]
        )
        assert refused(acting(cloud, "iam", blue).list_users)[0] == "AccessDenied"

    def test_tagging_must_be_trusted(self, bob, target, may, refused) -> None:
        target()
        code, message = refused(
            bob.assume_role, RoleArn=ARN, RoleSessionName="one", Tags=[{"Key": "a", "Value": "b"}]
        )
        assert code == "AccessDenied"
        assert "sts:TagSession" in message

    def test_transitive_tags_are_handed_on(
        self, cloud: Cloud, bob, target, may, iam, document, refused
    ) -> None:
        target(actions=list(self.BOTH))
        second = target(name="second", actions=list(self.BOTH))
        iam.put_role_policy(RoleName="target", PolicyName="p", PolicyDocument=document("sts:*"))
        tags = [{"Key": "team", "Value": "red"}]
        one = acting(
            cloud,
            "sts",
            bob.assume_role(
                RoleArn=ARN, RoleSessionName="one", Tags=tags, TransitiveTagKeys=["team"]
            ),
        )
        one.assume_role(RoleArn=second, RoleSessionName="two")
        told = refused(one.assume_role, RoleArn=second, RoleSessionName="two", Tags=tags)
        assert told[0] == "ValidationError"
        told = refused(one.assume_role, RoleArn=second, RoleSessionName="two", DurationSeconds=3601)
        assert told[1].startswith("The requested DurationSeconds exceeds the 1 hour session limit")

    def test_too_much(self, bob, target, may, refused) -> None:
        target(actions=list(self.BOTH))
        tags = [
            {"Key": f"k{index}", "Value": sha512(bytes([index])).hexdigest()} for index in range(50)
        ]
        code, message = refused(bob.assume_role, RoleArn=ARN, RoleSessionName="one", Tags=tags)
        assert code == "PackedPolicyTooLarge"
        assert "of allotted space" in message


def test_source_identity_stays(cloud: Cloud, bob, target, may, iam, document, refused) -> None:
    """https://docs.aws.amazon.com/IAM/latest/UserGuide/id_credentials_temp_control-access_monitor.html"""
    target(actions=["sts:AssumeRole", "sts:SetSourceIdentity"])
    second = target(name="second", actions=["sts:AssumeRole", "sts:SetSourceIdentity"])
    iam.put_role_policy(RoleName="target", PolicyName="p", PolicyDocument=document("sts:*"))
    answer = bob.assume_role(RoleArn=ARN, RoleSessionName="one", SourceIdentity="bob")
    assert answer["SourceIdentity"] == "bob"
    one = acting(cloud, "sts", answer)
    assert one.assume_role(RoleArn=second, RoleSessionName="two")["SourceIdentity"] == "bob"
    told = refused(one.assume_role, RoleArn=second, RoleSessionName="two", SourceIdentity="eve")
    assert told[0] == "AccessDenied"


class TestServices:
    """A service assumes the role that it was passed: Lambda for its functions."""

    def assume(self, cloud: Cloud, service: str) -> Any:
        context = cloud.context(service_principal(service, ACCOUNT))
        params = {"RoleArn": ARN, "RoleSessionName": "function"}
        return cloud.run(context.call(context.make_call("sts", "AssumeRole", params)))

    def test_the_one_that_is_trusted(self, cloud: Cloud, target) -> None:
        target(Service="lambda.amazonaws.com")
        answer = self.assume(cloud, "lambda.amazonaws.com")
        told = acting(cloud, "sts", answer).get_caller_identity()
        assert told["Arn"] == f"arn:aws:sts::{ACCOUNT}:assumed-role/target/function"
        with pytest.raises(AwsError, match="AccessDenied"):
            self.assume(cloud, "ec2.amazonaws.com")


def test_across_accounts_both_sides_must_allow(
    cloud: Cloud, bob, iam, user, document, refused
) -> None:
    other = cloud.client("iam", access_key="222222222222")
    arn = "arn:aws:iam::222222222222:role/theirs"
    statement = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"AWS": ACCOUNT}}
    trust = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    other.create_role(RoleName="theirs", AssumeRolePolicyDocument=trust)
    assert refused(bob.assume_role, RoleArn=arn, RoleSessionName="one")[0] == "AccessDenied"
    iam.put_user_policy(
        UserName=user, PolicyName="p", PolicyDocument=document("sts:AssumeRole", arn)
    )
    answer = bob.assume_role(RoleArn=arn, RoleSessionName="one")
    assert acting(cloud, "sts", answer).get_caller_identity()["Account"] == "222222222222"


def test_root_is_judged_by_the_trust_policy(cloud: Cloud, target, refused) -> None:
    target()
    root = cloud.client("sts")
    root.assume_role(RoleArn=ARN, RoleSessionName="one")
    second = target(name="second", Service="lambda.amazonaws.com")
    assert refused(root.assume_role, RoleArn=second, RoleSessionName="one")[0] == "AccessDenied"


def test_a_service_may_name_a_session_by_one_letter(cloud: Cloud, iam, trust, refused) -> None:
    """A function's sessions are named after it, and its name may have one letter
    (https://docs.aws.amazon.com/lambda/latest/api/API_CreateFunction.html); a caller's have two at least."""
    arn = iam.create_role(RoleName="f", AssumeRolePolicyDocument=trust())["Role"]["Arn"]
    params = {"RoleArn": arn, "RoleSessionName": "f"}
    context = cloud.context(service_principal("lambda.amazonaws.com", ACCOUNT))
    answer = cloud.run(context.call(context.make_call("sts", "AssumeRole", params)))
    assert answer["AssumedRoleUser"]["Arn"].endswith(":assumed-role/f/f")
    sts = cloud.client("sts", parameter_validation=False)
    anyone = trust(AWS=ACCOUNT)
    iam.update_assume_role_policy(RoleName="f", PolicyDocument=anyone)
    assert refused(sts.assume_role, **params) == (
        "ValidationError",
        "1 validation error detected: Value 'f' at 'roleSessionName' failed to satisfy constraint: Member must have "
        "length greater than or equal to 2",
    )
