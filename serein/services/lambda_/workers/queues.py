"""The poller of a queue's mapping: receive, run the function, delete what it has done.

It acts as the function's role, so that its policies decide. Messages that fail become visible again by themselves and go
to the queue's dead-letter queue when it says so. The queue itself keeps the messages of a FIFO group in order: it gives none
of them out while others of the group are under way.
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
from serein.services.lambda_.records import Function, Mapping
from serein.services.lambda_.rules.filters import matches_any, sqs_view
from serein.services.lambda_.rules.names import FunctionName
from serein.services.lambda_.rules.sqs_events import failed_messages, record_of, sqs_event
from serein.services.lambda_.tracing import links_of

CONCURRENCY_FIRST = 5
CONCURRENCY_MAX = 1000
CONCURRENCY_STEP = 5  # more each second while there is a backlog: 300 a minute
LONG_POLL_S = 20
RECEIVE_MAX = 10
_TROUBLE_PAUSE_S = 5.0
_THROTTLE_PAUSE_S = 1.0
_THROTTLE_PAUSE_S_MAX = 10.0
_VISIBILITY_DEFAULT_S = 30.0

Message = dict[str, Any]


class QueuePoller:
    """One mapping at work."""

    def __init__(self, cx: Context, functions: Functions, mapping: Mapping) -> None:
        self._cx = cx
        self._functions = functions
        self._mapping = mapping
        self._filters: list[dict[str, Any]] = [orjson.loads(text) for text in mapping.filters]
        self._limit = mapping.concurrency_max or CONCURRENCY_FIRST
        self._grown_at = cx.clock.now()
        self._freed: asyncio.Future[None] | None = None
        self._batches: set[asyncio.Task[None]] = set()
        queue = parse_arn(mapping.source_arn)
        self._queue = queue
        self._url = f"https://sqs.{queue.region}.amazonaws.com/{queue.account}/{queue.resource}"

    async def run(self) -> None:
        """Poll until cancelled; batches under way are then cancelled too, and their messages come back."""
        try:
            while True:
                await self._find_room()
                try:
                    function, messages = await self._gather()
                except AwsError:
                    await self._pause(_TROUBLE_PAUSE_S)
                    continue
                if not messages:
                    self._limit = self._mapping.concurrency_max or CONCURRENCY_FIRST
                    continue
                task = asyncio.ensure_future(self._process(function, messages))
                self._batches.add(task)
                task.add_done_callback(self._processed)
        finally:
            for task in self._batches:
                task.cancel()

    async def _find_room(self) -> None:
        """Wait until one more batch may run; with a backlog, more may from second to second.

        https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-scaling.html
        """
        while len(self._batches) >= self._limit:
            now = self._cx.clock.now()
            if self._mapping.concurrency_max is None and now - self._grown_at >= 1.0:
                self._grown_at = now
                self._limit = min(self._limit + CONCURRENCY_STEP, CONCURRENCY_MAX)
                continue
            self._freed = asyncio.get_running_loop().create_future()
            alarm = asyncio.ensure_future(self._cx.clock.sleep_until(now + 1.0, patience_s=1.0))
            await asyncio.wait((self._freed, alarm), return_when=asyncio.FIRST_COMPLETED)
            alarm.cancel()

    def _processed(self, task: asyncio.Task[None]) -> None:
        self._batches.discard(task)
        if self._freed is not None and not self._freed.done():
            self._freed.set_result(None)

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
        """Run a batch; one that cannot be run now is tried again for as long as its messages are out of sight."""
        began_at = self._cx.clock.now()
        pause_s = _THROTTLE_PAUSE_S
        visible_s: float | None = None
        while True:
            with self._functions.under_way():
                if await self._handle(function, messages):
                    return
            if visible_s is None:
                visible_s = await self._visibility_s(function)
            left_s = began_at + visible_s - function.timeout_s - self._cx.clock.now()
            if left_s <= pause_s:
                return  # they come back by themselves
            await self._pause(pause_s)
            pause_s = min(pause_s * 2, _THROTTLE_PAUSE_S_MAX)

    async def _visibility_s(self, function: Function) -> float:
        params = {"QueueUrl": self._url, "AttributeNames": ["VisibilityTimeout"]}
        try:
            acting = await self._as_role(function)
            answer = await acting.call(acting.make_call("sqs", "GetQueueAttributes", params))
        except AwsError:
            return _VISIBILITY_DEFAULT_S
        return float(answer.get("Attributes", {}).get("VisibilityTimeout", _VISIBILITY_DEFAULT_S))

    async def _handle(self, function: Function, messages: list[Message]) -> bool:
        """Run the function on a batch, and delete what is done; False when it could not be run."""
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
        traces = [message.get("Attributes", {}).get("AWSTraceHeader", "") for message in messages]
        _, outcome = await run_function(
            acting,
            self._functions,
            self._name(),
            payload,
            acting.new_id(),
            trace=traces[0],
            links=links_of(traces) if any(traces) else (),
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
