"""What a template needs to be acknowledged.

https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_CreateStack.html (Capabilities)
"""

from __future__ import annotations

from collections.abc import Iterable

from serein.engines.templates import Template

IAM = "CAPABILITY_IAM"
NAMED_IAM = "CAPABILITY_NAMED_IAM"
AUTO_EXPAND = "CAPABILITY_AUTO_EXPAND"
_NAMES = {
    "AWS::IAM::Group": "GroupName",
    "AWS::IAM::InstanceProfile": "InstanceProfileName",
    "AWS::IAM::ManagedPolicy": "ManagedPolicyName",
    "AWS::IAM::Role": "RoleName",
    "AWS::IAM::User": "UserName",
}
_OTHERS = frozenset(
    {
        "AWS::IAM::AccessKey",
        "AWS::IAM::Policy",
        "AWS::IAM::UserToGroupAddition",
        "AWS::IAM::RolePolicy",
    }
)


def needed_for_iam(template: Template) -> tuple[list[str], list[str]]:
    """The IAM capability that the resources need (or none), and the resource types that do."""
    types: list[str] = []
    named = False
    for resource in template.resources.values():
        if resource.type in _NAMES or resource.type in _OTHERS:
            if resource.type not in types:
                types.append(resource.type)
            named = named or _NAMES.get(resource.type, "") in resource.properties
    if not types:
        return [], []
    return [NAMED_IAM if named else IAM], types


def missing(needed: Iterable[str], given: Iterable[str]) -> list[str]:
    """The needed capabilities that were not given; CAPABILITY_NAMED_IAM covers CAPABILITY_IAM."""
    have = set(given)
    if NAMED_IAM in have:
        have.add(IAM)
    return [capability for capability in needed if capability not in have]


def reason_for(types: Iterable[str]) -> str:
    """Why, as ValidateTemplate says it."""
    return f"The following resource(s) require capabilities: [{', '.join(types)}]"
