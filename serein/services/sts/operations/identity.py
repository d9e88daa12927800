"""Who calls."""

from __future__ import annotations

from serein.kernel.operations import Read, operation
from serein.services.sts.model import GetCallerIdentityRequest, GetCallerIdentityResponse


@operation("GetCallerIdentity", unauthorised=True)
def get_caller_identity(read: Read, request: GetCallerIdentityRequest) -> GetCallerIdentityResponse:
    """The caller's account, ARN and unique id. No permission is needed, nor can it be denied.

    https://docs.aws.amazon.com/STS/latest/APIReference/API_GetCallerIdentity.html
    """
    caller = read.principal
    return {"UserId": caller.id, "Account": caller.account, "Arn": caller.arn}
