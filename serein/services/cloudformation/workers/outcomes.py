"""How deployments end: outputs and exports, what was restored, the last status."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from serein.engines.templates import (
    Scope,
    TemplateError,
    Value,
    evaluate,
    evaluate_output,
    is_wanted,
)
from serein.engines.templates.graph import taken
from serein.kernel.operations import Tx
from serein.services.cloudformation.deploying import put_status, replace
from serein.services.cloudformation.records import (
    DEPLOYMENTS,
    EXPORTS,
    STACKS,
    TEMPLATES,
    Deployment,
    Export,
    Leftover,
    Output,
    Stack,
)
from serein.services.cloudformation.workers.targets import Target, scope_of


class ExportConflict(Exception):
    """An export belongs to another stack, or is in use."""


def _load(tx: Tx, stack_id: str) -> tuple[Deployment, Stack]:
    deployment = tx.get(DEPLOYMENTS, stack_id)
    assert deployment is not None
    stack = tx.get(STACKS, deployment.account, deployment.region, stack_id)
    assert stack is not None
    return deployment, stack


def finish_create(tx: Tx, stack_id: str, target: Target) -> None:
    """All resources are there: outputs, exports, CREATE_COMPLETE."""
    deployment, stack = _load(tx, stack_id)
    stack = _settle(tx, stack, target)
    _keep_template(tx, stack_id)
    put_status(tx, stack, "CREATE_COMPLETE", token=deployment.token)
    tx.delete(DEPLOYMENTS, stack_id)


def finish_update(tx: Tx, stack_id: str, target: Target, leaving: tuple[Leftover, ...]) -> None:
    """All resources are as the new template has them; what is left over goes next."""
    deployment, stack = _load(tx, stack_id)
    stack = _settle(tx, stack, target)
    _keep_template(tx, stack_id)
    put_status(tx, stack, "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS", token=deployment.token)
    leftovers = (*deployment.leftovers, *leaving)
    tx.put(DEPLOYMENTS, replace(deployment, phase="cleanup", done=(), leftovers=leftovers))


def finish_rollback(tx: Tx, stack_id: str) -> None:
    """The cleanup is over, after an update or after its rollback."""
    deployment, stack = _load(tx, stack_id)
    is_update = deployment.phase == "cleanup"
    status = "UPDATE_COMPLETE" if is_update else "UPDATE_ROLLBACK_COMPLETE"
    put_status(tx, stack, status, token=deployment.token)
    tx.delete(DEPLOYMENTS, stack_id)


def restore(tx: Tx, stack_id: str, failed: list[str], leaving: tuple[Leftover, ...]) -> None:
    """After a failed update: the stack is what it was; what the update brought in goes next."""
    deployment, stack = _load(tx, stack_id)
    if failed:
        words = f"The following resource(s) failed to update: [{', '.join(failed)}]. "
        put_status(tx, stack, "UPDATE_ROLLBACK_FAILED", words, deployment.token)
        tx.delete(DEPLOYMENTS, stack_id)
        return
    before = deployment.before
    assert before is not None
    tx.delete(TEMPLATES, stack_id, "next")
    stack = replace(before, updated_at=stack.updated_at, change_set_id=stack.change_set_id)
    put_status(tx, stack, "UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS", token=deployment.token)
    leftovers = (*deployment.leftovers, *leaving)
    tx.put(DEPLOYMENTS, replace(deployment, phase="rollback_cleanup", done=(), leftovers=leftovers))


def _keep_template(tx: Tx, stack_id: str) -> None:
    deployed = tx.get(TEMPLATES, stack_id, "next")
    if deployed is not None:
        tx.put(TEMPLATES, replace(deployed, slot="current"))
        tx.delete(TEMPLATES, stack_id, "next")


def _settle(tx: Tx, stack: Stack, target: Target) -> Stack:
    """Outputs and exports of what is deployed. Raises TemplateError, ExportConflict."""
    scope = scope_of(tx.reading(), target)
    outputs: list[Output] = []
    for output in target.template.outputs.values():
        if not is_wanted(scope, output.condition):
            continue
        value, export = evaluate_output(scope, output)
        outputs.append(
            Output(key=output.name, value=value, description=output.description, export_name=export)
        )
    _set_exports(tx, stack, outputs)
    return replace(
        stack, outputs=tuple(outputs), imports=tuple(sorted(set(_imports(scope, target))))
    )


def importers_of(tx: Tx, account: str, region: str, name: str) -> list[str]:
    """The names of the stacks whose templates use an export."""
    return [
        stack.name
        for stack in tx.scan(STACKS, (account, region))
        if name in stack.imports and stack.status != "DELETE_COMPLETE"
    ]


def _set_exports(tx: Tx, stack: Stack, outputs: Iterable[Output]) -> None:
    wanted: dict[str, str] = {}
    for output in outputs:
        if output.export_name is not None:
            if output.export_name in wanted:
                raise ExportConflict(f"Duplicate Export names: [{output.export_name}]")
            wanted[output.export_name] = output.value
    account, region = stack.account, stack.region
    for name, value in wanted.items():
        existing = tx.get(EXPORTS, account, region, name)
        if existing is not None and existing.stack_id != stack.id:
            owner = existing.stack_id.split("/")[1]
            raise ExportConflict(f"Export with name {name} is already exported by stack {owner}")
        if existing is not None and existing.value != value:
            _refuse_in_use(tx, stack, name, "updated")
        tx.put(
            EXPORTS,
            Export(account=account, region=region, name=name, stack_id=stack.id, value=value),
        )
    drop_exports(tx, stack, wanted.keys())


def drop_exports(tx: Tx, stack: Stack, kept: Iterable[str] = ()) -> None:
    """Remove the stack's exports but for those kept. Raises ExportConflict where one is in use."""
    keep = set(kept)
    for output in stack.outputs:
        name = output.export_name
        if name is not None and name not in keep:
            _refuse_in_use(tx, stack, name, "deleted")
            tx.delete(EXPORTS, stack.account, stack.region, name)


def _refuse_in_use(tx: Tx, stack: Stack, name: str, verb: str) -> None:
    users = [
        user for user in importers_of(tx, stack.account, stack.region, name) if user != stack.name
    ]
    if users:
        raise ExportConflict(
            f"Export {name} cannot be {verb} as it is in use by {', '.join(users)}"
        )


def _imports(scope: Scope, target: Target) -> Iterator[str]:
    expressions: list[Value] = [
        value for resource in target.resources.values() for value in resource.properties.values()
    ]
    expressions.extend(
        output.value
        for output in target.template.outputs.values()
        if is_wanted(scope, output.condition)
    )
    for expression in expressions:
        yield from _imports_in(scope, taken(scope, expression))


def _imports_in(scope: Scope, value: Value) -> Iterator[str]:
    if isinstance(value, list):
        for member in value:
            yield from _imports_in(scope, member)
    elif isinstance(value, dict):
        for key, member in value.items():
            if key == "Fn::ImportValue" and len(value) == 1:
                try:
                    name = evaluate(scope, member)
                except TemplateError:
                    continue
                if isinstance(name, str):
                    yield name
            else:
                yield from _imports_in(scope, member)
