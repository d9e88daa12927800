"""STS's words for requests that break a rule of form."""

from __future__ import annotations

from collections.abc import Sequence

from serein.base.errors import AwsError
from serein.wire.validate import Failure, validation_error


class ValidationError(AwsError):
    """A request that breaks a rule of form."""

    code = "ValidationError"
    status = 400


class AccessDenied(AwsError):
    """A refusal that no policy made."""

    code = "AccessDenied"
    status = 403


def invalid(failures: Sequence[Failure], operation: str) -> AwsError | None:
    """The common words, under the code of the query services."""
    return validation_error(failures, code="ValidationError")
