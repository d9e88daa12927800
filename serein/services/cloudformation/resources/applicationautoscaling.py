"""AWS::ApplicationAutoScaling::ScalableTarget and ScalingPolicy.

https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/AWS_ApplicationAutoScaling.html
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from serein.services.cloudformation.resources.interface import (
    Deployed,
    Deploying,
    Properties,
    ResourceFailure,
    ResourceType,
    tag_changes,
)

SERVICE = "application-autoscaling"
_PLACE = ("ServiceNamespace", "ResourceId", "ScalableDimension")
_SUSPENSIONS = (
    "DynamicScalingInSuspended",
    "DynamicScalingOutSuspended",
    "ScheduledScalingSuspended",
)
_CONFIGURATIONS = (
    "PredictiveScalingPolicyConfiguration",
    "StepScalingPolicyConfiguration",
    "TargetTrackingScalingPolicyConfiguration",
)


def _place(properties: Properties) -> dict[str, Any]:
    return {name: properties[name] for name in _PLACE}


def _target(properties: Properties) -> Deployed:
    """Ref and Id are `ResourceId|ScalableDimension|ServiceNamespace`."""
    id = "|".join(properties[name] for name in ("ResourceId", "ScalableDimension", _PLACE[0]))
    return Deployed(physical_id=id, attributes={"Id": id})


async def _register(rx: Deploying, properties: Properties, before: Properties) -> str:
    """Register the target, or change it; its ARN."""
    suspended = properties.get("SuspendedState")
    if suspended is not None or "SuspendedState" in before:
        suspended = {name: (suspended or {}).get(name, False) for name in _SUSPENSIONS}
    answer = await rx.call(
        SERVICE,
        "RegisterScalableTarget",
        MinCapacity=properties["MinCapacity"],
        MaxCapacity=properties["MaxCapacity"],
        RoleARN=properties.get("RoleARN"),
        SuspendedState=suspended,
        **_place(properties),
    )
    return str(answer["ScalableTargetARN"])


async def _create_target(rx: Deploying, properties: Properties) -> Deployed:
    arn = await _register(rx, properties, {})
    deployed = _target(properties)
    rx.made = deployed.physical_id
    await _sync_actions(rx, properties, {})
    await _sync_tags(rx, arn, properties, {})
    return deployed


async def _update_target(
    rx: Deploying, physical_id: str, properties: Properties, before: Properties
) -> Deployed:
    arn = await _register(rx, properties, before)
    await _sync_actions(rx, properties, before)
    await _sync_tags(rx, arn, properties, before)
    return _target(properties)


async def _sync_tags(rx: Deploying, arn: str, properties: Properties, before: Properties) -> None:
    added, removed = tag_changes(rx.tags(properties.get("Tags")), rx.tags(before.get("Tags")))
    if added:
        await rx.call(SERVICE, "TagResource", ResourceARN=arn, Tags=added)
    if removed:
        await rx.call(SERVICE, "UntagResource", ResourceARN=arn, TagKeys=removed)


async def _sync_actions(rx: Deploying, properties: Properties, before: Properties) -> None:
    """Bring the scheduled actions to what the properties say.

    Putting an action keeps what is not given, so one that changes is made anew.
    """
    after = {item["ScheduledActionName"]: item for item in properties.get("ScheduledActions", ())}
    was = {item["ScheduledActionName"]: item for item in before.get("ScheduledActions", ())}
    place = _place(properties)
    for name, action in was.items():
        if after.get(name) != action:
            await rx.remove(SERVICE, "DeleteScheduledAction", ScheduledActionName=name, **place)
    for name, action in after.items():
        if was.get(name) != action:
            given = {**action, **{key: _time(action, key) for key in ("StartTime", "EndTime")}}
            await rx.call(SERVICE, "PutScheduledAction", **given, **place)


def _time(action: Properties, key: str) -> float | None:
    """A time of an action, UTC unless it says otherwise. Raises ResourceFailure."""
    text = action.get(key)
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ResourceFailure(f"{key} of a scheduled action is not a time: {text}") from None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


async def _delete_target(rx: Deploying, physical_id: str, properties: Properties) -> None:
    resource, dimension, namespace = _parts(physical_id)
    await rx.call(
        SERVICE,
        "DeregisterScalableTarget",
        ServiceNamespace=namespace,
        ResourceId=resource,
        ScalableDimension=dimension,
    )


def _parts(target: str) -> tuple[str, str, str]:
    """A target's id taken apart: resource, dimension, namespace. Raises ResourceFailure."""
    parts = target.rsplit("|", 2)
    if len(parts) != 3:
        raise ResourceFailure(f"{target} is not the id of a scalable target")
    return parts[0], parts[1], parts[2]


def _place_of_policy(properties: Properties) -> dict[str, str]:
    """The target of a policy: by its id, or by its three names. Raises ResourceFailure."""
    if "ScalingTargetId" in properties:
        if any(name in properties for name in _PLACE):
            raise ResourceFailure(
                "ScalingTargetId cannot be specified together with ServiceNamespace, ResourceId "
                "and ScalableDimension"
            )
        resource, dimension, namespace = _parts(properties["ScalingTargetId"])
        return {
            "ServiceNamespace": namespace,
            "ResourceId": resource,
            "ScalableDimension": dimension,
        }
    missing = [name for name in _PLACE if name not in properties]
    if missing:
        raise ResourceFailure(
            "Either ScalingTargetId or ServiceNamespace, ResourceId and ScalableDimension must be "
            f"specified; missing: {', '.join(missing)}"
        )
    return _place(properties)


async def _put_policy(rx: Deploying, properties: Properties) -> Deployed:
    """Ref is the policy's ARN; the physical id has the dimension beside it, as AWS's identifier has."""
    place = _place_of_policy(properties)
    answer = await rx.call(
        SERVICE,
        "PutScalingPolicy",
        PolicyName=properties["PolicyName"],
        PolicyType=properties["PolicyType"],
        **place,
        **{name: properties[name] for name in _CONFIGURATIONS if name in properties},
    )
    arn = answer["PolicyARN"]
    return Deployed(
        physical_id=f"{arn}|{place['ScalableDimension']}", ref=arn, attributes={"Arn": arn}
    )


async def _update_policy(
    rx: Deploying, physical_id: str, properties: Properties, before: Properties
) -> Deployed:
    return await _put_policy(rx, properties)


async def _delete_policy(rx: Deploying, physical_id: str, properties: Properties) -> None:
    await rx.call(
        SERVICE,
        "DeleteScalingPolicy",
        PolicyName=properties["PolicyName"],
        **_place_of_policy(properties),
    )


TYPES = (
    ResourceType(
        name="AWS::ApplicationAutoScaling::ScalableTarget",
        create=_create_target,
        update=_update_target,
        delete=_delete_target,
    ),
    ResourceType(
        name="AWS::ApplicationAutoScaling::ScalingPolicy",
        create=_put_policy,
        update=_update_policy,
        delete=_delete_policy,
    ),
)
