"""What a change set tells of a stack: resources added, changed (and how), removed.

https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_ResourceChange.html
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import msgspec

from serein.engines.templates import (
    Template,
    Tree,
    Value,
    evaluate,
    has_unknown,
    to_text,
)
from serein.engines.templates.references import references_in
from serein.engines.templates.scope import Scope
from serein.engines.templates.values import to_json
from serein.services.cloudformation.records import Resource

Replaces = Callable[[str, set[str]], bool]
"""`replaces(type, changed properties)`."""


class Planned(msgspec.Struct, frozen=True, kw_only=True):
    """A resource as the new template has it, as far as that is known before the deployment."""

    logical_id: str
    type: str
    properties: Tree
    source: Tree
    """The properties before evaluation: whom a change comes from."""
    metadata: Value = None
    deletion_policy: str = "Delete"
    update_replace_policy: str = "Delete"


def changes_of(
    planned: Mapping[str, Planned],
    existing: Mapping[str, Resource],
    changed_parameters: set[str],
    template: Template,
    replaces: Replaces,
) -> list[dict[str, Any]]:
    """The changes in the API's form, ordered by logical id as AWS lists them."""
    made: list[dict[str, Any]] = []
    replaced = _replaced(planned, existing, replaces)
    for logical_id in sorted(planned.keys() | existing.keys()):
        after, before = planned.get(logical_id), existing.get(logical_id)
        change: dict[str, Any] | None = None
        if before is None and after is not None:
            change = {
                "Action": "Add",
                "LogicalResourceId": logical_id,
                "ResourceType": after.type,
                "Scope": [],
                "Details": [],
                "AfterContext": _context(after.properties),
            }
        elif after is None and before is not None:
            change = {
                "PolicyAction": _policy_word(before.deletion_policy),
                "Action": "Remove",
                "LogicalResourceId": logical_id,
                "PhysicalResourceId": before.physical_id,
                "ResourceType": before.type,
                "Scope": [],
                "Details": [],
                "BeforeContext": _context(before.properties),
            }
        elif after is not None and before is not None:
            change = _modified(after, before, changed_parameters, template, replaces, replaced)
        if change is not None:
            made.append({"Type": "Resource", "ResourceChange": change})
    return made


def _context(properties: Tree) -> str:
    return to_json({"Properties": properties})


VALUES = frozenset({"BeforeContext", "AfterContext"})
TARGET_VALUES = frozenset({"Path", "BeforeValue", "AfterValue", "AttributeChangeType"})


def without_values(change: dict[str, Any]) -> dict[str, Any]:
    """A change as it is described without IncludePropertyValues."""
    resource = {k: v for k, v in change["ResourceChange"].items() if k not in VALUES}
    resource["Details"] = [
        {**detail, "Target": {k: v for k, v in detail["Target"].items() if k not in TARGET_VALUES}}
        for detail in resource["Details"]
    ]
    return {**change, "ResourceChange": resource}


def _policy_word(policy: str) -> str:
    return (
        "Retain" if policy.startswith("Retain") and policy != "RetainExceptOnCreate" else "Delete"
    )


def changed_properties(after: Tree, before: Tree) -> list[str]:
    """The names of the properties that differ, in the order of the new ones."""
    names = [name for name, value in after.items() if name not in before or before[name] != value]
    return names + [name for name in before if name not in after]


def _replaced(
    planned: Mapping[str, Planned], existing: Mapping[str, Resource], replaces: Replaces
) -> set[str]:
    """Resources that will surely be replaced, so that what refers to them changes too."""
    found: set[str] = set()
    for logical_id, after in planned.items():
        before = existing.get(logical_id)
        if before is None:
            continue
        certain = {
            name
            for name in changed_properties(after.properties, before.properties)
            if not has_unknown(after.properties.get(name))
        }
        if before.type != after.type or (certain and replaces(after.type, certain)):
            found.add(logical_id)
    return found


def _modified(
    after: Planned,
    before: Resource,
    changed_parameters: set[str],
    template: Template,
    replaces: Replaces,
    replaced: set[str],
) -> dict[str, Any] | None:
    names = changed_properties(after.properties, before.properties)
    details = [
        detail
        for name in names
        for detail in _details(name, after, before, changed_parameters, template, replaces)
    ]
    scope = ["Properties"] if names else []
    if after.metadata != before.metadata:
        scope.insert(0, "Metadata")
        target = {"Attribute": "Metadata", "RequiresRecreation": "Never"}
        details.insert(
            0, {"Target": target, "Evaluation": "Static", "ChangeSource": "DirectModification"}
        )
    if after.type == before.type and not scope:
        return None
    change: dict[str, Any] = {
        "Action": "Modify",
        "LogicalResourceId": after.logical_id,
        "PhysicalResourceId": before.physical_id,
        "ResourceType": after.type,
        "Replacement": _replacement(after, before, names, replaces, replaced),
        "Scope": scope,
        "Details": details,
        "BeforeContext": _context(before.properties),
        "AfterContext": _context(after.properties),
    }
    if change["Replacement"] == "True":
        policy = _policy_word(after.update_replace_policy)
        change["PolicyAction"] = f"ReplaceAnd{policy}"
    return change


def _replacement(
    after: Planned, before: Resource, names: list[str], replaces: Replaces, replaced: set[str]
) -> str:
    if after.logical_id in replaced:
        return "True"
    return "Conditional" if names and replaces(after.type, set(names)) else "False"


def _details(
    name: str,
    after: Planned,
    before: Resource,
    changed_parameters: set[str],
    template: Template,
    replaces: Replaces,
) -> Iterator[dict[str, Any]]:
    """Why a property changes: a parameter, another resource, or the template's own text."""
    is_unknown = has_unknown(after.properties.get(name))
    recreation = "Never"
    if replaces(after.type, {name}):
        recreation = "Conditionally" if is_unknown else "Always"
    target = {
        "Attribute": "Properties",
        "Name": name,
        "RequiresRecreation": recreation,
        **_values(name, after.properties, before.properties),
    }
    causes = 0
    for reference in references_in(after.source.get(name)):
        detail: dict[str, Any] = {"Target": target, "Evaluation": "Static"}
        if reference.kind == "Ref" and reference.name in changed_parameters:
            detail |= {"ChangeSource": "ParameterReference", "CausingEntity": reference.name}
        elif is_unknown and reference.name in template.resources:
            is_ref = reference.kind == "Ref"
            entity = reference.name if is_ref else f"{reference.name}.{reference.attribute}"
            source = "ResourceReference" if is_ref else "ResourceAttribute"
            detail |= {"ChangeSource": source, "CausingEntity": entity}
        else:
            continue
        causes += 1
        yield detail
    if causes == 0 or not is_unknown:
        evaluation = "Dynamic" if causes else "Static"
        yield {"Target": target, "Evaluation": evaluation, "ChangeSource": "DirectModification"}


def _values(name: str, after: Tree, before: Tree) -> dict[str, str]:
    made = {"Path": f"/Properties/{name}", "AttributeChangeType": "Modify"}
    if name in before:
        made["BeforeValue"] = to_text(before[name])
    else:
        made["AttributeChangeType"] = "Add"
    if name in after:
        made["AfterValue"] = to_text(after[name])
    else:
        made["AttributeChangeType"] = "Remove"
    return made


def policy_text(scope: Scope, expression: Value) -> str:
    """A DeletionPolicy or UpdateReplacePolicy, evaluated (the language extensions allow functions there)."""
    value = evaluate(scope, expression) if isinstance(expression, dict) else expression
    return value if isinstance(value, str) and value else "Delete"
