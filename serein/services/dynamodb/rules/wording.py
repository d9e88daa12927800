"""Failures of the model's constraints as DynamoDB words them.

Enumerated values come in the service's own order, values that hold items are not repeated, and the write requests of a batch are
told as a whole.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from serein.base.errors import AwsError
from serein.wire.failures import Failure
from serein.wire.validate import validation_error

_ENUM = "Member must satisfy enum value set: "
_ORDERS = (
    "INDEXES, TOTAL, NONE",
    "SIZE, NONE",
    "ALL_NEW, UPDATED_OLD, ALL_OLD, NONE, UPDATED_NEW",
    "ALL_OLD, NONE",
    "SPECIFIC_ATTRIBUTES, COUNT, ALL_ATTRIBUTES, ALL_PROJECTED_ATTRIBUTES",
    "IN, NULL, BETWEEN, LT, NOT_CONTAINS, EQ, GT, NOT_NULL, NE, LE, BEGINS_WITH, GE, CONTAINS",
    "OR, AND",
    "ADD, DELETE, PUT",
    "HASH, RANGE",
    "B, N, S",
    "ALL, INCLUDE, KEYS_ONLY",
    "PROVISIONED, PAY_PER_REQUEST",
    "NEW_IMAGE, OLD_IMAGE, NEW_AND_OLD_IMAGES, KEYS_ONLY",
    "STANDARD, STANDARD_INFREQUENT_ACCESS",
)
_IN_ORDER = {frozenset(order.split(", ")): order for order in _ORDERS}
_BATCH = (
    "Map value must satisfy constraint: [Member must have length less than or equal to 25, "
    "Member must have length greater than or equal to 1]"
)
_HOLDS_ITEMS = ("keys", "transactItems", "requestItems", "transactStatements", "statements")


def invalid(failures: Sequence[Failure], operation: str) -> AwsError | None:
    """The failures of one request, in DynamoDB's words."""
    return validation_error([_worded(failure, operation) for failure in failures])


def _worded(failure: Failure, operation: str) -> Failure:
    if failure.kind == "enum":
        given = failure.constraint.removeprefix(_ENUM).strip("[]")
        order = _IN_ORDER.get(frozenset(given.split(", ")))
        if order is not None:
            return msgspec.structs.replace(failure, constraint=f"{_ENUM}[{order}]")
    if failure.kind in ("max_length", "min_length") and isinstance(failure.value, list | dict):
        if operation == "BatchWriteItem" and failure.path.endswith(".member"):
            name = failure.path.removeprefix("requestItems.").removesuffix(".member")
            whole: Any = {name: failure.value}
            return msgspec.structs.replace(
                failure, path="requestItems", value=whole, constraint=_BATCH
            )
        if failure.value and failure.path.rpartition(".")[2] in _HOLDS_ITEMS:
            return msgspec.structs.replace(failure, sensitive=True)
    return failure
