"""Scalable targets: RegisterScalableTarget, DeregisterScalableTarget, DescribeScalableTargets, and their tags.

https://docs.aws.amazon.com/autoscaling/application/APIReference/API_RegisterScalableTarget.html
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec.structs import replace

from serein.base.errors import AwsError
from serein.kernel.calls import root_of
from serein.kernel.operations import Context, Read, Tx, operation
from serein.services.applicationautoscaling.access import (
    check_filter,
    find_target,
    find_target_by_arn,
    page,
    resource_of,
    tagging,
    target_of,
    target_or_none,
)
from serein.services.applicationautoscaling.model import (
    DeregisterScalableTargetRequest,
    DescribeScalableTargetsRequest,
    ListTagsForResourceRequest,
    RegisterScalableTargetRequest,
    TagResourceRequest,
    TooManyTagsException,
    UntagResourceRequest,
    ValidationException,
)
from serein.services.applicationautoscaling.records import (
    ACTIONS,
    ACTIVITIES,
    POLICIES,
    TARGETS,
    Target,
)
from serein.services.applicationautoscaling.rules.dimensions import find_dimension, role_arn

Request = Mapping[str, Any]
Answer = dict[str, Any]

PAGE_MAX = 50
TAGS_MAX = 50
CAPACITY_MAX = 2**31 - 1


@operation("RegisterScalableTarget", on=target_of, needs=[tagging])
async def register_scalable_target(cx: Context, request: RegisterScalableTargetRequest) -> Answer:
    """Put a capacity into Auto Scaling's hands, or change its bounds."""
    dimension = find_dimension(
        request["ServiceNamespace"], request["ResourceId"], request["ScalableDimension"]
    )
    for member in ("MinCapacity", "MaxCapacity"):
        if not 0 <= request.get(member, 0) <= CAPACITY_MAX:  # type: ignore[operator]
            raise ValidationException(f"{member} must be greater than or equal to 0")
    if target_or_none(cx.read(), request) is None:
        await _check_there(cx, request)
        if not request.get("RoleARN"):
            await _make_role(cx, request["ServiceNamespace"])
    role = request.get("RoleARN") or role_arn(cx.account, request["ServiceNamespace"], dimension)
    target = await cx.transact(_register, request, role)
    return {"ScalableTargetARN": target.arn}


async def _check_there(cx: Context, request: Request) -> None:
    """A table (and index) must be there, with capacity to change. Raises ValidationException."""
    if request["ServiceNamespace"] != "dynamodb":
        return
    _, name, *rest = request["ResourceId"].split("/")
    owner = cx.acting(root_of(cx.account))
    try:
        told = await owner.call(owner.make_call("dynamodb", "DescribeTable", {"TableName": name}))
    except AwsError:
        raise ValidationException(
            f"DynamoDB table does not exist: {request['ResourceId']}"
        ) from None
    indexes = [one["IndexName"] for one in told["Table"].get("GlobalSecondaryIndexes", [])]
    if len(rest) == 2 and rest[1] not in indexes:
        raise ValidationException(f"DynamoDB index does not exist: {request['ResourceId']}")


async def _make_role(cx: Context, namespace: str) -> None:
    """Make the service-linked role, as AWS does with the first target of a namespace."""
    if namespace != "dynamodb":
        return
    owner = cx.acting(root_of(cx.account))
    params = {"AWSServiceName": f"{namespace}.application-autoscaling.amazonaws.com"}
    try:
        await owner.call(owner.make_call("iam", "CreateServiceLinkedRole", params))
    except AwsError:
        # It is there already.
        return


def _register(tx: Tx, request: Request, role: str) -> Target:
    present = target_or_none(tx, request)
    least, most = request.get("MinCapacity"), request.get("MaxCapacity")
    if present is None:
        if least is None or most is None:
            missing = "minimum" if least is None else "maximum"
            raise ValidationException(
                f"The {missing} capacity must be specified when registering a new scalable target."
            )
        target = Target(
            account=tx.account,
            region=tx.region,
            namespace=request["ServiceNamespace"],
            resource=request["ResourceId"],
            dimension=request["ScalableDimension"],
            id=(tx.new_id() + tx.new_id()).replace("-", "")[:36],
            least=least,
            most=most,
            role_arn=role,
            created_at=tx.now,
        )
    else:
        target = replace(
            present,
            least=present.least if least is None else least,
            most=present.most if most is None else most,
            role_arn=request.get("RoleARN") or present.role_arn,
        )
    if target.most < target.least:
        raise ValidationException("Maximum capacity cannot be less than minimum capacity")
    suspended = request.get("SuspendedState") or {}
    target = replace(
        target,
        in_suspended=suspended.get("DynamicScalingInSuspended", target.in_suspended),
        out_suspended=suspended.get("DynamicScalingOutSuspended", target.out_suspended),
        schedule_suspended=suspended.get("ScheduledScalingSuspended", target.schedule_suspended),
    )
    tx.put(TARGETS, target)
    if request.get("Tags"):
        _check_tag_count(tx, target, request["Tags"])
        tx.tag(target.arn, request["Tags"])
    return target


@operation("DeregisterScalableTarget", on=target_of)
def deregister_scalable_target(tx: Tx, request: DeregisterScalableTargetRequest) -> Answer:
    """Take a capacity out of Auto Scaling's hands; its policies and scheduled actions go too."""
    target = find_target(tx, request)
    tx.delete(TARGETS, *target.key)
    for table in (POLICIES, ACTIONS, ACTIVITIES):
        tx.delete_range(table, target.key)
    tx.untag(target.arn)
    return {}


@operation("DescribeScalableTargets")
def describe_scalable_targets(read: Read, request: DescribeScalableTargetsRequest) -> Answer:
    """The targets of a namespace, or of some resources in it."""
    check_filter(request)
    wanted = request.get("ResourceIds")
    dimension = request.get("ScalableDimension")
    found = [
        target
        for target in read.scan(TARGETS, (read.account, read.region, request["ServiceNamespace"]))
        if (not wanted or target.resource in wanted)
        and (dimension is None or target.dimension == dimension)
    ]
    listed, token = page("targets", found, request, PAGE_MAX)
    return {"ScalableTargets": [_told(target) for target in listed], "NextToken": token}


def _told(target: Target) -> Answer:
    return {
        "ServiceNamespace": target.namespace,
        "ResourceId": target.resource,
        "ScalableDimension": target.dimension,
        "MinCapacity": target.least,
        "MaxCapacity": target.most,
        "RoleARN": target.role_arn,
        "CreationTime": target.created_at,
        "SuspendedState": {
            "DynamicScalingInSuspended": target.in_suspended,
            "DynamicScalingOutSuspended": target.out_suspended,
            "ScheduledScalingSuspended": target.schedule_suspended,
        },
        "ScalableTargetARN": target.arn,
    }


@operation("TagResource", on=resource_of)
def tag_resource(tx: Tx, request: TagResourceRequest) -> Answer:
    """Add or replace tags of a target."""
    target = find_target_by_arn(tx, request["ResourceARN"])
    _check_tag_count(tx, target, request["Tags"])
    tx.tag(target.arn, request["Tags"])
    return {}


def _check_tag_count(tx: Tx, target: Target, added: Mapping[str, str]) -> None:
    for key in added:
        if key.lower().startswith("aws:"):
            raise ValidationException("Tag keys that start with aws: are reserved for AWS use.")
    if len({*tx.tags_of(target.arn), *added}) > TAGS_MAX:
        raise TooManyTagsException(
            f"Resource can have at most {TAGS_MAX} tags.", fields={"ResourceName": target.arn}
        )


@operation("UntagResource", on=resource_of)
def untag_resource(tx: Tx, request: UntagResourceRequest) -> Answer:
    """Remove tags of a target."""
    target = find_target_by_arn(tx, request["ResourceARN"])
    tx.untag(target.arn, request["TagKeys"])
    return {}


@operation("ListTagsForResource", on=resource_of)
def list_tags_for_resource(read: Read, request: ListTagsForResourceRequest) -> Answer:
    """The tags of a target."""
    target = find_target_by_arn(read, request["ResourceARN"])
    return {"Tags": read.tags_of(target.arn)}
