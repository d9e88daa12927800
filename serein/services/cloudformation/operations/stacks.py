"""Stacks: created, updated, deleted."""

from __future__ import annotations

from typing import Any

from serein.base.arn import make_arn
from serein.base.errors import AwsError
from serein.engines.templates import Tree, parse_template
from serein.kernel.operations import Context, Tx, operation, pass_role
from serein.services.cloudformation.access import (
    ValidationError,
    find_stack,
    resources_of,
    stack_of,
    stack_or_none,
)
from serein.services.cloudformation.assuming import assumed
from serein.services.cloudformation.deploying import replace, start_deployment
from serein.services.cloudformation.model import (
    AlreadyExistsException,
    CancelUpdateStackInput,
    CreateStackInput,
    CreateStackOutput,
    DeleteStackInput,
    UpdateStackInput,
    UpdateStackOutput,
    UpdateTerminationProtectionInput,
    UpdateTerminationProtectionOutput,
)
from serein.services.cloudformation.planning import (
    check_capabilities,
    is_without_changes,
    make_plan,
)
from serein.services.cloudformation.preparing import Prepared, prepare, pseudo_of, template_text
from serein.services.cloudformation.records import (
    CHANGE_SETS,
    DEPLOYMENTS,
    STACK_NAMES,
    STACKS,
    TEMPLATES,
    Deployment,
    Resource,
    Stack,
    StackName,
    TemplateText,
)
from serein.services.cloudformation.rules.naming import (
    check_stack_name,
    check_template_source,
    tags_from,
)
from serein.services.cloudformation.rules.policies import check_policy
from serein.services.cloudformation.rules.types import check_allowed_types

UPDATABLE = frozenset(
    {"CREATE_COMPLETE", "UPDATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE", "IMPORT_COMPLETE"}
)
_PASS = pass_role("RoleARN", "cloudformation.amazonaws.com")


@operation(
    "CreateStack",
    on=stack_of,
    needs=[_PASS],
    ignores=("RollbackConfiguration", "NotificationARNs", "RetainExceptOnCreate"),
)
async def create_stack(cx: Context, request: CreateStackInput) -> CreateStackOutput:
    """Check everything that can be checked, then hand the new stack to the worker."""
    params: dict[str, Any] = dict(request)
    name = params["StackName"]
    check_stack_name(name)
    check_template_source(params)
    tags = tags_from(params)
    if params.get("DisableRollback") is not None and params.get("OnFailure"):
        raise ValidationError("You cannot specify both OnFailure and DisableRollback.")
    existing = stack_or_none(cx.read(), name)
    token = params.get("ClientRequestToken")
    if existing is not None:
        if token and existing.token == token:
            return {"StackId": existing.id}
        raise AlreadyExistsException(f"Stack [{name}] already exists")
    stack_id = make_arn("cloudformation", cx.region, cx.account, f"stack/{name}/{cx.new_id()}")
    stack = Stack(
        account=cx.account,
        region=cx.region,
        name=name,
        id=stack_id,
        status="CREATE_IN_PROGRESS",
        created_at=cx.now,
        tags=tags,
        capabilities=tuple(params.get("Capabilities") or ()),
        role_arn=params.get("RoleARN"),
        notification_arns=tuple(params.get("NotificationARNs") or ()),
        timeout_minutes=params.get("TimeoutInMinutes"),
        disable_rollback=params.get("DisableRollback") is True,
        on_failure=params.get("OnFailure") or "ROLLBACK",
        termination_protection=params.get("EnableTerminationProtection") is True,
        policy=await stack_policy(cx, params),
        token=token,
    )
    prepared = await prepared_for(cx, params, stack, None)
    check_capabilities(prepared, list(stack.capabilities), for_change_set=False)
    facts = pseudo_of(cx.account, cx.region, stack_id, name, stack.notification_arns)
    make_plan(cx.read(), prepared, facts, {}, None)
    await check_role(cx, stack)
    await cx.transact(
        begin_create,
        with_prepared(stack, prepared),
        prepared,
        deployment_for(cx, stack, "CREATE", token),
    )
    return {"StackId": stack_id}


async def prepared_for(
    cx: Context, params: dict[str, Any], stack: Stack, before: Stack | None
) -> Prepared:
    """The request's template and parameters, for this stack."""
    facts = pseudo_of(stack.account, stack.region, stack.id, stack.name, stack.notification_arns)
    prepared = await prepare(cx, params, before, facts)
    check_allowed_types(prepared.template, params.get("ResourceTypes"))
    return prepared


def with_prepared(stack: Stack, prepared: Prepared) -> Stack:
    """The stack with the template's description and parameters."""
    return replace(
        stack,
        description=prepared.template.description,
        parameters=tuple(prepared.parameters.values()),
    )


async def stack_policy(cx: Context, params: dict[str, Any]) -> str | None:
    """The policy given in the request or at its URL."""
    body = params.get("StackPolicyBody")
    if params.get("StackPolicyURL"):
        if body is not None:
            raise ValidationError("You cannot specify both StackPolicyURL and StackPolicyBody")
        body = await template_text(cx, {"TemplateURL": params["StackPolicyURL"]}, None)
    if body is not None:
        check_policy(body)
    return body


async def check_role(cx: Context, stack: Stack) -> None:
    """The service role must let CloudFormation assume it."""
    if stack.role_arn is None:
        return
    try:
        await assumed(cx, stack)
    except AwsError:
        raise ValidationError(f"Role {stack.role_arn} is invalid or cannot be assumed") from None


def deployment_for(cx: Context, stack: Stack, kind: str, token: str | None) -> Deployment:
    """The record of a deployment about to begin, by this caller."""
    return Deployment(
        account=stack.account,
        region=stack.region,
        stack_id=stack.id,
        kind="CREATE" if kind == "CREATE" else "UPDATE" if kind == "UPDATE" else "DELETE",
        phase="delete" if kind == "DELETE" else "deploy",
        started_at=cx.now,
        principal=cx.principal,
        host=cx.scope.host,
        token=token,
    )


def begin_create(tx: Tx, stack: Stack, prepared: Prepared, deployment: Deployment) -> None:
    """The stack's record, name and deployment, all or nothing."""
    named = tx.get(STACK_NAMES, stack.account, stack.region, stack.name)
    if named is not None and named.stack_id != stack.id:
        raise AlreadyExistsException(f"Stack [{stack.name}] already exists")
    tx.put(
        STACK_NAMES,
        StackName(account=stack.account, region=stack.region, name=stack.name, stack_id=stack.id),
    )
    start_deployment(tx, stack, deployment, "CREATE_IN_PROGRESS", next_template(stack.id, prepared))


def next_template(stack_id: str, prepared: Prepared) -> TemplateText:
    """The template that a deployment is to bring."""
    return TemplateText(
        owner=stack_id, slot="next", original=prepared.original, processed=prepared.processed
    )


@operation(
    "UpdateStack",
    on=stack_of,
    needs=[_PASS],
    ignores=(
        "RollbackConfiguration",
        "StackPolicyDuringUpdateBody",
        "StackPolicyDuringUpdateURL",
        "RetainExceptOnCreate",
    ),
)
async def update_stack(cx: Context, request: UpdateStackInput) -> UpdateStackOutput:
    """Check the new template against what is deployed, then hand the update to the worker."""
    params: dict[str, Any] = dict(request)
    before = find_stack(cx.read(), params["StackName"])
    token = params.get("ClientRequestToken")
    if token and before.token == token:
        return {"StackId": before.id}
    check_updatable(before)
    check_template_source(params, previous=True)
    tags = tags_from(params) if "Tags" in params else None
    stack = updated_stack(before, params, tags, token)
    prepared = await prepared_for(cx, params, stack, before)
    check_capabilities(prepared, list(stack.capabilities), for_change_set=False)
    read = cx.read()
    existing = existing_resources(cx, before)
    facts = pseudo_of(stack.account, stack.region, stack.id, stack.name, stack.notification_arns)
    plan = make_plan(read, prepared, facts, existing, before)
    if is_without_changes(plan, prepared, before, tags, deployed_tree(cx, before)):
        raise ValidationError("No updates are to be performed.")
    await check_role(cx, stack)
    stack = with_prepared(stack, prepared)
    deployment = replace(deployment_for(cx, stack, "UPDATE", token), before=before)
    await cx.transact(begin_update, stack, prepared, deployment)
    return {"StackId": stack.id}


def check_updatable(stack: Stack) -> None:
    """Raise unless the stack is at rest in a state that can be updated."""
    if stack.status not in UPDATABLE:
        raise ValidationError(
            f"Stack:{stack.id} is in {stack.status} state and can not be updated."
        )


def updated_stack(
    before: Stack, params: dict[str, Any], tags: dict[str, str] | None, token: str | None
) -> Stack:
    """The stack's record as an update wants it (what is not given stays)."""
    arns = params.get("NotificationARNs")
    return replace(
        before,
        tags=before.tags if tags is None else tags,
        capabilities=tuple(params.get("Capabilities") or ()),
        role_arn=params.get("RoleARN") or before.role_arn,
        notification_arns=before.notification_arns if arns is None else tuple(arns),
        disable_rollback=params.get("DisableRollback") is True,
        token=token,
    )


def existing_resources(cx: Context, stack: Stack) -> dict[str, Resource]:
    """What is deployed, by logical id."""
    return {
        r.logical_id: r
        for r in resources_of(cx.read(), stack)
        if not r.status.startswith("DELETE_")
    }


def deployed_tree(cx: Context, stack: Stack) -> Tree:
    """The template that is deployed now, transformed."""
    kept = cx.read().get(TEMPLATES, stack.id, "current")
    return parse_template(kept.processed) if kept is not None else {}


def begin_update(tx: Tx, stack: Stack, prepared: Prepared, deployment: Deployment) -> None:
    """Begin an update, if the stack is still at rest."""
    now = tx.get(STACKS, stack.account, stack.region, stack.id)
    if now is None or tx.get(DEPLOYMENTS, stack.id) is not None:
        raise ValidationError(
            f"Stack:{stack.id} is in {now.status if now else 'UNKNOWN'} state and can not be updated."
        )
    forget_change_sets(tx, stack, keep=stack.change_set_id)
    stack = replace(stack, updated_at=tx.now)
    start_deployment(tx, stack, deployment, "UPDATE_IN_PROGRESS", next_template(stack.id, prepared))


def forget_change_sets(tx: Tx, stack: Stack, keep: str | None) -> None:
    """Change sets planned against what is no longer deployed are of no use."""
    for change_set in list(tx.scan(CHANGE_SETS, (stack.account, stack.region))):
        if change_set.stack_id == stack.id and change_set.id != keep:
            tx.delete(CHANGE_SETS, stack.account, stack.region, change_set.name, change_set.id)
            tx.delete(TEMPLATES, change_set.id, "next")


@operation("DeleteStack", on=stack_of, needs=[_PASS], ignores=("DeletionMode",))
def delete_stack(tx: Tx, request: DeleteStackInput) -> None:
    """Begin the deletion; of a stack that is not there, nothing."""
    name = request["StackName"]
    stack = stack_or_none(tx.reading(), name)
    if stack is None or stack.status in ("DELETE_COMPLETE", "DELETE_IN_PROGRESS"):
        return
    if stack.termination_protection:
        raise ValidationError(
            f"Stack [{stack.name}] cannot be deleted while TerminationProtection is enabled"
        )
    retained = tuple(request.get("RetainResources") or ())
    if retained and stack.status != "DELETE_FAILED":
        raise ValidationError(
            f"Invalid operation on stack [{stack.id}]. When you delete a stack, specify which resources to retain"
            " only when the stack is in the DELETE_FAILED state."
        )
    under_way = tx.get(DEPLOYMENTS, stack.id)
    if under_way is not None:
        _cancel_for_deletion(tx, stack, under_way)
        return
    forget_change_sets(tx, stack, keep=None)
    role = request.get("RoleARN") or stack.role_arn
    deployment = Deployment(
        account=stack.account,
        region=stack.region,
        stack_id=stack.id,
        kind="DELETE",
        phase="delete",
        started_at=tx.now,
        principal=tx.principal,
        host=tx.scope.host,
        token=request.get("ClientRequestToken"),
        retained=retained,
    )
    stack = replace(stack, deleted_at=tx.now, role_arn=role)
    start_deployment(tx, stack, deployment, "DELETE_IN_PROGRESS", None)


def _cancel_for_deletion(tx: Tx, stack: Stack, under_way: Deployment) -> None:
    """A creation that is still going on turns round at its next resource."""
    if under_way.kind != "CREATE" or under_way.phase != "deploy":
        raise ValidationError(
            f"Stack [{stack.name}] cannot be deleted while in status {stack.status}"
        )
    tx.put(STACKS, replace(stack, on_failure="DELETE", disable_rollback=False))
    tx.put(DEPLOYMENTS, replace(under_way, is_cancelled=True))


@operation("CancelUpdateStack", on=stack_of)
def cancel_update_stack(tx: Tx, request: CancelUpdateStackInput) -> None:
    """Turn an update round at its next resource."""
    stack = find_stack(tx.reading(), request["StackName"])
    under_way = tx.get(DEPLOYMENTS, stack.id)
    if stack.status != "UPDATE_IN_PROGRESS" or under_way is None:
        raise ValidationError("CancelUpdateStack cannot be called from current stack status")
    tx.put(DEPLOYMENTS, replace(under_way, is_cancelled=True))


@operation("UpdateTerminationProtection", on=stack_of)
def update_termination_protection(
    tx: Tx, request: UpdateTerminationProtectionInput
) -> UpdateTerminationProtectionOutput:
    """Switch termination protection."""
    stack = find_stack(tx.reading(), request["StackName"])
    if stack.parent_id:
        raise ValidationError("Termination protection cannot be updated on a nested stack.")
    tx.put(STACKS, replace(stack, termination_protection=request["EnableTerminationProtection"]))
    return {"StackId": stack.id}
