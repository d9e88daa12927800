"""The pollers of streams: a lane reads a shard (or its share of one) in order, batch after batch.

What a lane has dealt with is a checkpoint, written with what is told of records that were given up: a crash repeats at most
the batch that was under way.
https://docs.aws.amazon.com/lambda/latest/dg/invocation-eventsourcemapping.html
"""

from __future__ import annotations

import asyncio
import logging
import math
from typing import Any

import orjson

from serein.base.errors import AwsError
from serein.kernel.operations import Context
from serein.services.lambda_.access import find_function
from serein.services.lambda_.functions import Functions
from serein.services.lambda_.records import CHECKPOINTS, Checkpoint, Function, Mapping
from serein.services.lambda_.rules.filters import matches_any
from serein.services.lambda_.rules.names import FunctionName
from serein.services.lambda_.rules.stream_events import StreamRecord, Window, filter_view, window_of
from serein.services.lambda_.workers.batches import Batches
from serein.services.lambda_.workers.sources import Shard, Source, is_stale, is_trimmed

log = logging.getLogger(__name__)

_TROUBLE_PAUSE_S = 5.0
_LOOK_FOR_SHARDS_S = 60.0
_IDLE_S = 300.0
_BUFFER_BYTES_MAX = 5 * 1024 * 1024


class StreamPoller:
    """One mapping of a stream at work: its lanes, for as many shards as there are."""

    def __init__(self, cx: Context, functions: Functions, mapping: Mapping) -> None:
        self._cx = cx
        self._functions = functions
        self._mapping = mapping
        self._lanes: dict[tuple[str, int], asyncio.Task[None]] = {}

    async def run(self) -> None:
        """Read until cancelled."""
        try:
            while True:
                try:
                    await self._start_lanes()
                    pause_s = _LOOK_FOR_SHARDS_S
                except AwsError:
                    pause_s = _TROUBLE_PAUSE_S
                await self._rest(pause_s)
        finally:
            for task in self._lanes.values():
                task.cancel()

    async def _rest(self, pause_s: float) -> None:
        """Until it is time to look again, or a lane has come to the end of its shard: others may follow it."""
        clock = self._cx.clock
        sleep = clock.sleep_until(clock.now() + pause_s, patience_s=pause_s)
        alarm = asyncio.ensure_future(sleep)
        working = {task for task in self._lanes.values() if not task.done()}
        try:
            await asyncio.wait({alarm, *working}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            alarm.cancel()
        if any(task.done() and not task.cancelled() and task.exception() for task in working):
            # One that failed is not started again at once.
            await clock.sleep_until(clock.now() + _TROUBLE_PAUSE_S, patience_s=_TROUBLE_PAUSE_S)

    async def _start_lanes(self) -> None:
        mapping = self._mapping
        for place, task in list(self._lanes.items()):
            if task.done() and not task.cancelled() and (error := task.exception()) is not None:
                log.error(
                    "a lane of mapping %s failed; it starts again", mapping.id, exc_info=error
                )
                del self._lanes[place]
        function = find_function(self._cx.read(), name_of_mapping(mapping))
        source = Source(mapping.source_arn, function.role)
        role = await self._functions.session(self._cx, function.role, function.name)
        acting = self._cx.acting(role, account=source.account, region=source.region)
        shards = await source.shards(acting)
        known = {shard.id for shard in shards}
        for shard in shards:
            if not all(self._is_done(parent) for parent in shard.parents if parent in known):
                continue
            for number in range(mapping.parallelization):
                if (shard.id, number) not in self._lanes:
                    lane = Lane(self._cx, self._functions, mapping, source, shard, number)
                    self._lanes[shard.id, number] = asyncio.ensure_future(lane.run())

    def _is_done(self, shard: str) -> bool:
        lanes = [task for (id, _), task in self._lanes.items() if id == shard]
        return bool(lanes) and all(task.done() for task in lanes)


class Lane:
    """Reads a shard's records in order; of several lanes each takes the records of some keys."""

    def __init__(
        self,
        cx: Context,
        functions: Functions,
        mapping: Mapping,
        source: Source,
        shard: Shard,
        number: int,
    ) -> None:
        self._cx = cx
        self._functions = functions
        self._mapping = mapping
        self._source = source
        self._shard = shard.id
        self._number = number
        self._filters: list[dict[str, Any]] = [orjson.loads(text) for text in mapping.filters]
        self._buffer: list[StreamRecord] = []
        self._bytes = 0
        self._since: float | None = None  # when the buffer began to fill
        self._iterator: str | None = None
        self._read_to = ""
        self._is_open = True  # more records may come
        self._batches = Batches(functions, mapping, source, shard.id, number)

    async def run(self) -> None:
        """Until the shard has ended and all of it is dealt with."""
        self._batches.checkpoint = self._checkpoint()
        self._read_to = self._batches.checkpoint.done
        while self._is_open or self._buffer or self._batches.window is not None:
            waiter = self._cx.listen(self._mapping.source_arn)
            try:
                function = find_function(self._cx.read(), name_of_mapping(self._mapping))
                acting = await self._as_role(function)
                if self._is_open and self._has_room():
                    await self._fill(acting)
                due_at = self._due_at()
                if due_at <= self._cx.clock.now():
                    await self._hand_on(acting, function)
                    self._cx.door.doorbell.forget(waiter, self._mapping.source_arn)
                    continue
            except AwsError:
                self._cx.door.doorbell.forget(waiter, self._mapping.source_arn)
                self._iterator = None
                clock = self._cx.clock
                await clock.sleep_until(clock.now() + _TROUBLE_PAUSE_S, patience_s=_TROUBLE_PAUSE_S)
                continue
            await self._cx.wait_for_ring(self._mapping.source_arn, until=due_at, waiter=waiter)

    def _checkpoint(self) -> Checkpoint:
        """Where this lane goes on; where the number of lanes has changed, where the last one of them was."""
        mapping = self._mapping
        read = self._cx.read()
        own = read.get(CHECKPOINTS, mapping.id, self._shard, mapping.parallelization, self._number)
        if own is not None:
            return own
        others = list(read.scan(CHECKPOINTS, (mapping.id, self._shard)))
        done = min((other.done for other in others), key=lambda d: (len(d), d), default="")
        return Checkpoint(
            mapping=mapping.id,
            shard=self._shard,
            lanes=mapping.parallelization,
            lane=self._number,
            done=done,
        )

    async def _as_role(self, function: Function) -> Context:
        role = await self._functions.session(self._cx, function.role, function.name)
        return self._cx.acting(role, account=self._source.account, region=self._source.region)

    def _has_room(self) -> bool:
        return len(self._buffer) < self._mapping.batch_size and self._bytes < _BUFFER_BYTES_MAX

    async def _fill(self, acting: Context) -> None:
        """Read what is there, up to a batch. Raises AwsError."""
        while self._is_open and self._has_room():
            iterator = self._iterator or await self._begin(acting)
            wanted = self._mapping.batch_size if self._mapping.parallelization == 1 else 1000
            try:
                records, self._iterator = await self._source.read(
                    acting, self._shard, iterator, wanted
                )
            except AwsError as error:
                if not is_stale(error):
                    raise
                self._iterator = None
                continue
            self._is_open = self._iterator is not None
            for record in records:
                self._read_to = record.sequence
                self._take(record)
            if not records:
                return

    def _take(self, record: StreamRecord) -> None:
        if record.lane(self._mapping.parallelization) != self._number:
            return
        if self._filters and not matches_any(self._filters, filter_view(record.event)):
            return
        if not self._buffer:
            self._since = self._cx.clock.now()
        self._buffer.append(record)
        self._bytes += record.size

    async def _begin(self, acting: Context) -> str:
        """An iterator for the place that this lane has come to. Raises AwsError."""
        mapping = self._mapping
        source = self._source
        if self._read_to:
            try:
                return await source.iterator(
                    acting, self._shard, "AFTER_SEQUENCE_NUMBER", self._read_to
                )
            except AwsError as error:
                if not is_trimmed(error):
                    raise
            return await source.iterator(acting, self._shard, "TRIM_HORIZON", None)
        if mapping.starting_position == "TRIM_HORIZON":
            return await source.iterator(acting, self._shard, "TRIM_HORIZON", None)
        # The latest when the mapping was made, not when this process came to it.
        at = mapping.starting_at if mapping.starting_at is not None else mapping.created_at
        since = math.floor(at * 1000) / 1000
        return await source.iterator(acting, self._shard, "AT_TIMESTAMP", since)

    def _due_at(self) -> float:
        """When there is something to do without another record."""
        window = self._batches.window
        due_at = self._cx.clock.now() + _IDLE_S
        if window is not None:
            due_at = min(due_at, window.end)
        if self._buffer:
            assert self._since is not None
            full = not self._has_room() or not self._is_open or self._crosses(window)
            due_at = 0.0 if full else min(due_at, self._since + self._mapping.window_s)
        elif window is not None and not self._is_open:
            due_at = 0.0
        return due_at

    def _crosses(self, window: Window | None) -> bool:
        """Whether a record of a later window than the open one has come."""
        return window is not None and self._buffer[-1].arrived_at >= window.end

    async def _hand_on(self, acting: Context, function: Function) -> None:
        """Deal with a batch, or with a window that is over."""
        mapping = self._mapping
        batches = self._batches
        count = min(len(self._buffer), mapping.batch_size)
        if mapping.tumbling_s:
            window = batches.window
            now = self._cx.clock.now()
            later = not self._buffer or (
                window is not None and self._buffer[0].arrived_at >= window.end
            )
            if window is not None and later:
                if self._buffer or now >= window.end or not self._is_open:
                    with self._functions.under_way():
                        await batches.close_window(acting, function)
                return
            if window is None:
                start, end = window_of(self._buffer[0].arrived_at, mapping.tumbling_s)
                window = batches.window = Window(start, end)
            end = window.end
            inside = [r for r in self._buffer[:count] if r.arrived_at < end]
            count = max(1, len(inside))
        batch, self._buffer = self._buffer[:count], self._buffer[count:]
        self._bytes -= sum(record.size for record in batch)
        self._since = self._cx.clock.now() if self._buffer else None
        await batches.work_off(acting, function, batch)


def name_of_mapping(mapping: Mapping) -> FunctionName:
    """The function that a mapping feeds."""
    return FunctionName(mapping.account, mapping.region, mapping.function, mapping.qualifier)
