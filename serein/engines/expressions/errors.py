"""The one error of this engine: DynamoDB's ValidationException, in AWS's words."""

from __future__ import annotations

from serein.base.errors import AwsError


class ValidationException(AwsError):
    """A request that DynamoDB refuses; `message` is what AWS says."""

    code = "ValidationException"


class SerializationException(AwsError):
    """A JSON value of a type that the member cannot hold."""

    code = "SerializationException"


def parameter_invalid(message: str) -> ValidationException:
    """`message` with the prefix that AWS puts before most complaints about values."""
    return ValidationException(f"One or more parameter values were invalid: {message}")
