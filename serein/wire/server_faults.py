"""What a service says when the fault is the server's: the error that its model has for it, or AWS's common one.

Common errors: https://docs.aws.amazon.com/IAM/latest/APIReference/CommonErrors.html (every service has such a page);
S3's codes: https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html#ErrorCodeList
"""

from __future__ import annotations

from typing import NamedTuple

from serein.wire.models import ServiceWire

_UNAVAILABLE = ("ServiceUnavailableException", "ServiceUnavailable")
_INTERNAL = (
    "InternalServerError", "InternalServerException", "InternalErrorException", "InternalError",
    "InternalServiceError", "InternalServiceErrorException", "InternalServiceException", "InternalException",
    "InternalFailureException", "KMSInternalException", "ServiceException", "ServiceFailureException",
)  # fmt: skip
"""The names that AWS's models give it, wherever they have one."""


class ServerFault(NamedTuple):
    """A code and its HTTP status."""

    code: str
    status: int


def internal(service: ServiceWire) -> ServerFault:
    """Something went wrong inside."""
    if service.name == "s3":
        return ServerFault("InternalError", 500)
    return _modelled_or_none(service, _INTERNAL) or ServerFault("InternalFailure", 500)


def unavailable(service: ServiceWire) -> ServerFault:
    """The request cannot be served at the moment; SDKs try again."""
    return (
        _modelled_or_none(service, _UNAVAILABLE)
        or _modelled_or_none(service, _INTERNAL)
        or ServerFault("ServiceUnavailable", 503)
    )


def _modelled_or_none(service: ServiceWire, names: tuple[str, ...]) -> ServerFault | None:
    for name in names:
        error = service.errors.get(name)
        if error is not None and error.status >= 500:
            return ServerFault(error.code, error.status)
    return None
