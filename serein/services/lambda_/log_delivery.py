"""From what functions wrote to the logs service, as their roles.

https://docs.aws.amazon.com/lambda/latest/dg/monitoring-cloudwatchlogs.html
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Awaitable, Callable

import msgspec

from serein.base.errors import AwsError
from serein.kernel.calls import Principal
from serein.kernel.operations import Context
from serein.runtimes.spec import FunctionSpec, LogLine

LINES_MAX = 100_000

Session = Callable[[Context, str, str], Awaitable[Principal]]


class LogBatch(msgspec.Struct):
    """Lines of one environment, on their way to the logs service."""

    spec: FunctionSpec
    stream: str
    lines: list[LogLine]


class LogDelivery:
    """Keeps lines until they are delivered. `session` gives a function's role; `roles` holds it by the version's key."""

    def __init__(self, session: Session) -> None:
        self.bell = asyncio.Event()
        self.roles: dict[str, str] = {}
        self._session = session
        self._batches: deque[LogBatch] = deque()
        self._lines_waiting = 0
        self._under_way = 0

    @property
    def busy(self) -> int:
        """More than 0 while something is to be delivered."""
        return self._under_way + (1 if self._batches else 0)

    def take(self, spec: FunctionSpec, stream: str, lines: list[LogLine]) -> None:
        """From the pool: the oldest lines give way when there are too many."""
        self._batches.append(LogBatch(spec, stream, lines))
        self._lines_waiting += len(lines)
        while self._lines_waiting > LINES_MAX and len(self._batches) > 1:
            self._lines_waiting -= len(self._batches.popleft().lines)
        self.bell.set()

    async def deliver(self, cx: Context) -> None:
        """Hand over what there is."""
        self.bell.clear()
        while self._batches:
            batches: dict[tuple[str, str], LogBatch] = {}
            self._under_way += 1
            try:
                while self._batches:
                    batch = self._batches.popleft()
                    together = batches.setdefault((batch.spec.key, batch.stream), batch)
                    if together is not batch:
                        together.lines += batch.lines
                self._lines_waiting = 0
                for batch in batches.values():
                    with contextlib.suppress(AwsError):
                        # A role that may not write logs has none, as on AWS.
                        await self._put_events(cx, batch)
            finally:
                self._under_way -= 1

    async def _put_events(self, cx: Context, batch: LogBatch) -> None:
        spec = batch.spec
        role = self.roles.get(spec.key)
        if role is None:
            return
        principal = await self._session(cx, role, spec.name)
        acting = cx.acting(principal, account=spec.account, region=spec.region)
        place = {"logGroupName": spec.log_group, "logStreamName": batch.stream}
        events = sorted(
            ({"timestamp": int(line.at * 1000), "message": line.message} for line in batch.lines),
            key=lambda event: event["timestamp"],  # type: ignore[arg-type,return-value]
        )
        for some in _in_batches(events):
            put = acting.make_call("logs", "PutLogEvents", {**place, "logEvents": some})
            try:
                await acting.call(put)
            except AwsError as error:
                if error.code != "ResourceNotFoundException":
                    raise
                await _make_stream(acting, place)
                await acting.call(put)


async def _make_stream(acting: Context, place: dict[str, str]) -> None:
    group = {"logGroupName": place["logGroupName"]}
    for operation, params in (("CreateLogStream", place), ("CreateLogGroup", group)):
        try:
            await acting.call(acting.make_call("logs", operation, dict(params)))
            if operation == "CreateLogStream":
                return
        except AwsError as error:
            if error.code == "ResourceAlreadyExistsException":
                continue
            if error.code != "ResourceNotFoundException":
                raise
    await acting.call(acting.make_call("logs", "CreateLogStream", dict(place)))


def _in_batches(events: list[dict[str, object]]) -> list[list[dict[str, object]]]:
    """Within PutLogEvents' bounds: 10,000 events, a megabyte with 26 bytes for each."""
    batches: list[list[dict[str, object]]] = []
    size = 0
    for event in events:
        event_bytes = len(str(event["message"]).encode()) + 26
        if not batches or len(batches[-1]) >= 10_000 or size + event_bytes > 1_000_000:
            batches.append([])
            size = 0
        batches[-1].append(event)
        size += event_bytes
    return batches
