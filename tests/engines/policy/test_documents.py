"""Documents that are no policies, in AWS's words.

Wording: answers of IAM as its users report them; the trust policy's first case from the recorded answer
`test_create_role_with_malformed_assume_role_policy_document`.
Grammar: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_grammar.html
"""

from __future__ import annotations

import contextlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serein.engines.policy import MalformedPolicy, PolicyKind, parse_policy


def one(**changes: Any) -> dict[str, Any]:
    statement: dict[str, Any] = {"Effect": "Allow", "Action": "s3:Get*", "Resource": "*"}
    statement.update(changes)
    return {
        "Version": "2012-10-17",
        "Statement": {key: value for key, value in statement.items() if value is not None},
    }


def trust(**changes: Any) -> dict[str, Any]:
    usual = {"Resource": None, "Action": "sts:AssumeRole", "Principal": {"AWS": "*"}}
    return one(**{**usual, **changes})


SYNTAX = "Syntax errors in policy."
CASES: list[tuple[Any, PolicyKind, str]] = [
    ("", "identity", SYNTAX),
    ("[]", "identity", SYNTAX),
    ('{"Version": "2012-10-17"}', "identity", SYNTAX),
    ({"Version": "2012-10-17", "Statement": []}, "identity", SYNTAX),
    ({**one(), "Extra": 1}, "identity", SYNTAX),
    ({**one(), "Version": "2012-10-18"}, "identity", SYNTAX),
    ({**one(), "Version": "2008-10-17"}, "identity", "Policy document must be version 2012-10-17 or greater."),
    # https://github.com/hashicorp/terraform/issues/10057
    (one(Effect="allow"), "identity", "The policy failed legacy parsing"),
    # https://github.com/hashicorp/terraform-provider-aws/issues/26108
    (one(Resource="arn:aws:iam::xxxx:role/x"), "identity", "The policy failed legacy parsing"),
    (one(Effect="Permit"), "identity", SYNTAX),
    (one(Effect=None), "identity", SYNTAX),
    (one(Surprise=1), "identity", SYNTAX),
    (one(NotAction="s3:*"), "identity", SYNTAX),
    (one(Condition=["x"]), "identity", SYNTAX),
    (one(Action=None), "identity", "Policy statement must contain actions."),
    (one(Action=[]), "identity", "Policy statement must contain actions."),
    (one(Resource=None), "identity", "Policy statement must contain resources."),
    (one(Resource=[]), "identity", "Policy statement must contain resources."),
    (one(Action="invalid"), "identity", "Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc."),
    (one(Action="a:b:c"), "identity", "Actions/Condition can contain only one colon."),
    (one(Action="a a:b"), "identity", "Vendor a a is not valid"),
    (one(Resource="bucket"), "identity", 'Resource bucket must be in ARN format or "*".'),
    (one(Resource="arn:error:s3:::b"), "identity", 'Partition "error" is not valid for resource "arn:error:s3:::b".'),
    (one(Resource="arn:aws:s3:us-east-1::b"), "identity", "Resource arn:aws:s3:us-east-1::b can not contain region information."),
    (one(Principal="*"), "identity", "Policy document should not specify a principal."),
    (one(Sid="a b"), "identity", "Statement IDs (SID) must be alpha-numeric. Check that your input satisfies the regular expression [0-9A-Za-z]*"),
    ({"Version": "2012-10-17", "Statement": [one(Sid="a")["Statement"]] * 2}, "identity", "Statement IDs (SID) in a single policy must be unique."),
    ("{", "trust", "This policy contains invalid Json"),
    (trust(Resource="*"), "trust", "Has prohibited field Resource"),
    (trust(Principal=None), "trust", "Missing required field Principal"),
    (trust(Action=None), "trust", "Missing required field Action"),
    (trust(Effect=None), "trust", "Missing required field Effect"),
    (trust(Action="s3:GetObject"), "trust", "AssumeRole policy may only specify STS AssumeRole actions."),
    (trust(Principal={"AWS": "arn:aws:iam::1:user"}), "trust", 'Invalid principal in policy: "AWS":"arn:aws:iam::1:user"'),
    (trust(Surprise=1), "trust", "Unknown field Surprise"),
    ({"Version": "2012-10-17"}, "resource", "Missing required field Statement"),
]  # fmt: skip


@pytest.mark.parametrize(("document", "kind", "message"), CASES)
def test_refused_in_aws_words(document: Any, kind: PolicyKind, message: str) -> None:
    with pytest.raises(MalformedPolicy) as caught:
        parse_policy(document, kind)
    assert caught.value.message == message


@pytest.mark.parametrize(
    ("document", "kind"),
    [
        (one(Action="*"), "identity"),
        (one(NotAction="s3:*", Action=None), "identity"),
        (one(Resource=["arn:aws:iam::*:role/x", "arn:aws:sqs:*:*:*"]), "boundary"),
        (trust(Principal={"Service": ["lambda.amazonaws.com"]}), "trust"),
        (trust(Action=["sts:AssumeRole", "sts:TagSession"]), "trust"),
        ({"Version": "2008-10-17", "Id": "x", "Statement": [one(Sid="with space", Principal="*")["Statement"]]}, "resource"),
    ],
)  # fmt: skip
def test_accepted(document: Any, kind: PolicyKind) -> None:
    assert parse_policy(document, kind).statements


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.sampled_from(["Allow", "Deny", "*", "s3:Get*", "2012-10-17", "${", "arn:aws:s3:::x"]),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(
        st.sampled_from(["Version", "Statement", "Effect", "Action", "Resource", "Principal", "Condition", "AWS", "StringEquals"]), inner, max_size=6
    ),
    max_leaves=20,
)  # fmt: skip


@given(JSON, st.sampled_from(["identity", "trust", "resource", "session"]))
def test_whatever_comes_is_read_or_refused(document: Any, kind: PolicyKind) -> None:
    if not isinstance(document, dict):
        document = {"Version": "2012-10-17", "Statement": document}
    with contextlib.suppress(MalformedPolicy):
        parse_policy(document, kind)
