"""Capacity settings of tables and indexes: provisioned, on-demand maximum, warm.

https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/capacity-mode.html
"""

from __future__ import annotations

from collections.abc import Mapping

from serein.engines.expressions.errors import ValidationException, parameter_invalid
from serein.services.dynamodb.records import Index, TableRecord, Throughput

DAY_S = 24 * 3600
WARM_ON_DEMAND = {"ReadUnitsPerSecond": 12000, "WriteUnitsPerSecond": 4000}


def decreases_today(throughput: Throughput, now: float) -> int:
    """How often capacity was lowered since midnight (UTC)."""
    if throughput.decreased_at is None or int(throughput.decreased_at) // DAY_S < int(now) // DAY_S:
        return 0
    return throughput.decreases_today


def changed_throughput(before: Throughput, read: int, write: int, now: float) -> Throughput:
    """New capacity, with when it was raised or lowered."""
    raised = read > before.read or write > before.write
    lowered = read < before.read or write < before.write
    return Throughput(
        read=read,
        write=write,
        decreases_today=decreases_today(before, now) + (1 if lowered else 0),
        increased_at=now if raised else before.increased_at,
        decreased_at=now if lowered else before.decreased_at,
    )


def unchanged(place: str, kind: str, now: Throughput, wanted: Throughput) -> ValidationException:
    """The complaint about an update that asks for what is there."""
    return ValidationException(
        f"The provisioned throughput for the {place} will not change. The requested value equals "
        f"the current value. Current ReadCapacityUnits provisioned for the {kind}: {now.read}. "
        f"Requested ReadCapacityUnits: {wanted.read}. "
        f"Current WriteCapacityUnits provisioned for the {kind}: {now.write}. "
        f"Requested WriteCapacityUnits: {wanted.write}. "
        "Refer to the Amazon DynamoDB Developer Guide for current limits and how to request "
        "higher limits."
    )


def checked_on_demand(wanted: Mapping[str, int], pay_per_request: bool) -> dict[str, int]:
    """An OnDemandThroughput: at least 1 unit, or -1 for no maximum. Raises ValidationException."""
    if not pay_per_request:
        raise parameter_invalid(
            "OnDemandThroughput can only be specified when BillingMode is PAY_PER_REQUEST"
        )
    for member in ("MaxReadRequestUnits", "MaxWriteRequestUnits"):
        if member in wanted and (wanted[member] < 1 and wanted[member] != -1):
            raise parameter_invalid(
                f"{member} for OnDemandThroughput must be -1 or greater than or equal to 1"
            )
    return dict(wanted)


def warm_of(table: TableRecord, index: Index | None = None) -> dict[str, int]:
    """The warm throughput of a table or index: at least what its mode gives."""
    given = table.warm if index is None else index.warm
    base = table.throughput if index is None else index.throughput
    least = WARM_ON_DEMAND
    if not table.pay_per_request:
        least = {"ReadUnitsPerSecond": base.read, "WriteUnitsPerSecond": base.write}
    if not given:
        return dict(least)
    return {name: max(given.get(name, 0), units) for name, units in least.items()}


def raised_warm(
    present: Mapping[str, int],
    wanted: Mapping[str, int],
    place: str,
    table: TableRecord,
    index: Index | None = None,
) -> dict[str, int]:
    """Warm throughput as an update asks for it; it never goes down. Raises ValidationException."""
    now = warm_of(table, index)
    for name, units in wanted.items():
        if units < now[name]:
            raise parameter_invalid(
                f"Requested {name} for WarmThroughput for {place} is lower than current "
                "WarmThroughput, decreasing WarmThroughput is not supported"
            )
    return {**present, **wanted}


def checked_warm(wanted: Mapping[str, int], least: Mapping[str, int], place: str) -> dict[str, int]:
    """Warm throughput of something new. Raises ValidationException."""
    for name, units in wanted.items():
        if units < least[name]:
            raise parameter_invalid(
                f"Requested {name} for WarmThroughput for {place} is lower than the minimum of "
                f"{least[name]}"
            )
    return dict(wanted)
