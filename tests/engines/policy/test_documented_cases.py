"""Policies out of AWS's documentation, asked what the documentation says of them. Each case bears its page."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from serein.engines.policy import Policy, PolicyKind, Request, decide, parse_policy

IAM = "https://docs.aws.amazon.com/IAM/latest/UserGuide"
ORGANIZATIONS = "https://docs.aws.amazon.com/organizations/latest/userguide"
DYNAMODB = "https://docs.aws.amazon.com/amazondynamodb/latest/developerguide"
HERE, THERE = "123456789012", "111122223333"
ALL = {"Effect": "Allow", "Action": "*", "Resource": "*"}
ANYONE = {"Effect": "Allow", "Principal": "*", "Action": "*", "Resource": "*"}


class Case(msgspec.Struct, frozen=True, kw_only=True):
    """One question. Policies are statements (one or a list) by kind."""

    page: str
    says: str
    allowed: bool
    action: str = "s3:GetObject"
    resource: str = "arn:aws:s3:::bucket/key"
    context: dict[str, tuple[str, ...]] = {}
    kind: Any = "user"
    name: str = "ann"
    identity: Any = msgspec.field(default_factory=lambda: ALL)
    resource_policy: Any = None
    boundary: Any = None
    session: Any = None
    scps: tuple[Any, ...] = ()
    rcps: tuple[Any, ...] = ()
    near: bool = True


NO_MFA = {
    "Sid": "BlockMostAccessUnlessSignedInWithMFA",
    "Effect": "Deny",
    "NotAction": ["iam:CreateVirtualMFADevice", "iam:ListMFADevices", "sts:GetSessionToken"],
    "Resource": "*",
    "Condition": {"BoolIfExists": {"aws:MultiFactorAuthPresent": "false"}},
}
OUTSIDE_REGIONS = {
    "Effect": "Deny",
    "NotAction": ["cloudfront:*", "iam:*", "route53:*", "support:*"],
    "Resource": "*",
    "Condition": {"StringNotEquals": {"aws:RequestedRegion": ["eu-central-1", "eu-west-1"]}},
}
OUTSIDE_NETWORK = {
    "Effect": "Deny",
    "Action": "*",
    "Resource": "*",
    "Condition": {
        "NotIpAddress": {"aws:SourceIp": ["192.0.2.0/24", "203.0.113.0/24"]},
        "Bool": {"aws:ViaAWSService": "false"},
    },
}
OWN_PROJECT = {
    "Effect": "Allow",
    "Action": "secretsmanager:*",
    "Resource": "*",
    "Condition": {
        "StringEquals": {"aws:ResourceTag/access-project": "${aws:PrincipalTag/access-project}"}
    },
}
HOME = [
    {
        "Effect": "Allow",
        "Action": "s3:ListBucket",
        "Resource": "arn:aws:s3:::bucket",
        "Condition": {"StringLike": {"s3:prefix": ["", "home/", "home/${aws:username}/*"]}},
    },
    {
        "Effect": "Allow",
        "Action": "s3:*",
        "Resource": "arn:aws:s3:::bucket/home/${aws:username}/*",
    },
]
REVOKED = {
    "Effect": "Deny",
    "Action": "*",
    "Resource": "*",
    "Condition": {"DateLessThan": {"aws:TokenIssueTime": "2014-05-07T23:47:00Z"}},
}
TAGS = {
    "Effect": "Allow",
    "Action": "ec2:CreateTags",
    "Resource": "*",
    "Condition": {
        "StringEquals": {"aws:RequestTag/environment": ["preprod", "production"]},
        "ForAllValues:StringEquals": {"aws:TagKeys": "environment"},
    },
}
LEADING_KEYS = {
    "Effect": "Allow",
    "Action": ["dynamodb:GetItem", "dynamodb:Query"],
    "Resource": "arn:aws:dynamodb:us-west-2:123456789012:table/GameScores",
    "Condition": {
        "ForAllValues:StringEquals": {
            "dynamodb:LeadingKeys": ["${www.amazon.com:user_id}"],
            "dynamodb:Attributes": ["UserId", "GameTitle", "Wins"],
        },
        "StringEqualsIfExists": {"dynamodb:Select": "SPECIFIC_ATTRIBUTES"},
    },
}
SCORES = "arn:aws:dynamodb:us-west-2:123456789012:table/GameScores"
OUTSIDE_ORGANIZATION = {
    "Effect": "Deny",
    "Principal": "*",
    "Action": "s3:*",
    "Resource": "*",
    "Condition": {
        "StringNotEqualsIfExists": {"aws:PrincipalOrgID": "o-1"},
        "BoolIfExists": {"aws:PrincipalIsAWSService": "false"},
    },
}
DEPUTY = {
    "Effect": "Deny",
    "Principal": "*",
    "Action": "s3:*",
    "Resource": "*",
    "Condition": {
        "StringNotEqualsIfExists": {"aws:SourceOrgID": "o-1"},
        "Null": {"aws:SourceAccount": "false"},
        "Bool": {"aws:PrincipalIsAWSService": "true"},
    },
}
FULL_RCP = {"Effect": "Allow", "Principal": "*", "Action": "*", "Resource": "*"}
TOPIC_TO_QUEUE = {
    "Effect": "Allow",
    "Principal": {"Service": "sns.amazonaws.com"},
    "Action": "sqs:SendMessage",
    "Resource": "arn:aws:sqs:us-east-1:123456789012:queue",
    "Condition": {"ArnLike": {"aws:SourceArn": "arn:aws:sns:us-east-1:123456789012:topic"}},
}
QUEUE = "arn:aws:sqs:us-east-1:123456789012:queue"

CASES = [
    # Multi-factor authentication: BoolIfExists also denies long-term keys, which have no such key.
    Case(page=f"{IAM}/reference_policies_condition-keys.html", says="no MFA", allowed=False, identity=[ALL, NO_MFA], context={"aws:multifactorauthpresent": ("false",)}),
    Case(page=f"{IAM}/reference_policies_condition-keys.html", says="MFA", allowed=True, identity=[ALL, NO_MFA], context={"aws:multifactorauthpresent": ("true",)}),
    Case(page=f"{IAM}/reference_policies_condition-keys.html", says="long-term keys have no such key", allowed=False, identity=[ALL, NO_MFA]),
    Case(page=f"{IAM}/reference_policies_condition-keys.html", says="what NotAction spares", allowed=True, identity=[ALL, NO_MFA], action="iam:ListMFADevices", resource="*"),
    Case(page=f"{IAM}/reference_policies_condition-keys.html", says="Bool true is not met by an absent key", allowed=False, identity={**ALL, "Condition": {"Bool": {"aws:MultiFactorAuthPresent": "true"}}}),
    # Regions
    Case(page=f"{IAM}/reference_policies_examples_aws_deny-requested-region.html", says="elsewhere", allowed=False, identity=[ALL, OUTSIDE_REGIONS], context={"aws:requestedregion": ("us-east-1",)}),
    Case(page=f"{IAM}/reference_policies_examples_aws_deny-requested-region.html", says="in the region", allowed=True, identity=[ALL, OUTSIDE_REGIONS], context={"aws:requestedregion": ("eu-west-1",)}),
    Case(page=f"{IAM}/reference_policies_examples_aws_deny-requested-region.html", says="a global service", allowed=True, identity=[ALL, OUTSIDE_REGIONS], action="iam:GetUser", resource="*", context={"aws:requestedregion": ("us-east-1",)}),
    # Networks
    Case(page=f"{IAM}/reference_policies_examples_aws_deny-ip.html", says="inside", allowed=True, identity=[ALL, OUTSIDE_NETWORK], context={"aws:sourceip": ("203.0.113.7",), "aws:viaawsservice": ("false",)}),
    Case(page=f"{IAM}/reference_policies_examples_aws_deny-ip.html", says="outside", allowed=False, identity=[ALL, OUTSIDE_NETWORK], context={"aws:sourceip": ("198.51.100.1",), "aws:viaawsservice": ("false",)}),
    Case(page=f"{IAM}/reference_policies_examples_aws_deny-ip.html", says="a service in one's name", allowed=True, identity=[ALL, OUTSIDE_NETWORK], context={"aws:sourceip": ("198.51.100.1",), "aws:viaawsservice": ("true",)}),
    # Attribute-based access
    Case(page=f"{IAM}/tutorial_attribute-based-access-control.html", says="one's own project", allowed=True, identity=OWN_PROJECT, action="secretsmanager:GetSecretValue", context={"aws:resourcetag/access-project": ("peg",), "aws:principaltag/access-project": ("peg",)}),
    Case(page=f"{IAM}/tutorial_attribute-based-access-control.html", says="another's", allowed=False, identity=OWN_PROJECT, action="secretsmanager:GetSecretValue", context={"aws:resourcetag/access-project": ("uni",), "aws:principaltag/access-project": ("peg",)}),
    Case(page=f"{IAM}/reference_policies_variables.html", says="neither is tagged: a variable without value matches nothing", allowed=False, identity=OWN_PROJECT, action="secretsmanager:GetSecretValue"),
    # Home folders
    Case(page=f"{IAM}/reference_policies_examples_s3_home-directory-console.html", says="one's own folder", allowed=True, identity=HOME, resource="arn:aws:s3:::bucket/home/ann/x"),
    Case(page=f"{IAM}/reference_policies_examples_s3_home-directory-console.html", says="another's folder", allowed=False, identity=HOME, resource="arn:aws:s3:::bucket/home/bob/x"),
    Case(page=f"{IAM}/reference_policies_examples_s3_home-directory-console.html", says="listing the homes", allowed=True, identity=HOME, action="s3:ListBucket", resource="arn:aws:s3:::bucket", context={"s3:prefix": ("home/",)}),
    Case(page=f"{IAM}/reference_policies_examples_s3_home-directory-console.html", says="listing another's home", allowed=False, identity=HOME, action="s3:ListBucket", resource="arn:aws:s3:::bucket", context={"s3:prefix": ("home/bob/",)}),
    Case(page=f"{IAM}/reference_policies_variables.html", says="a name of stars is no wildcard", allowed=False, identity=HOME, name="*", resource="arn:aws:s3:::bucket/home/bob/x"),
    # Revoked sessions
    Case(page=f"{IAM}/id_roles_use_revoke-sessions.html", says="an older session", allowed=False, identity=[ALL, REVOKED], context={"aws:tokenissuetime": ("2014-05-07T23:46:59Z",)}),
    Case(page=f"{IAM}/id_roles_use_revoke-sessions.html", says="a newer session", allowed=True, identity=[ALL, REVOKED], context={"aws:tokenissuetime": ("2014-05-07T23:47:01Z",)}),
    # Tags of requests
    Case(page=f"{IAM}/access_tags.html", says="only that key", allowed=True, identity=TAGS, action="ec2:CreateTags", context={"aws:requesttag/environment": ("preprod",), "aws:tagkeys": ("environment",)}),
    Case(page=f"{IAM}/access_tags.html", says="another key as well", allowed=False, identity=TAGS, action="ec2:CreateTags", context={"aws:requesttag/environment": ("preprod",), "aws:tagkeys": ("environment", "cost")}),
    Case(page=f"{IAM}/access_tags.html", says="without the tag", allowed=False, identity=TAGS, action="ec2:CreateTags", context={"aws:tagkeys": ()}),
    # Set operators
    Case(page=f"{IAM}/reference_policies_condition-single-vs-multi-valued-context-keys.html", says="ForAllValues holds for no keys", allowed=True, identity={**ALL, "Condition": {"ForAllValues:StringEquals": {"aws:TagKeys": "a"}}}),
    Case(page=f"{IAM}/reference_policies_condition-single-vs-multi-valued-context-keys.html", says="but not together with Null", allowed=False, identity={**ALL, "Condition": {"ForAllValues:StringEquals": {"aws:TagKeys": "a"}, "Null": {"aws:TagKeys": "false"}}}),
    Case(page=f"{IAM}/reference_policies_condition-single-vs-multi-valued-context-keys.html", says="an empty text is a null data set", allowed=False, identity={**ALL, "Condition": {"ForAllValues:StringEquals": {"aws:TagKeys": "a"}, "Null": {"aws:TagKeys": "false"}}}, context={"aws:tagkeys": ("",)}),
    Case(page=f"{IAM}/reference_policies_condition-single-vs-multi-valued-context-keys.html", says="ForAnyValue fails for no keys", allowed=False, identity={**ALL, "Condition": {"ForAnyValue:StringEquals": {"aws:TagKeys": "a"}}}),
    # IfExists
    Case(page=f"{IAM}/reference_policies_elements_condition_operators.html", says="IfExists passes what has no such key", allowed=True, identity={**ALL, "Condition": {"StringLikeIfExists": {"ec2:InstanceType": ["t1.*"]}}}),
    Case(page=f"{IAM}/reference_policies_elements_condition_operators.html", says="and judges what has", allowed=False, identity={**ALL, "Condition": {"StringLikeIfExists": {"ec2:InstanceType": ["t1.*"]}}}, context={"ec2:instancetype": ("m5.large",)}),
    Case(page=f"{IAM}/reference_policies_condition-logic-multiple-context-keys-or-values.html", says="keys are joined by AND", allowed=False, identity={**ALL, "Condition": {"StringEquals": {"x:a": "1", "x:b": "2"}}}, context={"x:a": ("1",)}),
    Case(page=f"{IAM}/reference_policies_condition-logic-multiple-context-keys-or-values.html", says="values of a negated operator by NOR", allowed=False, identity={**ALL, "Condition": {"StringNotEquals": {"x:a": ["1", "2"]}}}, context={"x:a": ("2",)}),
    # DynamoDB
    Case(page=f"{DYNAMODB}/specifying-conditions.html", says="one's own items, some attributes", allowed=True, identity=LEADING_KEYS, action="dynamodb:GetItem", resource=SCORES, context={"www.amazon.com:user_id": ("u1",), "dynamodb:leadingkeys": ("u1",), "dynamodb:attributes": ("UserId", "Wins"), "dynamodb:select": ("SPECIFIC_ATTRIBUTES",)}),
    Case(page=f"{DYNAMODB}/specifying-conditions.html", says="another's items", allowed=False, identity=LEADING_KEYS, action="dynamodb:GetItem", resource=SCORES, context={"www.amazon.com:user_id": ("u1",), "dynamodb:leadingkeys": ("u1", "u2")}),
    Case(page=f"{DYNAMODB}/specifying-conditions.html", says="a hidden attribute", allowed=False, identity=LEADING_KEYS, action="dynamodb:GetItem", resource=SCORES, context={"www.amazon.com:user_id": ("u1",), "dynamodb:leadingkeys": ("u1",), "dynamodb:attributes": ("UserId", "Secret")}),
    Case(page=f"{DYNAMODB}/specifying-conditions.html", says="all attributes", allowed=False, identity=LEADING_KEYS, action="dynamodb:GetItem", resource=SCORES, context={"www.amazon.com:user_id": ("u1",), "dynamodb:leadingkeys": ("u1",), "dynamodb:select": ("ALL_ATTRIBUTES",)}),
    # Boundaries and session policies
    Case(page=f"{IAM}/access_policies_boundaries.html", says="outside the boundary", allowed=False, boundary={**ALL, "Action": ["s3:*", "cloudwatch:*", "ec2:*"]}, action="iam:CreateUser", resource="*"),
    Case(page=f"{IAM}/access_policies_boundaries.html", says="a boundary gives nothing", allowed=False, boundary=ALL, identity={**ALL, "Action": "sqs:*"}),
    Case(page=f"{IAM}/access_policies_boundaries.html", says="in both", allowed=True, boundary={**ALL, "Action": ["s3:*", "cloudwatch:*"]}),
    Case(page=f"{IAM}/access_policies.html", says="a session's policy narrows its role's", allowed=False, kind="role", session={**ALL, "Action": "s3:ListBucket"}),
    # Service control policies
    Case(page=f"{ORGANIZATIONS}/orgs_manage_policies_scps_evaluation.html", says="allowed at every level", allowed=True, scps=(ALL, ALL, ALL)),
    Case(page=f"{ORGANIZATIONS}/orgs_manage_policies_scps_evaluation.html", says="one level allows it not", allowed=False, scps=(ALL, {**ALL, "Action": "ec2:*"}, ALL)),
    Case(page=f"{ORGANIZATIONS}/orgs_manage_policies_scps_evaluation.html", says="one level denies it", allowed=False, scps=(ALL, [ALL, {**ALL, "Effect": "Deny", "Action": "s3:*"}], ALL)),
    Case(page=f"{ORGANIZATIONS}/orgs_manage_policies_scps.html", says="a control policy gives nothing", allowed=False, identity={**ALL, "Action": "sqs:*"}, scps=(ALL,)),
    Case(page=f"{ORGANIZATIONS}/orgs_manage_policies_scps.html", says="it binds the root user of a member", allowed=False, kind="root", scps=({**ALL, "Action": "ec2:*"},)),
    # Resource control policies
    Case(page=f"{ORGANIZATIONS}/orgs_manage_policies_rcps_examples.html", says="a stranger to the organization", allowed=False, near=False, resource_policy=ANYONE, rcps=([FULL_RCP, OUTSIDE_ORGANIZATION],), context={"aws:principalorgid": ("o-2",)}),
    Case(page=f"{ORGANIZATIONS}/orgs_manage_policies_rcps_examples.html", says="one of the organization", allowed=True, near=False, resource_policy=ANYONE, rcps=([FULL_RCP, OUTSIDE_ORGANIZATION],), context={"aws:principalorgid": ("o-1",)}),
    Case(page=f"{ORGANIZATIONS}/orgs_manage_policies_rcps_examples.html", says="nobody at all", allowed=False, kind="anonymous", resource_policy=ANYONE, rcps=([FULL_RCP, OUTSIDE_ORGANIZATION],)),
    Case(page=f"{ORGANIZATIONS}/orgs_manage_policies_rcps_examples.html", says="a service for somebody else", allowed=False, kind="service", resource_policy=ANYONE, rcps=([FULL_RCP, DEPUTY],), context={"aws:sourceaccount": (THERE,), "aws:sourceorgid": ("o-2",)}),
    Case(page=f"{ORGANIZATIONS}/orgs_manage_policies_rcps_examples.html", says="a service for one of us", allowed=True, kind="service", resource_policy=ANYONE, rcps=([FULL_RCP, DEPUTY],), context={"aws:sourceaccount": (HERE,), "aws:sourceorgid": ("o-1",)}),
    # Confused deputies
    Case(page=f"{IAM}/confused-deputy.html", says="our topic", allowed=True, kind="service", name="sns.amazonaws.com", action="sqs:SendMessage", resource=QUEUE, resource_policy=TOPIC_TO_QUEUE, context={"aws:sourcearn": (f"arn:aws:sns:us-east-1:{HERE}:topic",)}),
    Case(page=f"{IAM}/confused-deputy.html", says="another's topic of the same name", allowed=False, kind="service", name="sns.amazonaws.com", action="sqs:SendMessage", resource=QUEUE, resource_policy=TOPIC_TO_QUEUE, context={"aws:sourcearn": (f"arn:aws:sns:us-east-1:{THERE}:topic",)}),
    Case(page=f"{IAM}/confused-deputy.html", says="a service that says not for whom", allowed=False, kind="service", name="sns.amazonaws.com", action="sqs:SendMessage", resource=QUEUE, resource_policy=TOPIC_TO_QUEUE),
    # Across accounts
    Case(page=f"{IAM}/reference_policies_evaluation-logic-cross-account.html", says="both sides", allowed=True, near=False, resource_policy={**ANYONE, "Principal": {"AWS": HERE}}),
    Case(page=f"{IAM}/reference_policies_evaluation-logic-cross-account.html", says="the caller's side alone", allowed=False, near=False),
    Case(page=f"{IAM}/reference_policies_evaluation-logic-cross-account.html", says="the resource's side alone", allowed=False, near=False, identity={**ALL, "Action": "sqs:*"}, resource_policy={**ANYONE, "Principal": {"AWS": f"arn:aws:iam::{HERE}:user/ann"}}),
    # Elements
    Case(page=f"{IAM}/reference_policies_elements_notresource.html", says="what NotResource spares", allowed=True, identity=[ALL, {"Effect": "Deny", "Action": "s3:*", "NotResource": "arn:aws:s3:::bucket/*"}]),
    Case(page=f"{IAM}/reference_policies_elements_notresource.html", says="and all else", allowed=False, identity=[ALL, {"Effect": "Deny", "Action": "s3:*", "NotResource": "arn:aws:s3:::other/*"}]),
    Case(page=f"{IAM}/reference_policies_elements_action.html", says="actions are not case-sensitive", allowed=True, identity={**ALL, "Action": "S3:getobject"}),
    Case(page=f"{IAM}/reference_policies_elements_resource.html", says="resources are", allowed=False, identity={**ALL, "Resource": "arn:aws:s3:::BUCKET/*"}),
    Case(page=f"{IAM}/reference_policies_elements_resource.html", says="a star does not span segments", allowed=False, identity={**ALL, "Resource": "arn:aws:*:bucket/key"}),
]  # fmt: skip


def policies(kind: PolicyKind, statements: Any) -> Policy:
    listed = statements if isinstance(statements, list) else [statements]
    return parse_policy({"Version": "2012-10-17", "Statement": listed}, kind)


@pytest.mark.parametrize(
    "case", CASES, ids=lambda case: f"{case.page.rpartition('/')[2]}: {case.says}"
)
def test_documented(case: Case) -> None:
    is_role = case.kind == "role"
    asks = Request(
        action=case.action,
        resource=case.resource,
        kind=case.kind,
        arn=""
        if case.kind in ("service", "anonymous")
        else f"arn:aws:iam::{HERE}:user/{case.name}",
        account=HERE if case.kind not in ("service", "anonymous") else "",
        name=case.name if case.kind == "user" else "",
        role_arn=f"arn:aws:iam::{HERE}:role/r" if is_role else "",
        service=case.name if case.kind == "service" else "",
        context=case.context.get,
    )
    decision = decide(
        asks,
        [policies("identity", case.identity)],
        None if case.resource_policy is None else policies("resource", case.resource_policy),
        boundary=None if case.boundary is None else policies("boundary", case.boundary),
        session=None if case.session is None else [policies("session", case.session)],
        scps=[[policies("scp", level)] for level in case.scps],
        rcps=[[policies("rcp", level)] for level in case.rcps],
        same_account=case.near,
    )
    assert decision.allowed == case.allowed, decision
