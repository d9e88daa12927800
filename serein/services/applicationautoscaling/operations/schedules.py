"""Scheduled actions: PutScheduledAction, DeleteScheduledAction, DescribeScheduledActions.

https://docs.aws.amazon.com/autoscaling/application/APIReference/API_PutScheduledAction.html
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from serein.kernel.operations import Read, Tx, operation
from serein.services.applicationautoscaling.access import (
    check_filter,
    find_target,
    page,
    place_of,
    target_of,
)
from serein.services.applicationautoscaling.model import (
    DeleteScheduledActionRequest,
    DescribeScheduledActionsRequest,
    LimitExceededException,
    ObjectNotFoundException,
    PutScheduledActionRequest,
    ValidationException,
)
from serein.services.applicationautoscaling.records import ACTIONS, Action
from serein.services.applicationautoscaling.rules.bell import SCALING_BELL
from serein.services.applicationautoscaling.rules.schedules import (
    InvalidSchedule,
    find_zone,
    next_due,
    parse_schedule,
)

Request = Mapping[str, Any]
Answer = dict[str, Any]

PAGE_MAX = 50
ACTIONS_OF_TARGET_MAX = 200


@operation("PutScheduledAction", on=target_of)
def put_scheduled_action(tx: Tx, request: PutScheduledActionRequest) -> Answer:
    """Make or change a scheduled action of a target."""
    target = find_target(tx, request)
    name = request["ScheduledActionName"]
    present = tx.get(ACTIONS, *target.key, name)
    schedule = request.get("Schedule") or (present.schedule if present else "")
    bounds = request.get("ScalableTargetAction")
    if not schedule:
        raise ValidationException("Schedule must be specified for a new scheduled action")
    if bounds is None:
        least, most = (present.least, present.most) if present else (None, None)
    else:
        least, most = bounds.get("MinCapacity"), bounds.get("MaxCapacity")
    if least is None and most is None:
        raise ValidationException("At least one of MinCapacity and MaxCapacity must be specified")
    if least is not None and most is not None and most < least:
        raise ValidationException("Maximum capacity cannot be less than minimum capacity")
    timezone = request.get("Timezone") or (present.timezone if present else "")
    start_at = request.get("StartTime") or (present.start_at if present else None)
    end_at = request.get("EndTime") or (present.end_at if present else None)
    if start_at is not None and end_at is not None and end_at <= start_at:
        raise ValidationException("EndTime must be later than StartTime")
    if present is None and sum(1 for _ in tx.scan(ACTIONS, target.key)) >= ACTIONS_OF_TARGET_MAX:
        raise LimitExceededException(
            "You have reached the limit of scheduled actions for the scalable target"
        )
    action = Action(
        account=target.account,
        region=target.region,
        namespace=target.namespace,
        resource=target.resource,
        dimension=target.dimension,
        name=name,
        id=present.id if present else tx.new_id(),
        schedule=schedule,
        timezone=timezone,
        start_at=start_at,
        end_at=end_at,
        least=least,
        most=most,
        created_at=present.created_at if present else tx.now,
        due_at=_first_due(schedule, timezone, start_at, end_at, tx.now),
    )
    tx.put(ACTIONS, action)
    tx.ring(SCALING_BELL)
    return {}


def _first_due(
    schedule: str, timezone: str, start_at: float | None, end_at: float | None, now: float
) -> float | None:
    """When an action is first due. Raises ValidationException."""
    try:
        parsed = parse_schedule(schedule)
    except InvalidSchedule:
        raise ValidationException(f"Invalid schedule expression: {schedule}") from None
    try:
        zone = find_zone(timezone)
    except InvalidSchedule:
        raise ValidationException(f"Invalid time zone: {timezone}") from None
    since = now if start_at is None else start_at
    due = next_due(parsed, max(now, since - 1), zone, since)
    return None if due is None or (end_at is not None and due > end_at) else due


@operation("DeleteScheduledAction", on=target_of)
def delete_scheduled_action(tx: Tx, request: DeleteScheduledActionRequest) -> Answer:
    """Remove a scheduled action."""
    target = find_target(tx, request)
    if not tx.delete(ACTIONS, *target.key, request["ScheduledActionName"]):
        raise ObjectNotFoundException(
            f"No scheduled action found for {place_of(request)}, "
            f"scheduled action name: {request['ScheduledActionName']}"
        )
    return {}


@operation("DescribeScheduledActions")
def describe_scheduled_actions(read: Read, request: DescribeScheduledActionsRequest) -> Answer:
    """The scheduled actions of a namespace, a resource, or of some names."""
    check_filter(request)
    names = request.get("ScheduledActionNames")
    found = [
        action
        for action in read.scan(ACTIONS, (read.account, read.region, request["ServiceNamespace"]))
        if request.get("ResourceId") in (None, action.resource)
        and request.get("ScalableDimension") in (None, action.dimension)
        and (not names or action.name in names)
    ]
    listed, token = page("actions", found, request, PAGE_MAX)
    return {"ScheduledActions": [_told(action) for action in listed], "NextToken": token}


def _told(action: Action) -> Answer:
    bounds = {"MinCapacity": action.least, "MaxCapacity": action.most}
    return {
        "ScheduledActionName": action.name,
        "ScheduledActionARN": (
            f"arn:aws:autoscaling:{action.region}:{action.account}:scheduledAction:{action.id}:"
            f"resource/{action.namespace}/{action.resource}:scheduledActionName/{action.name}"
        ),
        "ServiceNamespace": action.namespace,
        "Schedule": action.schedule,
        "Timezone": action.timezone or None,
        "ResourceId": action.resource,
        "ScalableDimension": action.dimension,
        "StartTime": action.start_at,
        "EndTime": action.end_at,
        "ScalableTargetAction": {name: one for name, one in bounds.items() if one is not None},
        "CreationTime": action.created_at,
    }
