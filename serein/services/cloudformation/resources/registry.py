"""Every resource type that Serein can deploy, by its name."""

from __future__ import annotations

from collections.abc import Mapping

from serein.services.cloudformation.resources import (
    apigatewayv2,
    applicationautoscaling,
    cloudformation,
    dax,
    dynamodb,
    dynamodb_global,
    ecr,
    iam,
    iam_more,
    iam_users,
    lambda_,
    lambda_more,
    lambda_sharing,
    logs,
    organizations,
    s3,
    sqs,
    ssm,
)
from serein.services.cloudformation.resources.interface import ResourceType
from serein.services.cloudformation.resources.schema import replacing

TYPES: Mapping[str, ResourceType] = {
    kind.name: kind
    for module in (
        apigatewayv2,
        applicationautoscaling,
        cloudformation,
        dax,
        dynamodb,
        dynamodb_global,
        ecr,
        iam,
        iam_more,
        iam_users,
        lambda_,
        lambda_more,
        lambda_sharing,
        logs,
        organizations,
        s3,
        sqs,
        ssm,
    )
    for kind in module.TYPES
}


def type_or_none(name: str) -> ResourceType | None:
    """The type of this name, if Serein has it."""
    return TYPES.get(name)


def replaces(name: str) -> frozenset[str]:
    """The properties whose change needs a new resource of type `name`."""
    kind = TYPES.get(name)
    return replacing(name) | (kind.replaces if kind else frozenset())


def is_replaced(name: str, changed: set[str]) -> bool:
    """Whether changing these properties needs a new resource."""
    kind = TYPES.get(name)
    if kind is not None and kind.update is None:
        return True
    return bool(changed & replaces(name))
