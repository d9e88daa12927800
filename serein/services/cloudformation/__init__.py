"""AWS CloudFormation: stacks and change sets over the other services' APIs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from serein.base.errors import AwsError
from serein.kernel.services import Service, Worker
from serein.services.cloudformation.operations import (
    change_sets,
    descriptions,
    exports,
    policies,
    resources,
    stacks,
    templates,
)
from serein.services.cloudformation.workers import deployments
from serein.wire.validate import validation_error


def _invalid(failures: Sequence[Any], operation: str) -> AwsError | None:
    return validation_error(failures, code="ValidationError")


SERVICE = Service(
    name="cloudformation",
    operations=(change_sets, descriptions, exports, policies, resources, stacks, templates),
    denied=("AccessDenied", 403),
    invalid=_invalid,
    workers=(Worker(name="cloudformation deployments", run=deployments.run),),
)
