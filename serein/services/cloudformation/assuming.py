"""As whom a deployment makes its calls: its caller, or the stack's service role.

https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/using-iam-servicerole.html
"""

from __future__ import annotations

import msgspec

from serein.kernel.calls import Principal, service_principal
from serein.kernel.operations import Context
from serein.services.cloudformation.records import Deployment, Stack


async def principal_of(cx: Context, stack: Stack, deployment: Deployment) -> Context:
    """A context that acts as the deployment's principal, in the stack's account and region."""
    principal = deployment.principal
    if stack.role_arn:
        principal = await assumed(cx, stack)
    acting = cx.acting(principal, account=stack.account, region=stack.region)
    acting.scope = msgspec.structs.replace(
        acting.scope,
        host=deployment.host,
        called_via=("cloudformation.amazonaws.com",),
    )
    return acting


async def assumed(cx: Context, stack: Stack) -> Principal:
    """The stack's role, assumed by CloudFormation. Raises the refusal of its trust policy."""
    assert stack.role_arn is not None
    service = service_principal("cloudformation.amazonaws.com", stack.account)
    params = {"RoleArn": stack.role_arn, "RoleSessionName": "AWSCloudFormation"}
    answer = await cx.call(cx.make_call("sts", "AssumeRole", params, by=service))
    user = answer["AssumedRoleUser"]
    return Principal(
        kind="role",
        account=stack.role_arn.split(":")[4],
        arn=user["Arn"],
        id=user["AssumedRoleId"],
        access_key=answer["Credentials"]["AccessKeyId"],
        role_arn=stack.role_arn,
    )
