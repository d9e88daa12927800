"""Organization policies: their types, their documents and quotas, AWS's own two.

https://docs.aws.amazon.com/organizations/latest/userguide/orgs_reference_limits.html
"""

from __future__ import annotations

from types import MappingProxyType

import orjson

from serein.contracts.organization import RESOURCE_CONTROL_POLICY, SERVICE_CONTROL_POLICY
from serein.engines.policy import MalformedPolicy, PolicyKind, parse_policy
from serein.services.organizations.model import MalformedPolicyDocumentException
from serein.services.organizations.records import Policy
from serein.services.organizations.rules.errors import constraint_violation, invalid_input

FULL_ACCESS = MappingProxyType(
    {
        SERVICE_CONTROL_POLICY: Policy(
            organization="aws",
            id="p-FullAWSAccess",
            name="FullAWSAccess",
            description="Allows access to every operation",
            kind=SERVICE_CONTROL_POLICY,
            content=(
                '{\n  "Version": "2012-10-17",\n  "Statement": [\n    {\n      "Effect": "Allow",\n'
                '      "Action": "*",\n      "Resource": "*"\n    }\n  ]\n}'
            ),
            created_at=0.0,
        ),
        RESOURCE_CONTROL_POLICY: Policy(
            organization="aws",
            id="p-RCPFullAWSAccess",
            name="RCPFullAWSAccess",
            description="Allows all principals and actions access through RCP evaluation",
            kind=RESOURCE_CONTROL_POLICY,
            content=(
                '{\n  "Version": "2012-10-17",\n  "Statement": [\n    {\n      "Effect": "Allow",\n'
                '      "Principal": "*",\n      "Action": "*",\n      "Resource": "*"\n    }\n  ]\n}'
            ),
            created_at=0.0,
        ),
    }
)
"""What each node has of the control policies until another takes its place."""
AWS_POLICIES = MappingProxyType({policy.id: policy for policy in FULL_ACCESS.values()})
CHARACTERS_MAX = MappingProxyType(
    {
        SERVICE_CONTROL_POLICY: 5_120,
        RESOURCE_CONTROL_POLICY: 5_120,
        "TAG_POLICY": 10_000,
        "BACKUP_POLICY": 10_000,
        "AISERVICES_OPT_OUT_POLICY": 2_500,
    }
)
_CHARACTERS_MAX = 10_000
ATTACHED_MAX = MappingProxyType({SERVICE_CONTROL_POLICY: 5, RESOURCE_CONTROL_POLICY: 5})
_ATTACHED_MAX = 10
POLICIES_MAX = MappingProxyType({SERVICE_CONTROL_POLICY: 10_000})
_POLICIES_MAX = 1_000
_PARSED_AS: MappingProxyType[str, PolicyKind] = MappingProxyType(
    {SERVICE_CONTROL_POLICY: "scp", RESOURCE_CONTROL_POLICY: "rcp"}
)


def attached_max(kind: str) -> int:
    """How many policies of a type a node may have."""
    return ATTACHED_MAX.get(kind, _ATTACHED_MAX)


def policies_max(kind: str) -> int:
    """How many policies of a type an organization may have."""
    return POLICIES_MAX.get(kind, _POLICIES_MAX)


def check_content(kind: str, content: str) -> None:
    """Raises MalformedPolicyDocument, ConstraintViolation for a document that cannot be a policy of that type."""
    if len(content) > CHARACTERS_MAX.get(kind, _CHARACTERS_MAX):
        raise constraint_violation(
            "POLICY_CONTENT_LIMIT_EXCEEDED",
            "You have exceeded the allowed maximum policy document size.",
        )
    try:
        told = orjson.loads(content)
        if not isinstance(told, dict):
            raise ValueError("no object")
        parsed_as = _PARSED_AS.get(kind)
        if parsed_as is not None:
            parse_policy(content, parsed_as)
    except (MalformedPolicy, ValueError) as error:
        raise MalformedPolicyDocumentException(
            "The provided policy document does not meet the requirements of the specified policy type."
        ) from error


def check_own(policy: Policy) -> None:
    """Raises InvalidInput for AWS's own policies."""
    if policy.organization == "aws":
        raise invalid_input(
            "IMMUTABLE_POLICY",
            "You specified a policy that is managed by AWS and can't be modified.",
        )


def arn_of(policy: Policy, management_account: str) -> str:
    """A policy's ARN."""
    kind = policy.kind.lower()
    if policy.organization == "aws":
        return f"arn:aws:organizations::aws:policy/{kind}/{policy.id}"
    organization = policy.organization
    return f"arn:aws:organizations::{management_account}:policy/{organization}/{kind}/{policy.id}"
