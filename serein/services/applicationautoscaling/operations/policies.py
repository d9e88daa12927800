"""Scaling policies: PutScalingPolicy, DeleteScalingPolicy, DescribeScalingPolicies, DescribeScalingActivities.

https://docs.aws.amazon.com/autoscaling/application/APIReference/API_PutScalingPolicy.html
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
    DeleteScalingPolicyRequest,
    DescribeScalingActivitiesRequest,
    DescribeScalingPoliciesRequest,
    LimitExceededException,
    ObjectNotFoundException,
    PutScalingPolicyRequest,
    ValidationException,
)
from serein.services.applicationautoscaling.records import ACTIVITIES, POLICIES, Policy, Target
from serein.services.applicationautoscaling.rules.bell import SCALING_BELL

Request = Mapping[str, Any]
Answer = dict[str, Any]

POLICIES_PAGE_MAX = 50
ACTIVITIES_PAGE_MAX = 50
POLICIES_OF_TARGET_MAX = 50
_CONFIGURATIONS = {
    "StepScaling": "StepScalingPolicyConfiguration",
    "TargetTrackingScaling": "TargetTrackingScalingPolicyConfiguration",
    "PredictiveScaling": "PredictiveScalingPolicyConfiguration",
}
_WITHOUT_STEPS = frozenset(
    ("dynamodb", "comprehend", "lambda", "cassandra", "kafka", "elasticache", "neptune")
)
_DYNAMODB_METRICS = {
    "ReadCapacityUnits": "DynamoDBReadCapacityUtilization",
    "WriteCapacityUnits": "DynamoDBWriteCapacityUtilization",
}


@operation("PutScalingPolicy", on=target_of)
def put_scaling_policy(tx: Tx, request: PutScalingPolicyRequest) -> Answer:
    """Make or change a policy of a target."""
    target = find_target(tx, request)
    name = request["PolicyName"]
    present = tx.get(POLICIES, *target.key, name)
    kind = request.get("PolicyType") or (present.kind if present else "StepScaling")
    if present is not None and kind != present.kind:
        raise ValidationException(
            f"The policy type of an existing policy cannot be changed: {name}"
        )
    _check_kind(target, kind)
    member = _CONFIGURATIONS[kind]
    configuration: Any = request.get(member)
    if not configuration:
        raise ValidationException(f"{member} must be specified for policy type {kind}")
    if kind == "TargetTrackingScaling":
        _check_tracking(target, configuration)
    if present is None:
        count = sum(1 for _ in tx.scan(POLICIES, target.key))
        if count >= POLICIES_OF_TARGET_MAX:
            raise LimitExceededException(
                "You have reached the limit of scaling policies for the scalable target"
            )
    policy = Policy(
        account=target.account,
        region=target.region,
        namespace=target.namespace,
        resource=target.resource,
        dimension=target.dimension,
        name=name,
        id=present.id if present else tx.new_id(),
        kind=kind,
        configuration={member: configuration},
        alarms=present.alarms if present else _alarms(tx, target, kind),
        created_at=present.created_at if present else tx.now,
    )
    tx.put(POLICIES, policy)
    tx.ring(SCALING_BELL)
    return {"PolicyARN": policy_arn(policy), "Alarms": _told_alarms(policy)}


def _check_kind(target: Target, kind: str) -> None:
    """Raises ValidationException where AWS has no policies of a kind for a namespace.

    https://docs.aws.amazon.com/autoscaling/application/APIReference/API_PutScalingPolicy.html
    """
    if (kind == "StepScaling" and target.namespace in _WITHOUT_STEPS) or (
        kind == "PredictiveScaling" and target.namespace != "ecs"
    ):
        raise ValidationException(
            f"{kind} policies are not supported for service namespace {target.namespace}"
        )


def _check_tracking(target: Target, configuration: Request) -> None:
    """Raises ValidationException: no metric, or one that is not of this dimension."""
    predefined = configuration.get("PredefinedMetricSpecification")
    customized = configuration.get("CustomizedMetricSpecification")
    if (predefined is None) == (customized is None):
        raise ValidationException(
            "Exactly one of PredefinedMetricSpecification and CustomizedMetricSpecification must "
            "be specified"
        )
    if target.namespace != "dynamodb" or predefined is None:
        return
    if predefined["PredefinedMetricType"] != _DYNAMODB_METRICS[target.dimension.split(":")[2]]:
        raise ValidationException(
            f"Unsupported metric type: {predefined['PredefinedMetricType']} for scalable "
            f"dimension: {target.dimension}"
        )
    if not 20 <= configuration["TargetValue"] <= 90:
        raise ValidationException(
            "Target value for DynamoDB capacity utilization must be between 20 and 90"
        )


def _alarms(tx: Tx, target: Target, kind: str) -> tuple[str, ...]:
    """The names of the alarms that AWS would make for a policy."""
    if kind != "TargetTrackingScaling":
        return ()
    kinds = ["AlarmHigh", "AlarmLow"]
    if target.namespace == "dynamodb":
        kinds += ["ProvisionedCapacityHigh", "ProvisionedCapacityLow"]
    return tuple(f"TargetTracking-{target.resource}-{one}-{tx.new_id()}" for one in kinds)


def policy_arn(policy: Policy) -> str:
    """A policy's ARN."""
    return (
        f"arn:aws:autoscaling:{policy.region}:{policy.account}:scalingPolicy:{policy.id}:"
        f"resource/{policy.namespace}/{policy.resource}:policyName/{policy.name}"
    )


def _told_alarms(policy: Policy) -> list[Answer]:
    prefix = f"arn:aws:cloudwatch:{policy.region}:{policy.account}:alarm:"
    return [{"AlarmName": name, "AlarmARN": prefix + name} for name in policy.alarms]


@operation("DeleteScalingPolicy", on=target_of)
def delete_scaling_policy(tx: Tx, request: DeleteScalingPolicyRequest) -> Answer:
    """Remove a policy."""
    target = find_target(tx, request)
    if not tx.delete(POLICIES, *target.key, request["PolicyName"]):
        raise ObjectNotFoundException(
            f"No scaling policy found for {place_of(request)}: {request['PolicyName']}"
        )
    return {}


@operation("DescribeScalingPolicies")
def describe_scaling_policies(read: Read, request: DescribeScalingPoliciesRequest) -> Answer:
    """The policies of a namespace, a resource, or of some names."""
    check_filter(request)
    names = request.get("PolicyNames")
    found = [
        policy
        for policy in read.scan(POLICIES, (read.account, read.region, request["ServiceNamespace"]))
        if request.get("ResourceId") in (None, policy.resource)
        and request.get("ScalableDimension") in (None, policy.dimension)
        and (not names or policy.name in names or policy_arn(policy) in names)
    ]
    listed, token = page("policies", found, request, POLICIES_PAGE_MAX)
    return {"ScalingPolicies": [_told(policy) for policy in listed], "NextToken": token}


def _told(policy: Policy) -> Answer:
    return {
        "PolicyARN": policy_arn(policy),
        "PolicyName": policy.name,
        "ServiceNamespace": policy.namespace,
        "ResourceId": policy.resource,
        "ScalableDimension": policy.dimension,
        "PolicyType": policy.kind,
        **policy.configuration,
        "Alarms": _told_alarms(policy),
        "CreationTime": policy.created_at,
    }


@operation("DescribeScalingActivities", ignores=("IncludeNotScaledActivities",))
def describe_scaling_activities(read: Read, request: DescribeScalingActivitiesRequest) -> Answer:
    """What was done to the targets of a namespace in the last six weeks, newest first."""
    check_filter(request)
    found = [
        activity
        for activity in read.scan(
            ACTIVITIES, (read.account, read.region, request["ServiceNamespace"])
        )
        if request.get("ResourceId") in (None, activity.resource)
        and request.get("ScalableDimension") in (None, activity.dimension)
    ]
    found.sort(key=lambda activity: activity.order)
    listed, token = page("activities", found, request, ACTIVITIES_PAGE_MAX)
    told = [
        {
            "ActivityId": activity.id,
            "ServiceNamespace": activity.namespace,
            "ResourceId": activity.resource,
            "ScalableDimension": activity.dimension,
            "Description": activity.description,
            "Cause": activity.cause,
            "StartTime": activity.started_at,
            "EndTime": activity.ended_at,
            "StatusCode": activity.status,
            "StatusMessage": activity.message,
        }
        for activity in listed
    ]
    return {"ScalingActivities": told, "NextToken": token}
