"""Privilege escalation: from few permissions to more, by the ways that are known.

https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_use_passrole.html
https://docs.aws.amazon.com/IAM/latest/UserGuide/access_policies_boundaries.html#access_policies_boundaries-delegate
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.cloud import ENDPOINT, Cloud
from tests.security.conftest import (
    ACCOUNT,
    OTHER,
    Person,
    Signed,
    code_of,
    document,
    message_of,
    trust,
)

ALL = {"Action": "*"}
LAMBDA = {"Service": "lambda.amazonaws.com"}


def archive() -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as made:
        made.writestr("f.py", "def handler(event, context):\n    return 1\n")
    return packed.getvalue()


@pytest.fixture(scope="module")
def town() -> Iterator[Cloud]:
    """One house for all: everybody in it has a name of their own."""
    cloud = Cloud()
    iam = cloud.client("iam", access_key=ACCOUNT)
    for name, principal in (("admin", LAMBDA), ("plain", LAMBDA), ("for-sns", {"Service": "sns.amazonaws.com"})):  # fmt: skip
        iam.create_role(RoleName=name, AssumeRolePolicyDocument=trust(principal))
    iam.put_role_policy(RoleName="admin", PolicyName="all", PolicyDocument=document(ALL))
    iam.create_policy(PolicyName="limit", PolicyDocument=document({"Action": "s3:*"}))
    iam.create_policy(PolicyName="all", PolicyDocument=document(ALL))
    yield cloud
    cloud.close()


@pytest.fixture(scope="module")
def iam(town: Cloud) -> Any:
    return town.client("iam", access_key=ACCOUNT)


@pytest.fixture(scope="module")
def hire(town: Cloud, iam: Any) -> Callable[..., Person]:
    def make(name: str, *statements: dict[str, Any], boundary: str = "") -> Person:
        more = {"PermissionsBoundary": boundary} if boundary else {}
        arn = iam.create_user(UserName=name, **more)["User"]["Arn"]
        if statements:
            iam.put_user_policy(
                UserName=name, PolicyName="own", PolicyDocument=document(*statements)
            )
        return Person(town, arn, iam.create_access_key(UserName=name)["AccessKey"])

    return make


def policy_arn(name: str) -> str:
    return f"arn:aws:iam::{ACCOUNT}:policy/{name}"


def role_arn(name: str, account: str = ACCOUNT) -> str:
    return f"arn:aws:iam::{account}:role/{name}"


def make_function(person: Person, name: str, role: str) -> Callable[[], Any]:
    client = person.client("lambda")
    return lambda: client.create_function(
        FunctionName=name, Runtime="python3.11", Role=role, Handler="f.handler", Code={"ZipFile": archive()}
    )  # fmt: skip


@pytest.fixture(scope="module")
def climber(hire: Any, iam: Any) -> Person:
    iam.create_user(UserName="victim")
    iam.create_group(GroupName="g")
    reads = {"Action": ["iam:Get*", "iam:List*", "sts:*"]}
    person: Person = hire("climber", reads, boundary=policy_arn("limit"))
    return person


@pytest.fixture(scope="module")
def deputy(hire: Any) -> Person:
    within = {"StringEquals": {"iam:PermissionsBoundary": policy_arn("limit")}}
    person: Person = hire(
        "deputy",
        {"Action": ["iam:CreateUser", "iam:CreateRole", "iam:AttachUserPolicy", "iam:PutUserPolicy", "iam:PutUserPermissionsBoundary"], "Condition": within},
        {"Effect": "Deny", "Action": ["iam:CreatePolicyVersion", "iam:SetDefaultPolicyVersion"], "Resource": policy_arn("limit")},
        {"Effect": "Deny", "Action": "iam:DeleteUserPermissionsBoundary"},
    )  # fmt: skip
    return person


class TestPassRole:
    def test_a_function_with_a_role_one_may_not_pass(self, hire: Any) -> None:
        ann = hire("passer-1", {"Action": "lambda:*"})
        told = message_of(make_function(ann, "f1", role_arn("admin")))
        assert "iam:PassRole" in told
        assert role_arn("admin") in told

    def test_only_the_roles_that_are_named(self, hire: Any) -> None:
        ann = hire("passer-2", {"Action": "lambda:*"}, {"Action": "iam:PassRole", "Resource": role_arn("plain")})  # fmt: skip
        assert code_of(make_function(ann, "f2", role_arn("admin"))) == "AccessDeniedException"
        make_function(ann, "f2", role_arn("plain"))()
        update = ann.client("lambda").update_function_configuration
        assert code_of(update, FunctionName="f2", Role=role_arn("admin")) == "AccessDeniedException"

    def test_only_to_the_service_that_is_named(self, hire: Any) -> None:
        to_ec2 = {"Action": "iam:PassRole", "Condition": {"StringEquals": {"iam:PassedToService": "ec2.amazonaws.com"}}}  # fmt: skip
        ann = hire("passer-3", {"Action": "lambda:*"}, to_ec2)
        assert code_of(make_function(ann, "f3", role_arn("plain"))) == "AccessDeniedException"

    def test_never_across_accounts(self, hire: Any, town: Cloud) -> None:
        town.client("iam", access_key=OTHER).create_role(
            RoleName="theirs", AssumeRolePolicyDocument=trust(LAMBDA)
        )
        ann = hire("passer-4", ALL)
        refusal = code_of(make_function(ann, "f4", role_arn("theirs", OTHER)))
        assert refusal in ("AccessDeniedException", "InvalidParameterValueException")

    def test_a_stack_with_a_role_one_may_not_pass(self, hire: Any) -> None:
        ann = hire("passer-5", {"Action": "cloudformation:*"})
        create = ann.client("cloudformation").create_stack
        body = json.dumps({"Resources": {"Q": {"Type": "AWS::SQS::Queue"}}})
        told = message_of(create, StackName="s", TemplateBody=body, RoleARN=role_arn("admin"))
        assert "iam:PassRole" in told

    def test_a_stack_acts_as_who_made_it(self, hire: Any, town: Cloud) -> None:
        """Without a role a stack may do what its maker may, and no more."""
        ann = hire("passer-6", {"Action": "cloudformation:*"})
        cfn = ann.client("cloudformation")
        body = json.dumps({"Resources": {"Q": {"Type": "AWS::SQS::Queue"}}})
        cfn.create_stack(StackName="mine", TemplateBody=body)
        town.settle()
        [stack] = cfn.describe_stacks(StackName="mine")["Stacks"]
        assert stack["StackStatus"] in ("ROLLBACK_COMPLETE", "ROLLBACK_IN_PROGRESS", "CREATE_FAILED")  # fmt: skip

    def test_an_instance_profile(self, hire: Any, iam: Any) -> None:
        iam.create_instance_profile(InstanceProfileName="p")
        ann = hire("passer-7", {"Action": "iam:AddRoleToInstanceProfile"})
        add = ann.client("iam").add_role_to_instance_profile
        assert code_of(add, InstanceProfileName="p", RoleName="admin") == "AccessDenied"


class TestPolicies:
    @pytest.mark.parametrize(
        ("operation", "params"),
        [
            ("create_policy_version", {"PolicyArn": policy_arn("limit"), "PolicyDocument": document(ALL), "SetAsDefault": True}),
            ("set_default_policy_version", {"PolicyArn": policy_arn("limit"), "VersionId": "v1"}),
            ("attach_user_policy", {"UserName": "climber", "PolicyArn": policy_arn("all")}),
            ("attach_role_policy", {"RoleName": "plain", "PolicyArn": policy_arn("all")}),
            ("put_user_policy", {"UserName": "climber", "PolicyName": "x", "PolicyDocument": document(ALL)}),
            ("put_role_policy", {"RoleName": "plain", "PolicyName": "x", "PolicyDocument": document(ALL)}),
            ("put_group_policy", {"GroupName": "g", "PolicyName": "x", "PolicyDocument": document(ALL)}),
            ("add_user_to_group", {"GroupName": "g", "UserName": "climber"}),
            ("update_assume_role_policy", {"RoleName": "admin", "PolicyDocument": trust({"AWS": "*"})}),
            ("create_access_key", {"UserName": "victim"}),
            ("create_login_profile", {"UserName": "victim", "Password": "aA1!aA1!aA1!"}),
            ("delete_user_permissions_boundary", {"UserName": "climber"}),
            ("put_user_permissions_boundary", {"UserName": "climber", "PermissionsBoundary": policy_arn("all")}),
            ("delete_role_permissions_boundary", {"RoleName": "plain"}),
            ("create_user", {"UserName": "new"}),
            ("create_role", {"RoleName": "new", "AssumeRolePolicyDocument": trust({"AWS": "*"})}),
            ("delete_user_policy", {"UserName": "climber", "PolicyName": "own"}),
        ],
    )  # fmt: skip
    def test_reading_is_no_writing(self, climber: Person, operation: str, params: Any) -> None:
        assert code_of(getattr(climber.client("iam"), operation), **params) == "AccessDenied"

    def test_a_boundary_holds_whatever_else_is_allowed(self, hire: Any) -> None:
        ann = hire("bound", ALL, boundary=policy_arn("limit"))
        ann.client("s3").list_buckets()
        told = message_of(ann.client("iam").list_users)
        assert "because no permissions boundary allows the iam:ListUsers action" in told
        assert code_of(ann.client("iam").delete_user_permissions_boundary, UserName="bound") == "AccessDenied"  # fmt: skip

    def test_a_changed_policy_binds_at_once_and_so_does_a_removed_one(
        self, hire: Any, iam: Any
    ) -> None:
        ann = hire("changing", {"Action": "s3:ListAllMyBuckets"})
        s3 = ann.client("s3")
        for _ in range(3):
            s3.list_buckets()
        iam.put_user_policy(UserName="changing", PolicyName="no", PolicyDocument=document({"Effect": "Deny", "Action": "s3:*"}))  # fmt: skip
        assert code_of(s3.list_buckets) == "AccessDenied"
        iam.delete_user_policy(UserName="changing", PolicyName="no")
        s3.list_buckets()
        iam.delete_user_policy(UserName="changing", PolicyName="own")
        assert code_of(s3.list_buckets) == "AccessDenied"


class TestDelegation:
    """An administrator who may make users and roles, but only within a boundary: the guide's own example."""

    def test_who_is_made_without_it(self, deputy: Person) -> None:
        iam = deputy.client("iam")
        assert code_of(iam.create_user, UserName="free") == "AccessDenied"
        assert code_of(iam.create_user, UserName="free", PermissionsBoundary=policy_arn("all")) == "AccessDenied"  # fmt: skip

    def test_who_is_made_with_it(self, deputy: Person) -> None:
        iam = deputy.client("iam")
        iam.create_user(UserName="kept", PermissionsBoundary=policy_arn("limit"))
        iam.put_user_policy(UserName="kept", PolicyName="all", PolicyDocument=document(ALL))
        assert code_of(iam.put_user_policy, UserName="victim2", PolicyName="a", PolicyDocument=document(ALL)) == "AccessDenied"  # fmt: skip
        assert code_of(iam.delete_user_permissions_boundary, UserName="kept") == "AccessDenied"
        assert code_of(iam.put_user_permissions_boundary, UserName="kept", PermissionsBoundary=policy_arn("all")) == "AccessDenied"  # fmt: skip
        assert code_of(iam.create_policy_version, PolicyArn=policy_arn("limit"), PolicyDocument=document(ALL), SetAsDefault=True) == "AccessDenied"  # fmt: skip

    def test_only_the_policies_that_are_named(self, hire: Any, iam: Any) -> None:
        iam.create_user(UserName="clerk")
        only = {"ArnEquals": {"iam:PolicyARN": policy_arn("limit")}}
        ann = hire("giver", {"Action": "iam:AttachUserPolicy", "Condition": only})
        attach = ann.client("iam").attach_user_policy
        assert code_of(attach, UserName="clerk", PolicyArn=policy_arn("all")) == "AccessDenied"
        attach(UserName="clerk", PolicyArn=policy_arn("limit"))


class TestSessions:
    def test_a_role_that_trusts_somebody_else(self, hire: Any) -> None:
        ann = hire("assumer", {"Action": "sts:AssumeRole"})
        assume = ann.client("sts").assume_role
        assert code_of(assume, RoleArn=role_arn("admin"), RoleSessionName="x1") == "AccessDenied"

    def test_refusals_do_not_tell_which_roles_there_are(self, hire: Any) -> None:
        ann = hire("guesser", {"Action": "sts:AssumeRole"})
        assume = ann.client("sts").assume_role
        there = message_of(assume, RoleArn=role_arn("admin"), RoleSessionName="x1")
        absent = message_of(assume, RoleArn=role_arn("nosuch"), RoleSessionName="x1")
        assert there.replace("admin", "nosuch") == absent

    def test_a_session_policy_never_widens(self, hire: Any, iam: Any) -> None:
        ann = hire("narrow", {"Action": "sts:AssumeRole"})
        iam.create_role(RoleName="reader", AssumeRolePolicyDocument=trust({"AWS": ann.arn}))
        iam.put_role_policy(RoleName="reader", PolicyName="p", PolicyDocument=document({"Action": "s3:List*"}))  # fmt: skip
        given = ann.client("sts").assume_role(RoleArn=role_arn("reader"), RoleSessionName="x1", Policy=document(ALL))["Credentials"]  # fmt: skip
        session = Person(ann.cloud, "", given)
        session.client("s3").list_buckets()
        assert code_of(session.client("iam").list_users) == "AccessDenied"
        none = ann.client("sts").assume_role(RoleArn=role_arn("reader"), RoleSessionName="x1", Policy=document({"Action": "sqs:*"}))["Credentials"]  # fmt: skip
        told = message_of(Person(ann.cloud, "", none).client("s3").list_buckets)
        assert "because no session policy allows" in told

    def test_a_federated_user_has_what_both_allow(self, hire: Any) -> None:
        ann = hire("lender", {"Action": ["sts:GetFederationToken", "s3:*"]})
        given = ann.client("sts").get_federation_token(Name="guest", Policy=document(ALL))
        guest = Person(ann.cloud, "", given["Credentials"])
        guest.client("s3").list_buckets()
        assert code_of(guest.client("sqs").list_queues) == "AccessDenied"
        assert code_of(guest.client("iam").list_users) in ("AccessDenied", "InvalidClientTokenId")

    def test_a_session_ends_with_its_role(self, hire: Any, iam: Any) -> None:
        """Also when another of the same name is made afterwards."""
        ann = hire("late", {"Action": "sts:AssumeRole"})

        def make_role() -> None:
            iam.create_role(RoleName="short", AssumeRolePolicyDocument=trust({"AWS": ann.arn}))
            iam.put_role_policy(RoleName="short", PolicyName="p", PolicyDocument=document({"Action": "s3:*"}))  # fmt: skip

        make_role()
        given = ann.client("sts").assume_role(RoleArn=role_arn("short"), RoleSessionName="x1")
        session = Person(ann.cloud, "", given["Credentials"])
        session.client("s3").list_buckets()
        iam.delete_role_policy(RoleName="short", PolicyName="p")
        iam.delete_role(RoleName="short")
        assert code_of(session.client("s3").list_buckets) in ("InvalidClientTokenId", "InvalidAccessKeyId", "AccessDenied")  # fmt: skip
        make_role()
        assert code_of(session.client("s3").list_buckets) in ("InvalidClientTokenId", "InvalidAccessKeyId", "AccessDenied")  # fmt: skip

    def test_tags_of_a_session_that_nobody_may_set(self, hire: Any, iam: Any) -> None:
        ann = hire("tagger", {"Action": "sts:AssumeRole"})
        iam.create_role(RoleName="tagged", AssumeRolePolicyDocument=trust({"AWS": ann.arn}))
        assume = ann.client("sts").assume_role
        tags = [{"Key": "team", "Value": "admins"}]
        assert code_of(assume, RoleArn=role_arn("tagged"), RoleSessionName="x1", Tags=tags) == "AccessDenied"  # fmt: skip


class TestExplanations:
    """`serein why` tells what policies say, so not everybody may ask."""

    def test_only_who_may_decode_such_messages(self, hire: Any, town: Cloud) -> None:
        from_inside = hire("curious", {"Action": "s3:*"})
        code_of(from_inside.client("sqs").list_queues)
        assert ask(from_inside, "/_serein/why", {})[0] == 403
        allowed = hire("auditor", {"Action": "sts:DecodeAuthorizationMessage"})
        status, told = ask(allowed, "/_serein/why", {"by": "curious"})
        assert status == 200
        assert told["refusals"][0]["explanation"]["action"] in ("sqs:ListQueues", "sts:DecodeAuthorizationMessage")  # fmt: skip

    def test_another_account_sees_nothing_of_it(self, hire: Any, town: Cloud) -> None:
        ann = hire("private", {"Action": "s3:*"})
        code_of(ann.client("sqs").list_queues)
        stranger = Person(town, "", {"AccessKeyId": "333333333333", "SecretAccessKey": "x"})
        assert ask(stranger, "/_serein/why", {})[1] == {"refusals": []}
        assert ask(stranger, "/_serein/needs", {"principal": ann.arn})[0] == 403

    @pytest.mark.parametrize("body", [b"[]", b"{", b'{"id": 5}', b'{"surprise": 1}', b"\xff", b'{"count": 1e99}', b"{" * 50_000])  # fmt: skip
    def test_bad_questions(self, town: Cloud, body: bytes) -> None:
        assert town.http("POST", ENDPOINT + "/_serein/why", {}, body).status in (400, 413)


def ask(person: Person, path: str, question: dict[str, Any]) -> tuple[int, Any]:
    answer = Signed(person, "serein", "POST", path, json.dumps(question).encode()).send()
    return answer.status, json.loads(bytes(answer.body))  # type: ignore[arg-type]
