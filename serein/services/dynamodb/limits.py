"""AWS's limits of pace, where they are switched on: provisioned capacity, on-demand maxima, hot keys, changes of settings.

    Limits().around(spec)    the operation, held to the limits

Off (the default) nothing of this is in the path of a request. On, every data operation is counted as its
`ConsumedCapacity` says: a request goes ahead while its table, index and key have any unit left, and pays afterwards what it took.
The buckets are the process's own; a new one has what a resource of its age can have saved.
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/provisioned-capacity-mode.html
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from serein.base.errors import AwsError
from serein.contracts.consumption import CONSUMPTION, KEPT_S, MINUTE_S, Consumption
from serein.engines.expressions.errors import ValidationException
from serein.kernel.operations import Context, OperationSpec, Read, Tx
from serein.services.dynamodb.access import table_or_none
from serein.services.dynamodb.model import (
    LimitExceededException,
    ProvisionedThroughputExceededException,
    ThrottlingException,
)
from serein.services.dynamodb.operations.transactions import cancel_if_any
from serein.services.dynamodb.records import Index, TableRecord
from serein.services.dynamodb.rules.buckets import (
    BURST_S,
    KEY_READ_RATE,
    KEY_WRITE_RATE,
    Bucket,
)
from serein.services.dynamodb.rules.throughput import DAY_S, decreases_today

Request = dict[str, Any]
Answer = dict[str, Any]
Handler = Callable[[Any, Any], Any]

BUCKETS_MAX = 20_000
FLUSH_PAUSE_S = 30.0
TTL_CHANGE_S = 3600
BILLING_CHANGES_MAX = 4

READS = frozenset(("GetItem", "Query", "Scan", "BatchGetItem", "TransactGetItems"))
_SINGLE = frozenset(("GetItem", "PutItem", "UpdateItem", "DeleteItem", "Query", "Scan"))
_BATCHES = {"BatchGetItem": "UnprocessedKeys", "BatchWriteItem": "UnprocessedItems"}
_TRANSACTIONS = frozenset(("TransactWriteItems", "TransactGetItems"))
_STATEMENTS = frozenset(("ExecuteStatement", "BatchExecuteStatement", "ExecuteTransaction"))

TABLE_EXCEEDED = (
    "The level of configured provisioned throughput for the table was exceeded. "
    "Consider increasing your provisioning level with the UpdateTable API."
)
INDEX_EXCEEDED = (
    "The level of configured provisioned throughput for one or more global secondary indexes of "
    "the table was exceeded. Consider increasing your provisioning level for the "
    "under-provisioned global secondary indexes with the UpdateTable API"
)
ON_DEMAND_EXCEEDED = (
    "Throughput exceeds the maximum OnDemandThroughput configured on table or index"
)


class Throttled(msgspec.Struct, frozen=True):
    """Why a request must wait: the reason as AWS names it, and the resource's ARN."""

    reason: str
    arn: str

    @property
    def error(self) -> AwsError:
        """The error that says so."""
        if "MaxOnDemand" in self.reason:
            told = [{"reason": self.reason, "resource": self.arn}]
            return ThrottlingException(ON_DEMAND_EXCEEDED, fields={"throttlingReasons": told})
        text = INDEX_EXCEEDED if self.reason.startswith("Index") else TABLE_EXCEEDED
        told = [{"reason": self.reason, "resource": self.arn}]
        return ProvisionedThroughputExceededException(text, fields={"ThrottlingReasons": told})


class Limits:
    """The buckets of one process, and what it counted."""

    def __init__(self) -> None:
        self._buckets: dict[tuple[str, ...], Bucket] = {}
        self._counted: dict[tuple[str, str, str, int], list[float]] = {}

    def around(self, spec: OperationSpec) -> OperationSpec:
        """The operation, held to the limits; others as they are."""
        held = self._held(spec)
        return spec if held is None else msgspec.structs.replace(spec, function=held)

    def _held(self, spec: OperationSpec) -> Handler | None:
        name, function = spec.name, spec.function
        if name in _SINGLE:
            return lambda read, request: self._single(name, function, read, request)
        if name in _BATCHES:
            return lambda read, request: self._batch(name, function, read, request)
        if name in _TRANSACTIONS or name in _STATEMENTS:
            return lambda read, request: self._counted_only(name, function, read, request)
        if name == "UpdateTable":
            return lambda tx, request: _paced_update(function, tx, request)
        if name == "UpdateTimeToLive":
            return lambda tx, request: _paced_time_to_live(function, tx, request)
        return None

    def _single(self, name: str, function: Handler, read: Read, request: Request) -> Answer:
        table = table_or_none(read, request["TableName"])
        if table is not None:
            throttled = self._refusal(
                read, table, writing=name not in READS, index=request.get("IndexName")
            ) or self._hot_key(read, table, name, request)
            if throttled is not None:
                self._count_throttled(read, table, throttled)
                raise throttled.error
        return self._run(name, function, read, request)

    def _run(self, name: str, function: Handler, read: Read, request: Request) -> Answer:
        """The answer; what it took is paid for."""
        wanted = request.get("ReturnConsumedCapacity", "NONE")
        answer: Answer = function(read, {**request, "ReturnConsumedCapacity": "INDEXES"})
        found = answer.get("ConsumedCapacity")
        told = found if isinstance(found, list) else [] if found is None else [found]
        for one in told:
            self._pay(read, one, writing=name not in READS)
        if name in ("GetItem", "PutItem", "UpdateItem", "DeleteItem") and told:
            self._pay_key(read, name, request, told[0]["CapacityUnits"])
        if wanted == "NONE":
            answer.pop("ConsumedCapacity", None)
        elif wanted == "TOTAL":
            for one in told:
                for member in ("Table", "LocalSecondaryIndexes", "GlobalSecondaryIndexes"):
                    one.pop(member, None)
        return answer

    def _batch(self, name: str, function: Handler, read: Read, request: Request) -> Answer:
        """What there is no capacity for comes back unprocessed; an error only when that is everything."""
        allowed: Request = {}
        refused: Request = {}
        last: Throttled | None = None
        for place, given in request["RequestItems"].items():
            table = table_or_none(read, place)
            throttled = (
                None
                if table is None
                else self._refusal(read, table, writing=name not in READS, index=None)
            )
            if throttled is None or table is None:
                allowed[place] = given
            else:
                last = throttled
                self._count_throttled(read, table, throttled)
                refused[place] = given
        if last is not None and not allowed:
            raise last.error
        answer = self._run(name, function, read, {**request, "RequestItems": allowed})
        if refused:
            answer[_BATCHES[name]] = {**answer.get(_BATCHES[name], {}), **refused}
        return answer

    def _counted_only(self, name: str, function: Handler, read: Read, request: Request) -> Answer:
        """Transactions and statements: transactions are held back by their tables' buckets, then both are counted."""
        reasons: list[Answer] = []
        for entry in request.get("TransactItems") or []:
            reasons.append({"Code": "None"})
            for verb, given in (entry or {}).items():
                table = table_or_none(read, given["TableName"]) if given else None
                if table is None:
                    continue
                throttled = self._refusal(read, table, writing=verb != "Get", index=None)
                if throttled is not None:
                    self._count_throttled(read, table, throttled)
                    code = "ProvisionedThroughputExceeded"
                    if table.pay_per_request:
                        code = "ThrottlingError"
                    reasons[-1] = {"Code": code, "Message": throttled.error.message}
        cancel_if_any(reasons)
        return self._run(name, function, read, request)

    def _refusal(
        self, read: Read, table: TableRecord, *, writing: bool, index: str | None
    ) -> Throttled | None:
        """Why a request to a table or index must wait; None when it may go ahead."""
        read_from = None if index is None else _global_index(table, index)
        concerned: list[Index | None] = [read_from]
        if writing:
            concerned = [None, *(one for one in table.indexes if one.global_)]
        for place in concerned:
            bucket = self._bucket(read, table, place, writing=writing)
            if bucket is not None and not bucket.allows(read.now):
                kind = "Write" if writing else "Read"
                what = "Table" if place is None else "Index"
                why = "MaxOnDemand" if table.pay_per_request else "Provisioned"
                arn = table.arn if place is None else f"{table.arn}/index/{place.name}"
                return Throttled(f"{what}{kind}{why}ThroughputExceeded", arn)
        return None

    def _bucket(
        self, read: Read, table: TableRecord, index: Index | None, *, writing: bool
    ) -> Bucket | None:
        """The bucket of a table or index; None where nothing bounds it."""
        throughput = table.throughput if index is None else index.throughput
        burst_s = BURST_S
        if table.pay_per_request:
            most = (index.on_demand if index is not None else {}) or table.on_demand
            rate = float(most.get("MaxWriteRequestUnits" if writing else "MaxReadRequestUnits", -1))
            burst_s = 1.0
        else:
            rate = float(throughput.write if writing else throughput.read)
        if rate <= 0:
            return None
        key = (table.id, "" if index is None else index.id, "write" if writing else "read")
        since = max(table.created_at, throughput.increased_at or 0, throughput.decreased_at or 0)
        return self._find_bucket(key, rate, burst_s, read.now, since)

    def _find_bucket(
        self, key: tuple[str, ...], rate: float, burst_s: float, now: float, since: float
    ) -> Bucket:
        bucket = self._buckets.pop(key, None)
        if bucket is None:
            saved_s = min(burst_s, max(1.0, now - since))
            bucket = Bucket(rate, burst_s, rate * saved_s, now)
            if len(self._buckets) >= BUCKETS_MAX:
                del self._buckets[next(iter(self._buckets))]
        elif bucket.rate != rate:
            bucket.change_rate(rate, now)
        self._buckets[key] = bucket
        return bucket

    def _hot_key(
        self, read: Read, table: TableRecord, name: str, request: Request
    ) -> Throttled | None:
        bucket = self._key_bucket(read, table, name, request)
        if bucket is None or bucket.allows(read.now):
            return None
        kind = "Read" if name in READS else "Write"
        return Throttled(f"Table{kind}KeyRangeThroughputExceeded", table.arn)

    def _key_bucket(
        self, read: Read, table: TableRecord, name: str, request: Request
    ) -> Bucket | None:
        """What one partition key may take: 3000 read and 1000 write units a second."""
        named = request.get("Item") or request.get("Key") or {}
        value = named.get(table.hash.name)
        if not isinstance(value, dict):
            return None
        reading = name in READS
        rate = KEY_READ_RATE if reading else KEY_WRITE_RATE
        key = (table.id, "key", "read" if reading else "write", str(next(iter(value.values()), "")))
        return self._find_bucket(key, rate, 1.0, read.now, read.now)

    def _pay_key(self, read: Read, name: str, request: Request, units: float) -> None:
        table = table_or_none(read, request["TableName"])
        bucket = None if table is None else self._key_bucket(read, table, name, request)
        if bucket is not None:
            bucket.spend(units)

    def _pay(self, read: Read, consumed: Mapping[str, Any], *, writing: bool) -> None:
        """Take what a ConsumedCapacity says from the buckets, and count it."""
        table = table_or_none(read, consumed["TableName"])
        if table is None:
            return
        units = consumed.get("Table", {}).get("CapacityUnits", 0.0)
        units += sum(
            one["CapacityUnits"] for one in consumed.get("LocalSecondaryIndexes", {}).values()
        )
        self._take(read, table, None, units, writing=writing)
        for name, one in consumed.get("GlobalSecondaryIndexes", {}).items():
            index = _global_index(table, name)
            if index is not None:
                self._take(read, table, index, one["CapacityUnits"], writing=writing)

    def _take(
        self, read: Read, table: TableRecord, index: Index | None, units: float, *, writing: bool
    ) -> None:
        if not units:
            return
        bucket = self._bucket(read, table, index, writing=writing)
        if bucket is not None:
            bucket.spend(units)
        self._figures(read, table, index)[1 if writing else 0] += units

    def _count_throttled(self, read: Read, table: TableRecord, throttled: Throttled) -> None:
        name = throttled.arn.rpartition("/index/")[2] if "/index/" in throttled.arn else None
        index = None if name is None else _global_index(table, name)
        self._figures(read, table, index)[3 if "Write" in throttled.reason else 2] += 1

    def _figures(self, read: Read, table: TableRecord, index: Index | None) -> list[float]:
        """Reads, writes, throttled reads and throttled writes of this minute."""
        resource = f"table/{table.name}" + ("" if index is None else f"/index/{index.name}")
        key = (table.account, table.region, resource, int(read.now // MINUTE_S))
        return self._counted.setdefault(key, [0.0, 0.0, 0.0, 0.0])

    async def flush(self, cx: Context) -> None:
        """The worker that brings what was counted into the store, and forgets what is old there."""
        writer, forgotten_at = cx.new_id(), cx.clock.now()
        while True:
            if self._counted:
                counted, self._counted = self._counted, {}
                await cx.transact(_keep, writer, counted)
            if cx.clock.now() - forgotten_at >= KEPT_S / 10:
                forgotten_at = cx.clock.now()
                await cx.transact(_forget)
            await cx.clock.sleep_until(cx.clock.now() + FLUSH_PAUSE_S)


def _global_index(table: TableRecord, name: str) -> Index | None:
    return next((one for one in table.indexes if one.name == name and one.global_), None)


def _keep(tx: Tx, writer: str, counted: dict[tuple[str, str, str, int], list[float]]) -> None:
    for (account, region, resource, minute), figures in counted.items():
        present = tx.get(CONSUMPTION, account, region, resource, minute, writer)
        tx.put(
            CONSUMPTION,
            Consumption(
                account=account,
                region=region,
                resource=resource,
                minute=minute,
                writer=writer,
                read=figures[0] + (present.read if present else 0.0),
                write=figures[1] + (present.write if present else 0.0),
                reads_throttled=int(figures[2]) + (present.reads_throttled if present else 0),
                writes_throttled=int(figures[3]) + (present.writes_throttled if present else 0),
            ),
        )


def _forget(tx: Tx) -> None:
    oldest = int((tx.now - KEPT_S) // MINUTE_S)
    old = [one for one in tx.scan(CONSUMPTION) if one.minute < oldest]
    for one in old:
        tx.delete(CONSUMPTION, one.account, one.region, one.resource, one.minute, one.writer)


def _paced_update(function: Handler, tx: Tx, request: Request) -> Any:
    """UpdateTable, with AWS's quotas for lowering capacity and switching the billing mode.

    https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/ServiceQuotas.html
    """
    table = table_or_none(tx, request["TableName"])
    wanted = request.get("ProvisionedThroughput")
    if table is not None and wanted and not table.pay_per_request:
        now = table.throughput
        lowers = wanted["ReadCapacityUnits"] < now.read or wanted["WriteCapacityUnits"] < now.write
        done = decreases_today(now, tx.now)
        # Four at any time of the day, and one more for each hour without one: 27 in all.
        rested = now.decreased_at is None or tx.now - now.decreased_at >= 3600
        if lowers and (done >= 27 or (done >= 4 and not rested)):
            raise LimitExceededException(
                "Subscriber limit exceeded: Provisioned throughput decreases are limited within a "
                "given UTC day. After the first 4 decreases, each subsequent decrease in the same "
                "UTC day can be performed at most once every 3600 seconds. Number of decreases "
                f"today: {done}."
            )
    mode = request.get("BillingMode")
    if table is not None and mode == "PAY_PER_REQUEST" and not table.pay_per_request:
        recent = [at for at in table.billing_changes if at > tx.now - DAY_S]
        if len(recent) >= BILLING_CHANGES_MAX:
            raise LimitExceededException(
                "Subscriber limit exceeded: Update to PayPerRequest mode are limited to "
                f"{BILLING_CHANGES_MAX} times in 24 hours"
            )
    return function(tx, request)


def _paced_time_to_live(function: Handler, tx: Tx, request: Request) -> Any:
    """UpdateTimeToLive, once an hour.

    https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_UpdateTimeToLive.html
    """
    table = table_or_none(tx, request["TableName"])
    changed_at = None if table is None else table.ttl_changed_at
    if changed_at is not None and tx.now - changed_at < TTL_CHANGE_S:
        raise ValidationException(
            "Time to live has been modified multiple times within a fixed interval"
        )
    return function(tx, request)
