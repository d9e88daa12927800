"""What a prepared template would do to a stack: checked as far as possible before anything is touched."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from serein.engines.templates import (
    UNKNOWN,
    Pseudo,
    ResourceValue,
    Template,
    TemplateError,
    Tree,
    check_rules,
    creation_order,
    dependencies_of,
    evaluate_output,
    evaluate_properties,
    is_wanted,
    wanted_resources,
)
from serein.engines.templates.evaluate import evaluate
from serein.kernel.operations import Read
from serein.services.cloudformation.model import InsufficientCapabilitiesException
from serein.services.cloudformation.preparing import (
    SERVERLESS,
    Prepared,
    exports_of,
    scope_for,
    value_of,
)
from serein.services.cloudformation.records import Resource, Stack
from serein.services.cloudformation.resources.registry import TYPES, is_replaced
from serein.services.cloudformation.rules import capabilities
from serein.services.cloudformation.rules.changes import (
    Planned,
    changed_properties,
    changes_of,
    policy_text,
)

_MOVING = frozenset({"AWS::SSM::Parameter", "AWS::CloudFormation::Stack"})
"""Types whose attributes follow their properties."""


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """The resources wanted, in the order of their creation, and the changes in the API's form."""

    planned: dict[str, Planned]
    changes: list[dict[str, Any]]


def check_capabilities(prepared: Prepared, given: list[str], *, for_change_set: bool) -> None:
    """Raise InsufficientCapabilities when the template needs what was not acknowledged."""
    needed, _ = capabilities.needed_for_iam(prepared.template)
    if not for_change_set and SERVERLESS in prepared.transforms:
        needed = [*needed, capabilities.AUTO_EXPAND]
    absent = capabilities.missing(needed, given)
    if absent:
        raise InsufficientCapabilitiesException(f"Requires capabilities : [{', '.join(absent)}]")


def check_types(template: Template) -> None:
    """Every type must be one that Serein can deploy."""
    unknown = sorted({r.type for r in template.resources.values() if r.type not in TYPES})
    if unknown:
        raise TemplateError(
            f"Template format error: Unrecognized resource types: [{', '.join(unknown)}]"
        )


def make_plan(
    read: Read,
    prepared: Prepared,
    facts: Pseudo,
    existing: Mapping[str, Resource],
    before: Stack | None,
) -> Plan:
    """Evaluate everything that can be known now. Raises TemplateError where the deployment could only fail."""
    template = prepared.template
    check_types(template)
    values: dict[str, ResourceValue] = {name: value_of(r) for name, r in existing.items()}
    scope = scope_for(
        template,
        prepared.parameters,
        facts,
        values,
        exports_of(read),
        planning=True,
        extended=prepared.extended,
    )
    check_rules(scope, template)
    wanted = wanted_resources(scope, template)
    if not wanted:
        raise TemplateError("Template format error: At least one Resources member must be defined.")
    order = creation_order(dependencies_of(scope, wanted))
    planned: dict[str, Planned] = {}
    for name in order:
        resource = wanted[name]
        properties: Tree = evaluate_properties(scope, resource)
        planned[name] = Planned(
            logical_id=name,
            type=resource.type,
            properties=properties,
            source=resource.properties,
            metadata=evaluate(scope, resource.metadata),
            deletion_policy=policy_text(scope, resource.deletion_policy),
            update_replace_policy=policy_text(scope, resource.update_replace_policy),
        )
        _forget_what_moves(values, planned[name], existing.get(name))
    for output in template.outputs.values():
        if is_wanted(scope, output.condition):
            evaluate_output(scope, output)
    changed = _changed_parameters(prepared, before)
    changes = changes_of(planned, existing, changed, template, is_replaced)
    return Plan(planned=planned, changes=changes)


def _forget_what_moves(
    values: dict[str, ResourceValue], after: Planned, before: Resource | None
) -> None:
    """A resource that will be replaced has no known id any more; one whose attributes may move, none of those."""
    if before is None:
        return
    names = set(changed_properties(after.properties, before.properties))
    if before.type != after.type or (names and is_replaced(after.type, names)):
        del values[after.logical_id]
    elif names and after.type in _MOVING:
        known = values[after.logical_id]
        values[after.logical_id] = ResourceValue(
            ref=known.ref, attributes=dict.fromkeys(known.attributes, UNKNOWN)
        )


def _changed_parameters(prepared: Prepared, before: Stack | None) -> set[str]:
    if before is None:
        return set()
    was = {p.key: p for p in before.parameters}
    return {
        key for key, p in prepared.parameters.items() if key in was and was[key].value != p.value
    }


def is_without_changes(
    plan: Plan, prepared: Prepared, stack: Stack, tags: dict[str, str] | None, was: Tree
) -> bool:
    """Whether a deployment would have nothing to do. `was` is the tree that is deployed now."""
    if plan.changes or (tags is not None and tags != stack.tags):
        return False
    now = prepared.template.tree
    return now.get("Outputs") == was.get("Outputs")
