"""Scaling: scheduled actions when they are due, target tracking every minute.

What was used comes from `contracts/consumption`, as AWS's alarms have it from CloudWatch; what is changed is changed by
the service's own API. Resources other than DynamoDB's tables and indexes and functions' provisioned concurrency are remembered only.
"""

from __future__ import annotations

from math import floor

from msgspec.structs import replace

from serein.base.errors import AwsError
from serein.contracts.consumption import CONSUMPTION, MINUTE_S
from serein.kernel.operations import Context, Read, Tx
from serein.services.applicationautoscaling.records import (
    ACTIONS,
    ACTIVITIES,
    POLICIES,
    TARGETS,
    Action,
    Activity,
    Policy,
    Target,
)
from serein.services.applicationautoscaling.rules.bell import SCALING_BELL
from serein.services.applicationautoscaling.rules.dimensions import DIMENSIONS
from serein.services.applicationautoscaling.rules.schedules import (
    find_zone,
    next_due,
    parse_schedule,
)
from serein.services.applicationautoscaling.rules.tracking import LOW_MINUTES, wanted_capacity
from serein.services.applicationautoscaling.workers.capacities import capacity_of, set_capacity

IDLE_S = 3600.0
SETTLED_S = 40.0
"""How long after a minute's end what was used in it is surely noted."""
ACTIVITIES_KEPT_S = 6 * 7 * 24 * 3600


async def scale(cx: Context) -> None:
    """Do what is due, then sleep until something may be: the next scheduled action, or the next minute."""
    while True:
        waiter = cx.listen(SCALING_BELL)
        now = cx.clock.now()
        for action in [one for one in cx.read().scan(ACTIONS) if _is_due(one, now)]:
            await _act(cx, action)
        tracking = [one for one in cx.read().scan(POLICIES) if _is_tracking(one)]
        for policy in tracking:
            await _track(cx, policy)
        due = [one.due_at for one in cx.read().scan(ACTIONS) if one.due_at is not None]
        if tracking:
            due.append((floor((now - SETTLED_S) / MINUTE_S) + 1) * float(MINUTE_S) + SETTLED_S)
        until = min(due, default=now + IDLE_S)
        await cx.wait_for_ring(SCALING_BELL, until=until, waiter=waiter)


def _is_due(action: Action, now: float) -> bool:
    return action.due_at is not None and action.due_at <= now


def _is_tracking(policy: Policy) -> bool:
    if policy.kind != "TargetTrackingScaling" or policy.namespace != "dynamodb":
        return False
    configuration = policy.configuration["TargetTrackingScalingPolicyConfiguration"]
    return "PredefinedMetricSpecification" in configuration


async def _act(cx: Context, action: Action) -> None:
    """Set the target's bounds as a scheduled action says, and bring its capacity between them."""
    target = await cx.transact(take_action, action)
    if target is None:
        return
    capacity = await capacity_of(cx, target)
    if capacity is None:
        return
    wanted = min(max(capacity, target.least), target.most)
    if wanted != capacity:
        which, bound = ("minimum", target.least) if wanted > capacity else ("maximum", target.most)
        cause = f"scheduled action name {action.name} was triggered; {which} capacity was set to {bound}"
        await _change(cx, target, capacity, wanted, cause)


def take_action(tx: Tx, action: Action) -> Target | None:
    """Note that a due action is being done; its target with the new bounds, None where nothing is to be done."""
    present = tx.get(
        ACTIONS,
        action.account,
        action.region,
        action.namespace,
        action.resource,
        action.dimension,
        action.name,
    )
    if present is None or present.due_at is None or present.due_at > tx.now:
        return None
    schedule = parse_schedule(present.schedule)
    since = present.start_at if present.start_at is not None else present.created_at
    due = next_due(schedule, tx.now, find_zone(present.timezone), since)
    if due is not None and present.end_at is not None and due > present.end_at:
        due = None
    tx.put(ACTIONS, replace(present, due_at=due))
    target = tx.get(
        TARGETS,
        action.account,
        action.region,
        action.namespace,
        action.resource,
        action.dimension,
    )
    if target is None or target.schedule_suspended:
        return None
    least = target.least if present.least is None else present.least
    most = target.most if present.most is None else present.most
    # One bound given alone takes the other along rather than contradict it.
    if most < least:
        least, most = (least, least) if present.most is None else (most, most)
    changed = replace(target, least=least, most=most)
    tx.put(TARGETS, changed)
    return changed


async def _track(cx: Context, policy: Policy) -> None:
    """Raise or lower a capacity as its use asks for."""
    read = cx.read()
    target = read.get(
        TARGETS,
        policy.account,
        policy.region,
        policy.namespace,
        policy.resource,
        policy.dimension,
    )
    if target is None:
        return
    now = cx.clock.now()
    used = used_by_minute(read, target, now)
    if not any(one is not None for one in used):
        return
    capacity = await capacity_of(cx, target)
    if capacity is None:
        return
    configuration = policy.configuration["TargetTrackingScalingPolicyConfiguration"]
    wanted = wanted_capacity(
        used,
        capacity,
        configuration["TargetValue"],
        may_lower=not configuration.get("DisableScaleIn", False),
    )
    if wanted is None:
        return
    wanted = min(max(wanted, target.least), target.most)
    if wanted == capacity or _rests(target, configuration, now, out=wanted > capacity):
        return
    alarm = policy.alarms[0 if wanted > capacity else 1] if policy.alarms else policy.name
    cause = f"monitor alarm {alarm} in state ALARM triggered policy {policy.name}"
    await _change(cx, target, capacity, wanted, cause)


def _rests(target: Target, configuration: dict[str, int], now: float, *, out: bool) -> bool:
    """Whether scaling this way is suspended, or the last one was too short a while ago."""
    if target.out_suspended if out else target.in_suspended:
        return True
    cooldown = configuration.get("ScaleOutCooldown" if out else "ScaleInCooldown", 0)
    lasts = [target.scaled_out_at] if out else [target.scaled_in_at, target.scaled_out_at]
    return any(last is not None and now - last < cooldown for last in lasts)


def used_by_minute(read: Read, target: Target, now: float) -> list[float | None]:
    """Units a second in each of the last whole minutes, the latest last; None where nothing was noted."""
    this = int(now // MINUTE_S)
    found: dict[int, float] = {}
    reads = target.dimension.endswith("ReadCapacityUnits")
    for one in read.scan(
        CONSUMPTION,
        (target.account, target.region, target.resource),
        start=(this - LOW_MINUTES,),
        stop=(this,),
    ):
        units = one.read if reads else one.write
        found[one.minute] = found.get(one.minute, 0.0) + units / MINUTE_S
    return [found.get(minute) for minute in range(this - LOW_MINUTES, this)]


async def _change(cx: Context, target: Target, capacity: int, wanted: int, cause: str) -> None:
    """Set a capacity and note that it was done, or that it could not be."""
    started = cx.clock.now()
    noun = DIMENSIONS[target.dimension].noun
    status, message = (
        "Successful",
        f"Successfully set {noun} to {wanted}. "
        f"Change successfully fulfilled by {target.namespace}.",
    )
    try:
        await set_capacity(cx, target, wanted)
    except AwsError as error:
        status, message = "Failed", f"Failed to set {noun} to {wanted}. Reason: {error.message}"
    activity = Activity(
        account=target.account,
        region=target.region,
        namespace=target.namespace,
        resource=target.resource,
        dimension=target.dimension,
        order=-int(started * 1000),
        id=cx.new_id(),
        description=f"Setting {noun} to {wanted}.",
        cause=cause,
        started_at=started,
        ended_at=cx.clock.now(),
        status=status,
        message=message,
    )
    await cx.transact(note_activity, activity, wanted > capacity)


def note_activity(tx: Tx, activity: Activity, out: bool) -> None:
    """Remember what was done, for six weeks, and when the target was last scaled that way."""
    tx.put(ACTIVITIES, activity)
    key = (
        activity.account,
        activity.region,
        activity.namespace,
        activity.resource,
        activity.dimension,
    )
    tx.delete_range(ACTIVITIES, key, start=(-int((tx.now - ACTIVITIES_KEPT_S) * 1000),))
    target = tx.get(TARGETS, *key)
    if target is not None and activity.status == "Successful":
        changed = (
            replace(target, scaled_out_at=activity.ended_at)
            if out
            else replace(target, scaled_in_at=activity.ended_at)
        )
        tx.put(TARGETS, changed)
