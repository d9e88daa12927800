"""Change sets: planned, described, executed.

https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/using-cfn-updating-stacks-changesets.html
"""

from __future__ import annotations

from typing import Any

from serein.base.arn import make_arn
from serein.engines.templates import compile_template, parse_template
from serein.kernel.operations import Context, Read, Tx, operation, pass_role
from serein.kernel.tags import to_list
from serein.services.cloudformation.access import (
    ValidationError,
    change_set_or_none,
    find_change_set,
    find_stack,
    stack_of,
    stack_or_none,
)
from serein.services.cloudformation.deploying import put_status, replace
from serein.services.cloudformation.model import (
    AlreadyExistsException,
    ChangeSetNotFoundException,
    CreateChangeSetInput,
    CreateChangeSetOutput,
    DeleteChangeSetInput,
    DeleteChangeSetOutput,
    DescribeChangeSetInput,
    DescribeChangeSetOutput,
    ExecuteChangeSetInput,
    ExecuteChangeSetOutput,
    InvalidChangeSetStatusException,
    ListChangeSetsInput,
    ListChangeSetsOutput,
)
from serein.services.cloudformation.operations.descriptions import paged
from serein.services.cloudformation.operations.stacks import (
    begin_create,
    begin_update,
    check_role,
    check_updatable,
    deployed_tree,
    deployment_for,
    existing_resources,
    prepared_for,
    updated_stack,
)
from serein.services.cloudformation.planning import (
    check_capabilities,
    is_without_changes,
    make_plan,
)
from serein.services.cloudformation.preparing import Prepared, TransformFailure, pseudo_of
from serein.services.cloudformation.records import (
    CHANGE_SETS,
    STACK_NAMES,
    STACKS,
    TEMPLATES,
    ChangeSet,
    Stack,
    StackName,
    TemplateText,
)
from serein.services.cloudformation.rules.changes import without_values
from serein.services.cloudformation.rules.naming import (
    check_stack_name,
    check_template_source,
    tags_from,
)

NO_CHANGES = "The submitted information didn't contain changes. Submit different information to create a change set."
_PASS = pass_role("RoleARN", "cloudformation.amazonaws.com")


@operation(
    "CreateChangeSet",
    on=stack_of,
    needs=[_PASS],
    ignores=("RollbackConfiguration", "IncludeNestedStacks", "ImportExistingResources"),
)
async def create_change_set(cx: Context, request: CreateChangeSetInput) -> CreateChangeSetOutput:
    """Plan a change; what cannot be planned for its transform's sake becomes a failed change set."""
    params: dict[str, Any] = dict(request)
    kind = params.get("ChangeSetType") or "UPDATE"
    if kind == "IMPORT":
        raise ValidationError("Serein has not implemented change sets of type IMPORT yet.")
    check_template_source(params, previous=kind == "UPDATE")
    tags = tags_from(params) if "Tags" in params else None
    before, stack = _stack_for(cx, params, kind, tags)
    if (
        change_set_or_none(cx.read(), params["ChangeSetName"], stack.id if before else None)
        if before
        else None
    ):
        raise AlreadyExistsException(f"ChangeSet {params['ChangeSetName']} already exists")
    change_set = _change_set(cx, params, kind, stack, tags)
    prepared: Prepared | None = None
    try:
        prepared = await prepared_for(cx, params, stack, before if kind == "UPDATE" else None)
        check_capabilities(prepared, list(change_set.capabilities), for_change_set=True)
        change_set = _planned(
            cx, change_set, prepared, stack, before if kind == "UPDATE" else None, tags
        )
        await check_role(cx, stack)
    except TransformFailure as error:
        change_set = replace(
            change_set,
            status="FAILED",
            execution_status="UNAVAILABLE",
            status_reason=error.message,
        )
    await cx.transact(_keep, stack if before is None else None, change_set, prepared)
    return {"Id": change_set.id, "StackId": change_set.stack_id}


def _stack_for(
    cx: Context, params: dict[str, Any], kind: str, tags: dict[str, str] | None
) -> tuple[Stack | None, Stack]:
    """The stack as it is (None: there is none yet) and as the change set would have it."""
    name = params["StackName"]
    read = cx.read()
    if kind == "UPDATE":
        before = find_stack(read, name)
        if before.status == "REVIEW_IN_PROGRESS":
            raise ValidationError(f"Stack [{name}] does not exist")
        check_updatable(before)
        return before, updated_stack(before, params, tags, before.token)
    existing = stack_or_none(read, name)
    if existing is not None and existing.status != "DELETE_COMPLETE":
        if existing.status != "REVIEW_IN_PROGRESS":
            raise ValidationError(
                f"Stack [{name}] already exists and cannot be created again with the changeSet"
                f" [{params['ChangeSetName']}]."
            )
        return existing, existing
    if existing is not None or name.startswith("arn:"):
        raise ValidationError(
            f"Stack [{name}] already exists and cannot be created again with the changeSet"
            f" [{params['ChangeSetName']}]."
        )
    check_stack_name(name)
    stack_id = make_arn("cloudformation", cx.region, cx.account, f"stack/{name}/{cx.new_id()}")
    fresh = Stack(
        account=cx.account,
        region=cx.region,
        name=name,
        id=stack_id,
        status="REVIEW_IN_PROGRESS",
        created_at=cx.now,
        role_arn=params.get("RoleARN"),
    )
    return None, fresh


def _change_set(
    cx: Context, params: dict[str, Any], kind: str, stack: Stack, tags: dict[str, str] | None
) -> ChangeSet:
    name = params["ChangeSetName"]
    kept = stack.tags if kind == "UPDATE" else {}
    return ChangeSet(
        account=cx.account,
        region=cx.region,
        stack_id=stack.id,
        name=name,
        id=make_arn("cloudformation", cx.region, cx.account, f"changeSet/{name}/{cx.new_id()}"),
        type="CREATE" if kind == "CREATE" else "UPDATE",
        status="CREATE_COMPLETE",
        execution_status="AVAILABLE",
        created_at=cx.now,
        description=params.get("Description"),
        capabilities=tuple(params.get("Capabilities") or ()),
        tags=kept if tags is None else tags,
        role_arn=params.get("RoleARN") or stack.role_arn,
        notification_arns=tuple(params.get("NotificationARNs") or stack.notification_arns),
        on_stack_failure=params.get("OnStackFailure"),
        include_nested=params.get("IncludeNestedStacks") is True,
        token=params.get("ClientToken"),
    )


def _planned(
    cx: Context,
    change_set: ChangeSet,
    prepared: Prepared,
    stack: Stack,
    before: Stack | None,
    tags: dict[str, str] | None,
) -> ChangeSet:
    facts = pseudo_of(
        stack.account, stack.region, stack.id, stack.name, change_set.notification_arns
    )
    existing = existing_resources(cx, before) if before is not None else {}
    plan = make_plan(cx.read(), prepared, facts, existing, before)
    change_set = replace(
        change_set, parameters=tuple(prepared.parameters.values()), changes=tuple(plan.changes)
    )
    if before is not None and is_without_changes(
        plan, prepared, before, tags, deployed_tree(cx, before)
    ):
        return replace(
            change_set, status="FAILED", execution_status="UNAVAILABLE", status_reason=NO_CHANGES
        )
    return change_set


def _keep(tx: Tx, fresh: Stack | None, change_set: ChangeSet, prepared: Prepared | None) -> None:
    if fresh is not None:
        if tx.get(STACK_NAMES, fresh.account, fresh.region, fresh.name) is not None:
            raise AlreadyExistsException(f"Stack [{fresh.name}] already exists")
        tx.put(
            STACK_NAMES,
            StackName(
                account=fresh.account, region=fresh.region, name=fresh.name, stack_id=fresh.id
            ),
        )
        put_status(tx, fresh, "REVIEW_IN_PROGRESS", "User Initiated")
    tx.put(CHANGE_SETS, change_set)
    if prepared is not None:
        tx.put(
            TEMPLATES,
            TemplateText(
                owner=change_set.id,
                slot="next",
                original=prepared.original,
                processed=prepared.processed,
            ),
        )


def _stack_by_id(read: Read, change_set: ChangeSet) -> Stack:
    stack = read.get(STACKS, change_set.account, change_set.region, change_set.stack_id)
    if stack is None:
        raise ChangeSetNotFoundException(f"ChangeSet [{change_set.id}] does not exist")
    return stack


@operation("DescribeChangeSet", on=stack_of)
def describe_change_set(read: Read, request: DescribeChangeSetInput) -> DescribeChangeSetOutput:
    """A change set and its changes."""
    change_set = find_change_set(read, request["ChangeSetName"], request.get("StackName"))
    stack = _stack_by_id(read, change_set)
    changes, token = paged("DescribeChangeSet", list(change_set.changes), request.get("NextToken"))
    answer: dict[str, Any] = {
        "ChangeSetName": change_set.name,
        "ChangeSetId": change_set.id,
        "StackId": change_set.stack_id,
        "StackName": stack.name,
        "Description": change_set.description,
        "Parameters": [
            {"ParameterKey": p.key, "ParameterValue": p.shown, "ResolvedValue": p.resolved}
            for p in change_set.parameters
        ]
        or None,
        "CreationTime": change_set.created_at,
        "ExecutionStatus": change_set.execution_status,
        "Status": change_set.status,
        "StatusReason": change_set.status_reason or None,
        "NotificationARNs": list(change_set.notification_arns),
        "RollbackConfiguration": {},
        "Capabilities": list(change_set.capabilities),
        "Tags": to_list(change_set.tags) or None,
        "Changes": changes
        if request.get("IncludePropertyValues")
        else [without_values(change) for change in changes],
        "NextToken": token,
        "IncludeNestedStacks": change_set.include_nested,
        "OnStackFailure": change_set.on_stack_failure,
    }
    return answer  # type: ignore[return-value]


@operation("ExecuteChangeSet", on=stack_of, ignores=("RetainExceptOnCreate",))
async def execute_change_set(cx: Context, request: ExecuteChangeSetInput) -> ExecuteChangeSetOutput:
    """Hand the planned change to the worker."""
    read = cx.read()
    change_set = find_change_set(read, request["ChangeSetName"], request.get("StackName"))
    if change_set.status != "CREATE_COMPLETE":
        raise InvalidChangeSetStatusException(
            f"ChangeSet [{change_set.id}] cannot be executed in its current status of [{change_set.status}]"
        )
    if change_set.execution_status != "AVAILABLE":
        raise InvalidChangeSetStatusException(
            f"ChangeSet [{change_set.id}] cannot be executed in its current execution status of"
            f" [{change_set.execution_status}]"
        )
    before = _stack_by_id(read, change_set)
    kept = read.get(TEMPLATES, change_set.id, "next")
    assert kept is not None, "a change set that can be executed has its template"
    template = compile_template(parse_template(kept.processed))
    prepared = Prepared(
        original=kept.original,
        processed=kept.processed,
        template=template,
        parameters={p.key: p for p in change_set.parameters},
        transforms=(),
    )
    failure = change_set.on_stack_failure
    stack = replace(
        before,
        description=template.description,
        parameters=change_set.parameters,
        capabilities=change_set.capabilities,
        tags=change_set.tags,
        role_arn=change_set.role_arn,
        notification_arns=change_set.notification_arns,
        disable_rollback=request.get("DisableRollback") is True or failure == "DO_NOTHING",
        on_failure="DELETE" if failure == "DELETE" and change_set.type == "CREATE" else "ROLLBACK",
        change_set_id=change_set.id,
        token=request.get("ClientRequestToken"),
    )
    deployment = deployment_for(cx, stack, change_set.type, request.get("ClientRequestToken"))
    if change_set.type == "UPDATE":
        check_updatable(before)
        deployment = replace(deployment, before=before)
    await cx.transact(_execute, stack, prepared, deployment, change_set)
    return {}


def _execute(tx: Tx, stack: Stack, prepared: Prepared, deployment: Any, planned: ChangeSet) -> None:
    now = tx.get(CHANGE_SETS, planned.account, planned.region, planned.name, planned.id)
    if now is None or now.execution_status != "AVAILABLE":
        raise InvalidChangeSetStatusException(
            f"ChangeSet [{planned.id}] cannot be executed in its current execution status of"
            f" [{now.execution_status if now else 'OBSOLETE'}]"
        )
    if planned.type == "CREATE":
        begin_create(tx, replace(stack, updated_at=tx.now), prepared, deployment)
    else:
        begin_update(tx, stack, prepared, deployment)
    tx.put(CHANGE_SETS, replace(now, execution_status="EXECUTE_COMPLETE"))


@operation("DeleteChangeSet", on=stack_of)
def delete_change_set(tx: Tx, request: DeleteChangeSetInput) -> DeleteChangeSetOutput:
    """Forget a change set; of one that is not there, nothing."""
    read = tx.reading()
    change_set = change_set_or_none(read, request["ChangeSetName"], request.get("StackName"))
    if change_set is not None:
        tx.delete(
            CHANGE_SETS, change_set.account, change_set.region, change_set.name, change_set.id
        )
        tx.delete(TEMPLATES, change_set.id, "next")
    return {}


@operation("ListChangeSets", on=stack_of)
def list_change_sets(read: Read, request: ListChangeSetsInput) -> ListChangeSetsOutput:
    """The change sets of a stack."""
    name = request["StackName"]
    stack = find_stack(read, name)
    found = [
        item
        for item in read.scan(CHANGE_SETS, (read.account, read.region))
        if item.stack_id == stack.id
    ]
    page, token = paged("ListChangeSets", found, request.get("NextToken"))
    summaries = [
        {
            "StackId": item.stack_id,
            "StackName": stack.name,
            "ChangeSetId": item.id,
            "ChangeSetName": item.name,
            "ExecutionStatus": item.execution_status,
            "Status": item.status,
            "StatusReason": item.status_reason or None,
            "CreationTime": item.created_at,
            "Description": item.description,
            "IncludeNestedStacks": item.include_nested,
        }
        for item in page
    ]
    answer: dict[str, Any] = {"Summaries": summaries, "NextToken": token}
    return answer  # type: ignore[return-value]
