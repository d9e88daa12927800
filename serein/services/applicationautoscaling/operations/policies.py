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
from serein.services.applicationautoscaling.workers import scaling

Request = Mapping[str, Any]
Answer = dict[str, Any]
