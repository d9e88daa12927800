"""The pollers of event source mappings: receive from a queue, run the function, delete what it has done.

They act as the function's role, so that its policies decide. Messages that fail become visible again by themselves and go
to the queue's dead-letter queue when it says so.
https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-scaling.html
"""

from __future__ import annotations

import asyncio
from typing import Any

import orjson

from serein.base.arn import parse_arn
from serein.base.errors import AwsError
from serein.kernel.operations import Context
from serein.services.lambda_.access import find_function
from serein.services.lambda_.functions import Functions
from serein.services.lambda_.operations.invocations import PAYLOAD_BYTES_MAX, run_function
from serein.services.lambda_.records import MAPPINGS, MAPPINGS_DOORBELL, Function, Mapping
from serein.services.lambda_.rules.filters import matches_any, sqs_view
from serein.services.lambda_.rules.names import FunctionName
from serein.services.lambda_.rules.sqs_events import failed_messages, record_of, sqs_event

CONCURRENCY_DEFAULT = 5
LONG_POLL_S = 20
RECEIVE_MAX = 10
_TROUBLE_PAUSE_S = 5.0
_THROTTLE_PAUSE_S = 1.0
_LOOK_AGAIN_S = 300.0

Message = dict[str, Any]


class MappingsWorker:
    """Keeps one poller for each enabled mapping."""

    def __init__(self, functions: Functions) -> None:
        self._functions = functions
        self._pollers: dict[tuple[str, str, str], tuple[Mapping, asyncio.Task[None]]] = {}

    async def run(self, cx: Context) -> None:
        """Start and stop pollers as mappings come, change and go."""
        try:
            while True:
                waiter = cx.listen(MAPPINGS_DOORBELL)
                self._adjust(cx)
                until = cx.clock.now() + _LOOK_AGAIN_S
                await cx.wait_for_ring(MAPPINGS_DOORBELL, until=until, waiter=waiter)
        finally:
            for _, task in self._pollers.values():
                task.cancel()

    def _adjust(self, cx: Context) -> None:
        wanted = {(m.account, m.region, m.id): m for m in cx.read().scan(MAPPINGS) if m.enabled}
        for key, (mapping, task) in list(self._pollers.items()):
            if wanted.get(key) != mapping or task.done():
                task.cancel()
                del self._pollers[key]
        for key, mapping in wanted.items():
            if key not in self._pollers:
                poller = Poller(cx, self._functions, mapping)
                self._pollers[key] = (mapping, asyncio.ensure_future(poller.run()))


class Poller:
    """One mapping at work."""

    def __init__(self, cx: Context, functions: Functions, mapping: Mapping) -> None:
        self._cx = cx
        self._functions = functions
        self._mapping = mapping
        self._filters: list[dict[str, Any]] = [orjson.loads(text) for text in mapping.filters]
        self._room = asyncio.Semaphore(mapping.concurrency_max or CONCURRENCY_DEFAULT)
        self._batches: set[asyncio.Task[None]] = set()
        queue = parse_arn(mapping.source_arn)
        self._queue = queue
        self._url = f"https://sqs.{queue.region}.amazonaws.com/{queue.account}/{queue.resource}"

    async def run(self) -> None:
        """Poll until cancelled; batches under way are then cancelled too, and their messages come back."""
        try:
            while True:
                await self._room.acquire()
                try:
                    function, messages = await self._gather()
                except AwsError:
                    self._room.release()
                    await self._pause(_TROUBLE_PAUSE_S)
                    continue
                except BaseException:
                    self._room.release()
                    raise
                if not messages:
                    self._room.release()
                    continue
                task = asyncio.ensure_future(self._process(function, messages))
                self._batches.add(task)
                task.add_done_callback(self._processed)
        finally:
            for task in self._batches:
                task.cancel()

    def _processed(self, task: asyncio.Task[None]) -> None:
        self._batches.discard(task)
        self._room.release()

    async def _pause(self, seconds: float) -> None:
        clock = self._cx.clock
        await clock.sleep_until(clock.now() + seconds, patience_s=seconds)

    async def _gather(self) -> tuple[Function, list[Message]]:
        """A batch: what is there at once, or what comes within the batching window. Raises AwsError."""
        mapping = self._mapping
        function = find_function(self._cx.read(), self._name())
        acting = await self._as_role(function)
        messages: list[Message] = []
        until: float | None = None
        size = 0
        while len(messages) < mapping.batch_size:
            wait_s = float(LONG_POLL_S)
            if until is not None:
                wait_s = max(0.0, until - self._cx.clock.now())
            asked = min(RECEIVE_MAX, mapping.batch_size - len(messages))
            got = await self._receive(acting, asked, int(min(LONG_POLL_S, wait_s)))
            messages += got
            size += sum(len(message["Body"]) + 1024 for message in got)
            if until is None:
                if not got:
                    return function, messages
                until = self._cx.clock.now() + mapping.window_s
            if size > PAYLOAD_BYTES_MAX - RECEIVE_MAX * 262_144:
                break
            if self._cx.clock.now() >= until and len(got) < asked:
                break
            if not got and wait_s < 1.0:
                # Less than the shortest poll is left of the window.
                await self._cx.clock.sleep_until(until)
        return function, messages

    async def _receive(self, acting: Context, count: int, wait_s: int) -> list[Message]:
        params = {
            "QueueUrl": self._url,
            "MaxNumberOfMessages": count,
            "WaitTimeSeconds": wait_s,
            "AttributeNames": ["All"],
            "MessageAttributeNames": ["All"],
        }
        answer = await acting.call(acting.make_call("sqs", "ReceiveMessage", params))
        received: list[Message] = answer.get("Messages") or []
        return received

    async def _process(self, function: Function, messages: list[Message]) -> None:
        with self._functions.under_way():
            was_run = await self._handle(function, messages)
        if not was_run:
            # Throttled, or deleted: the messages come back with their visibility timeout.
            await self._pause(_THROTTLE_PAUSE_S)

    async def _handle(self, function: Function, messages: list[Message]) -> bool:
        mapping = self._mapping
        wanted, done = self._filtered(messages)
        try:
            acting = await self._as_role(function)
            if wanted:
                payload = sqs_event(wanted, mapping.source_arn, self._queue.region)
                done += await self._run(acting, wanted, payload)
        except AwsError:
            return False
        await self._delete(acting, done)
        return True

    def _filtered(self, messages: list[Message]) -> tuple[list[Message], list[Message]]:
        """Messages for the function, and those that no filter lets through (they count as done)."""
        if not self._filters:
            return messages, []
        wanted: list[Message] = []
        unwanted: list[Message] = []
        for message in messages:
            record = record_of(message, self._mapping.source_arn, self._queue.region)
            passes = matches_any(self._filters, sqs_view(record))
            (wanted if passes else unwanted).append(message)
        return wanted, unwanted

    async def _run(self, acting: Context, messages: list[Message], payload: bytes) -> list[Message]:
        """Run the function on a batch; the messages that it is done with. Raises AwsError."""
        _, outcome = await run_function(
            acting, self._functions, self._name(), payload, acting.new_id()
        )
        if outcome.error is not None:
            return []
        if "ReportBatchItemFailures" not in self._mapping.response_types:
            return messages
        failed = failed_messages(outcome.payload, (m["MessageId"] for m in messages))
        return [message for message in messages if message["MessageId"] not in failed]

    async def _delete(self, acting: Context, messages: list[Message]) -> None:
        for start in range(0, len(messages), RECEIVE_MAX):
            entries = [
                {"Id": str(index), "ReceiptHandle": message["ReceiptHandle"]}
                for index, message in enumerate(messages[start : start + RECEIVE_MAX])
            ]
            params = {"QueueUrl": self._url, "Entries": entries}
            try:
                await acting.call(acting.make_call("sqs", "DeleteMessageBatch", params))
            except AwsError:
                return  # they come back and are run again: at least once

    def _name(self) -> FunctionName:
        m = self._mapping
        return FunctionName(m.account, m.region, m.function, m.qualifier)

    async def _as_role(self, function: Function) -> Context:
        role = await self._functions.session(self._cx, function.role, function.name)
        return self._cx.acting(role, account=self._queue.account, region=self._queue.region)
