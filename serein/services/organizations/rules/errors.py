"""Organizations' refusals, worded once.

https://docs.aws.amazon.com/organizations/latest/APIReference/API_CreateOrganization.html#API_CreateOrganization_Errors
"""

from __future__ import annotations

from collections.abc import Sequence

from serein.base.errors import AwsError
from serein.services.organizations.model import (
    AccessDeniedException,
    ConstraintViolationException,
    InvalidInputException,
)
from serein.wire.validate import Failure

_REASONS = {
    "enum": "INVALID_ENUM",
    "pattern": "INVALID_PATTERN",
    "required": "INPUT_REQUIRED",
}


def access_denied() -> AwsError:
    """For whoever is neither the management account nor a delegated administrator."""
    return AccessDeniedException("You don't have permissions to access this resource.")


def invalid_input(reason: str, message: str = "You specified an invalid value.") -> AwsError:
    """InvalidInputException with its reason."""
    return _with_reason(InvalidInputException(message), reason)


def constraint_violation(reason: str, message: str) -> AwsError:
    """ConstraintViolationException with its reason."""
    return _with_reason(ConstraintViolationException(message), reason)


def _with_reason(error: AwsError, reason: str) -> AwsError:
    error.fields = {**error.fields, "Reason": reason}
    return error


def invalid(failures: Sequence[Failure], operation: str) -> AwsError | None:
    """What does not fit the model."""
    first = failures[0]
    reason = _REASONS.get(str(first.kind), "INVALID_PATTERN")
    if first.member == "Type" and operation in ("CreatePolicy",):
        reason = "INVALID_ENUM_POLICY_TYPE"
    if first.member == "TargetId" and first.kind == "pattern":
        reason = "INVALID_PATTERN_TARGET_ID"
    return invalid_input(reason)
