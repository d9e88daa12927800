"""What a deployment aims at: the template's resources, their order and the parameters, all read from the store."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
import orjson

from serein.engines.templates import (
    MissingAttribute,
    ResolvedParameter,
    ResourceDefinition,
    Scope,
    Template,
    TemplateError,
    compile_template,
    creation_order,
    dependencies_of,
    wanted_resources,
)
from serein.engines.templates.language_extensions import NAME as LANGUAGE_EXTENSIONS
from serein.kernel.operations import Read
from serein.services.cloudformation.preparing import exports_of, pseudo_of, scope_for, value_of
from serein.services.cloudformation.records import RESOURCES, TEMPLATES, Resource, Stack


class Target(msgspec.Struct, frozen=True, kw_only=True):
    """The deployment's aim."""

    stack: Stack
    template: Template
    parameters: Mapping[str, ResolvedParameter]
    resources: Mapping[str, ResourceDefinition]
    needs: Mapping[str, tuple[str, ...]]
    order: tuple[str, ...]
    extended: bool


def load_target(read: Read, stack: Stack) -> Target:
    """Compile what is to be deployed. Raises TemplateError (only what planning could not see)."""
    kept = read.get(TEMPLATES, stack.id, "next") or read.get(TEMPLATES, stack.id, "current")
    if kept is None:
        raise TemplateError("The stack has no template")
    template = compile_template(orjson.loads(kept.processed))
    extended = LANGUAGE_EXTENSIONS in kept.original
    parameters = {p.key: p for p in stack.parameters}
    scope = _scope(read, stack, template, parameters, {}, extended)
    scope.planning = True
    wanted = wanted_resources(scope, template)
    needs = dependencies_of(scope, wanted)
    return Target(
        stack=stack,
        template=template,
        parameters=parameters,
        resources=wanted,
        needs=needs,
        order=tuple(creation_order(needs)),
        extended=extended,
    )


def scope_of(read: Read, target: Target, name: str | None = None) -> Scope:
    """What expressions may look at now: of the resources deployed so far, those that `name` needs (None: all)."""
    found = (
        list(read.scan(RESOURCES, (target.stack.id,)))
        if name is None
        else [read.get(RESOURCES, target.stack.id, needed) for needed in target.needs[name]]
    )
    resources = {
        r.logical_id: r
        for r in found
        if r is not None and r.logical_id in target.resources and r.status.endswith("_COMPLETE")
    }
    scope = _scope(
        read, target.stack, target.template, target.parameters, resources, target.extended
    )
    scope.absent = frozenset(target.template.resources.keys() - target.resources.keys())
    return scope


def _scope(
    read: Read,
    stack: Stack,
    template: Template,
    parameters: Mapping[str, ResolvedParameter],
    resources: Mapping[str, Resource],
    extended: bool,
) -> Scope:
    return scope_for(
        template,
        parameters,
        pseudo_of(stack.account, stack.region, stack.id, stack.name, stack.notification_arns),
        {name: value_of(resource) for name, resource in resources.items()},
        exports_of(read),
        extended=extended,
    )


def words_of(error: TemplateError, target: Target) -> str:
    """What an evaluation failed for, as an event's reason tells it."""
    if isinstance(error, MissingAttribute):
        kind = target.template.resources[error.resource].type
        return (
            f"[Error] {error.path}/Fn::GetAtt: Resource type {kind} does not support attribute"
            f" {{{error.attribute}}}"
        )
    return error.message
