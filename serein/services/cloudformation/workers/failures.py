"""Why a resource failed, as its event tells it.

https://docs.aws.amazon.com/cloudformation-cli/latest/userguide/resource-type-test-contract-errors.html
"""

from __future__ import annotations

from serein.base.errors import AwsError
from serein.services.cloudformation.resources.interface import exists_already, is_gone

REASON_CHARACTERS_MAX = 4_096


def handler_code(error: AwsError) -> str:
    """The handler error code for what a service answered."""
    code = error.code
    if "AccessDenied" in code or "Unauthorized" in code or error.status == 403:
        return "AccessDenied"
    if exists_already(error) or code in ("BucketAlreadyExists", "EntityAlreadyExists"):
        return "AlreadyExists"
    if is_gone(error):
        return "NotFound"
    if "Throttl" in code or "TooManyRequests" in code or code == "SlowDown":
        return "Throttling"
    if "LimitExceeded" in code:
        return "ServiceLimitExceeded"
    if code == "NotImplemented" or error.status == 501:
        return "InvalidRequest"
    if error.status >= 500:
        return "ServiceInternalError"
    if code.startswith(("Invalid", "Validation", "Malformed", "Missing")):
        return "InvalidRequest"
    return "GeneralServiceException"


def reason_of(error: AwsError, type_name: str, identifier: str, request_token: str) -> str:
    """The event's reason: `Resource handler returned message: "…" (RequestToken: …, HandlerErrorCode: …)`."""
    code = handler_code(error)
    if code == "AlreadyExists" and identifier:
        words = f"Resource of type '{type_name}' with identifier '{identifier}' already exists."
    else:
        service = type_name.split("::")[1]
        words = f"{error.message} (Service: {service}, Status Code: {error.status}, Request ID: {request_token})"
    reason = f'Resource handler returned message: "{words}" (RequestToken: {request_token}, HandlerErrorCode: {code})'
    return reason[:REASON_CHARACTERS_MAX]
