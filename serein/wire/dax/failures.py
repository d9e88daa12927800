"""Errors as they travel: a sequence of codes, a message, and what DynamoDB said.

The first code tells clients what to do: 1 try again, 2 wait until the cluster has recovered, 3 do not try again (the
server's fault), 4 the client's fault. Codes are those that Amazon's clients know.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from serein.wire.dax.cbor import put_array, put_binary, put_integer, put_null, put_text

_DYNAMODB = (4, 37, 38, 39)
CODES: Mapping[str, tuple[int, ...]] = {
    "ProvisionedThroughputExceededException": (*_DYNAMODB, 40),
    "ResourceNotFoundException": (*_DYNAMODB, 41),
    "AccessDeniedException": (4, 37, 38, 42),
    "ConditionalCheckFailedException": (*_DYNAMODB, 43),
    "NotImplemented": (4, 37, 38, 44),
    "ResourceInUseException": (*_DYNAMODB, 45),
    "ValidationException": (*_DYNAMODB, 46),
    "InternalServerError": (*_DYNAMODB, 47),
    "ItemCollectionSizeLimitExceededException": (*_DYNAMODB, 48),
    "LimitExceededException": (*_DYNAMODB, 49),
    "ThrottlingException": (*_DYNAMODB, 50),
    "TransactionConflictException": (*_DYNAMODB, 57),
    "TransactionCanceledException": (*_DYNAMODB, 58),
    "TransactionInProgressException": (*_DYNAMODB, 59),
    "IdempotentParameterMismatchException": (*_DYNAMODB, 60),
    "RequestLimitExceeded": (*_DYNAMODB, 61),
}
"""The codes of DynamoDB's errors."""
UNKNOWN = (4, 37, 38, 0)
"""An error of the client's without codes of its own: clients take DynamoDB's word for it."""
UNAVAILABLE = (1, 37, 38, 47)
INTERNAL = (3, 37, 54)
MALFORMED = (4, 23, 30)
AUTHENTICATION_REQUIRED = (4, 23, 31, 33)
"""No (longer) authenticated: clients authenticate and try again."""
AUTHENTICATION_FAILED = (4, 23, 31, 32)


def codes_of(code: str, status: int) -> tuple[int, ...]:
    """The codes of an error that AWS calls `code`."""
    found = CODES.get(code)
    if found is not None:
        return found
    return UNKNOWN if status < 500 else UNAVAILABLE


def failure(
    codes: Sequence[int],
    message: str,
    request_id: str = "",
    code: str = "",
    status: int = 0,
    reasons: Sequence[tuple[str | None, str | None, bytes | None]] | None = None,
) -> bytes:
    """An error's bytes. `reasons`: why a transaction was cancelled: code, message, item (without its key) of each."""
    out = bytearray()
    put_array(out, len(codes))
    for number in codes:
        put_integer(out, number)
    put_text(out, message)
    if not code:
        put_null(out)
        return bytes(out)
    put_array(out, 3 if reasons is None else 4)
    put_text(out, request_id)
    put_text(out, code)
    put_integer(out, status)
    if reasons is not None:
        put_array(out, 3 * len(reasons))
        for reason in reasons:
            for part in reason:
                _put(out, part)
    return bytes(out)


def _put(out: bytearray, part: Any) -> None:
    if part is None:
        put_null(out)
    elif isinstance(part, str):
        put_text(out, part)
    else:
        put_binary(out, part)
