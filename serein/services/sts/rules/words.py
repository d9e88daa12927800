"""STS's words for requests that break a rule of form."""

from __future__ import annotations

from collections.abc import Sequence

from serein.base.errors import AwsError
from serein.kernel.calls import Principal
from serein.wire.validate import Failure, validation_error

SESSION_NAME_CHARACTERS_MIN = 2


class ValidationError(AwsError):
    """A request that breaks a rule of form."""

    code = "ValidationError"
    status = 400


class AccessDenied(AwsError):
    """A refusal that no policy made."""

    code = "AccessDenied"
    status = 403


def invalid(failures: Sequence[Failure], operation: str) -> AwsError | None:
    """The common words, under the code of the query services.

    A session name that is too short is left to `check_session_name`: it is good where a service calls.
    """
    if len(failures) == 1 and operation == "AssumeRole":
        only = failures[0]
        if only.member == "RoleSessionName" and only.kind == "min_length" and only.value:
            return None
    return validation_error(failures, code="ValidationError")


def check_session_name(name: str, caller: Principal) -> None:
    """AWS's services name a function's sessions after it, and a function's name may have one letter; nobody else's may.

    Raises ValidationError.
    """
    if len(name) < SESSION_NAME_CHARACTERS_MIN and caller.kind != "service":
        raise ValidationError(
            f"1 validation error detected: Value '{name}' at 'roleSessionName' failed to satisfy constraint: Member "
            f"must have length greater than or equal to {SESSION_NAME_CHARACTERS_MIN}"
        )
