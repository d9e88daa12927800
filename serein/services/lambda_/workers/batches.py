"""A batch of a stream's records until it is dealt with: tried again, split, cut short, or given up and told of."""

from __future__ import annotations

from typing import NamedTuple

import msgspec
import orjson

from serein.base.arn import parse_arn
from serein.base.errors import AwsError
from serein.kernel import targets
from serein.kernel.calls import Principal
from serein.kernel.operations import Context, Tx
from serein.services.lambda_.functions import Functions
from serein.services.lambda_.operations.invocations import run_function
from serein.services.lambda_.records import CHECKPOINTS, MAPPINGS, Checkpoint, Function, Mapping
from serein.services.lambda_.roles import role_session
from serein.services.lambda_.rules.names import FunctionName
from serein.services.lambda_.rules.stream_events import (
    WINDOW_STATE_BYTES_MAX,
    StreamRecord,
    Window,
    first_failure,
    given_up,
    object_key,
    state_in,
    stream_event,
)
from serein.services.lambda_.workers.sources import Source

RETENTION_S = 86_400.0
_RETRY_PAUSE_S = 0.5
_RETRY_PAUSE_S_MAX = 60.0
_EXPONENT_MAX = 8

Records = list[StreamRecord]


class Try(NamedTuple):
    """Records to be tried, and how often they were in vain."""

    records: Records
    failures: int


class Ran(NamedTuple):
    """How a try ended: the first record that failed (None: none did), and what ran."""

    failed_at: int | None
    version: str
    request_id: str


class Batches:
    """Deals with the batches of one lane, one after the other."""

    def __init__(
        self, functions: Functions, mapping: Mapping, source: Source, shard: str, lane: int
    ) -> None:
        self._functions = functions
        self._mapping = mapping
        self._source = source
        self._shard = shard
        self._checkpoint = Checkpoint(
            mapping=mapping.id, shard=shard, lanes=mapping.parallelization, lane=lane
        )
        self.window: Window | None = None
        self._result = ""

    @property
    def checkpoint(self) -> Checkpoint:
        """How far the lane is."""
        return self._checkpoint

    @checkpoint.setter
    def checkpoint(self, checkpoint: Checkpoint) -> None:
        self._checkpoint = checkpoint
        if checkpoint.window_state:
            self.window = Window(
                checkpoint.window_start, checkpoint.window_end, checkpoint.window_state
            )

    async def work_off(self, acting: Context, function: Function, batch: Records) -> None:
        """Return once every record of the batch was handled or given up."""
        mapping = self._mapping
        left = [Try(batch, 0)]
        while left:
            records, failures = left.pop()
            records = await self._without_expired(acting, function, records, failures)
            if not records:
                continue
            ran = await self._run(acting, function, records)
            if ran is None:
                await self._pause(acting, failures + 1)
                left.append(Try(records, failures))
                continue
            if ran.failed_at is None:
                await self._advance(acting, records[-1], "OK")
                continue
            if ran.failed_at > 0:
                await self._advance(acting, records[ran.failed_at - 1], "OK")
                records, failures = records[ran.failed_at :], 0
            elif mapping.bisects and len(records) > 1:
                # https://docs.aws.amazon.com/lambda/latest/dg/kinesis-on-failure-destination.html: no try is used up
                middle = len(records) // 2
                left += [Try(records[middle:], failures), Try(records[:middle], failures)]
                continue
            failures += 1
            if 0 <= mapping.retries_max < failures:
                await self._give_up(
                    acting, function, records, "RetryAttemptsExhausted", failures, ran
                )
                continue
            await self._pause(acting, failures)
            left.append(Try(records, failures))

    async def close_window(self, acting: Context, function: Function) -> None:
        """The last call of a tumbling window, without records."""
        window = self.window
        assert window is not None
        failures = 0
        while True:
            payload = self._event([], window, is_final=True)
            answer = await self._invoke(acting, function, payload)
            if answer is not None and answer.failed_at is None:
                break
            failures += 1
            if 0 <= self._mapping.retries_max < failures:
                break
            await self._pause(acting, failures)
        self.window = None
        await self._store(acting, self._checkpoint.done, "OK")

    async def _without_expired(
        self, acting: Context, function: Function, records: Records, failures: int
    ) -> Records:
        age_s_max = self._mapping.age_s_max if self._mapping.age_s_max >= 0 else RETENTION_S
        oldest = acting.clock.now() - age_s_max
        fresh = next((i for i, r in enumerate(records) if r.arrived_at >= oldest), len(records))
        if fresh:
            await self._give_up(
                acting, function, records[:fresh], "RecordAgeExceeded", failures, None
            )
        return records[fresh:]

    async def _run(self, acting: Context, function: Function, records: Records) -> Ran | None:
        """One try; None when the function could not be run at all (throttled, or not there)."""
        return await self._invoke(acting, function, self._event(records, self.window), records)

    def _event(self, records: Records, window: Window | None, *, is_final: bool = False) -> bytes:
        too_large = window is not None and len(window.state) > WINDOW_STATE_BYTES_MAX
        return stream_event(
            records,
            window,
            shard=self._shard,
            stream_arn=self._mapping.source_arn,
            is_final=is_final or too_large,
            is_early=too_large,
        )

    async def _invoke(
        self, acting: Context, function: Function, payload: bytes, records: Records | None = None
    ) -> Ran | None:
        request_id = acting.new_id()
        name = self._name()
        with self._functions.under_way():
            try:
                version, outcome = await run_function(
                    acting, self._functions, name, payload, request_id
                )
            except AwsError:
                return None
        failed_at: int | None = None
        if outcome.error is not None:
            failed_at = 0
        elif records and "ReportBatchItemFailures" in self._mapping.response_types:
            failed_at = first_failure(outcome.payload, records)
        if outcome.error is None and self.window is not None:
            state = state_in(outcome.payload, self.window.state)
            self.window = msgspec.structs.replace(self.window, state=state)
        return Ran(failed_at, version, request_id)

    async def _pause(self, acting: Context, failures: int) -> None:
        pause_s = _RETRY_PAUSE_S * 2.0 ** min(failures - 1, _EXPONENT_MAX)
        pause_s = min(pause_s, _RETRY_PAUSE_S_MAX)
        await acting.clock.sleep_until(acting.clock.now() + pause_s, patience_s=pause_s)

    # The checkpoint.

    async def _advance(self, acting: Context, last: StreamRecord, result: str) -> None:
        await self._store(acting, last.sequence, result)

    async def _store(self, acting: Context, done: str, result: str) -> None:
        window = self.window
        changed = msgspec.structs.replace(
            self._checkpoint,
            done=done,
            window_start=window.start if window else 0.0,
            window_end=window.end if window else 0.0,
            window_state=window.state if window else "",
        )
        await acting.transact(_keep, self._mapping, changed, self._told(result))
        self._checkpoint = changed

    def _told(self, result: str) -> str:
        """The result to be kept in the mapping, "" when it is there already."""
        if result == self._result:
            return ""
        self._result = result
        return result

    async def _give_up(
        self,
        acting: Context,
        function: Function,
        records: Records,
        condition: str,
        attempts: int,
        ran: Ran | None,
    ) -> None:
        """Tell the destination, and go on behind these records, in one transaction."""
        mapping = self._mapping
        changed = msgspec.structs.replace(self._checkpoint, done=records[-1].sequence)
        role: Principal | None = None
        if mapping.on_failure:
            role = await role_session(acting, function.role, function.name)
        told = given_up(
            records,
            condition=condition,
            attempts=attempts,
            request_id=ran.request_id if ran else acting.new_id(),
            function_arn=self._name().qualified_arn,
            stream_arn=mapping.source_arn,
            shard=self._shard,
            now=acting.clock.now(),
            version=ran.version if ran else None,
            is_kinesis=self._source.is_kinesis,
        )
        payload = self._event(records, self.window)
        result = self._told("PROBLEM: Function call failed")
        await acting.transact(_tell, mapping, changed, result, role, told, payload)
        self._checkpoint = changed

    def _name(self) -> FunctionName:
        m = self._mapping
        return FunctionName(m.account, m.region, m.function, m.qualifier)


def _keep(tx: Tx, mapping: Mapping, checkpoint: Checkpoint, result: str) -> None:
    known = tx.get(MAPPINGS, mapping.account, mapping.region, mapping.id)
    if known is None:
        return  # deleted meanwhile
    tx.put(CHECKPOINTS, checkpoint)
    if result:
        tx.put(MAPPINGS, msgspec.structs.replace(known, result=result))


def _tell(
    tx: Tx,
    mapping: Mapping,
    checkpoint: Checkpoint,
    result: str,
    role: Principal | None,
    told: dict[str, object],
    payload: bytes,
) -> None:
    _keep(tx, mapping, checkpoint, result)
    if role is None:
        return
    target = parse_arn(mapping.on_failure)
    if target.service == "s3":
        body = orjson.dumps({**told, "payload": payload.decode()})
        key = object_key(mapping.id, checkpoint.shard, tx.now, tx.new_id())
        params = {"Bucket": target.resource, "Key": key, "Body": body}
        tx.send(tx.make_call("s3", "PutObject", params, by=role, account=mapping.account))
        return
    text = orjson.dumps(told).decode()
    call = targets.deliver(tx, mapping.on_failure, text, by=role, source_arn=mapping.arn)
    if call is not None:
        tx.send(call)
