"""AWS CloudFormation: stacks and change sets over the other services' APIs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from serein.base.errors import AwsError
from serein.kernel.calls import Call
from serein.kernel.conditions import members_as_keys
from serein.kernel.operations import Conditions, Read
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


_KEYS = members_as_keys(
    {
        "cloudformation:changesetname": "ChangeSetName",
        "cloudformation:resourcetypes": "ResourceTypes",
        "cloudformation:rolearn": "RoleARN",
        "cloudformation:stackpolicyurl": "StackPolicyURL",
        "cloudformation:templateurl": "TemplateURL",
    }
)


def _keys_of(read: Read, call: Call, arn: str) -> Conditions:
    """https://docs.aws.amazon.com/service-authorization/latest/reference/list_awscloudformation.html"""
    imported = [
        str(each["ResourceType"])
        for each in call.params.get("ResourcesToImport") or ()
        if isinstance(each, dict) and each.get("ResourceType")
    ]
    found = _KEYS(read, call, arn)
    return {**found, "cloudformation:importresourcetypes": imported} if imported else found


SERVICE = Service(
    name="cloudformation",
    operations=(change_sets, descriptions, exports, policies, resources, stacks, templates),
    denied=("AccessDenied", 403),
    invalid=_invalid,
    keys_of=_keys_of,
    workers=(Worker(name="cloudformation deployments", run=deployments.run),),
)
