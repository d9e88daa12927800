"""The worker behind `InvocationType=Event`: runs accepted events, tries again, tells destinations.

An event stays stored until its outcome is, so a crash runs it again: at least once.
https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-error-handling.html
"""

from __future__ import annotations

import asyncio
import logging
from functools import partial
from time import perf_counter
from typing import Literal, NamedTuple, TypeAlias

import msgspec

from serein.base.arn import parse_arn
from serein.base.errors import AwsError
from serein.kernel import targets
from serein.kernel.calls import Principal
from serein.kernel.operations import Context, Tx
from serein.runtimes.spec import Outcome
from serein.services.lambda_ import tracing
from serein.services.lambda_.access import find_function, settings_of
from serein.services.lambda_.functions import Functions
from serein.services.lambda_.model import RecursiveInvocationException
from serein.services.lambda_.operations.invocations import run_function
from serein.services.lambda_.records import (
    ASYNC_DOORBELL,
    ASYNC_EVENTS,
    ASYNC_QUEUE,
    EVENT_CONFIGS,
    AsyncEvent,
    EventInvokeConfig,
    Function,
)
from serein.services.lambda_.rules.envelopes import (
    bus_entry,
    dead_letter_attributes,
    destination_record,
    object_key,
)
from serein.services.lambda_.rules.names import FunctionName
from serein.services.lambda_.workers.event_queues import EventQueues

log = logging.getLogger(__name__)

Landing: TypeAlias = Literal["done", "later", "throttled"]
"""What became of an event: it is over, or back in its queue after a try, or because it could not be run."""

RETRIES_DEFAULT = 2
AGE_S_DEFAULT = 21_600
RETRY_DELAYS_S = (60.0, 120.0)
THROTTLE_DELAY_S_MAX = 300.0
_IDLE_S = 300.0
_LOOK_S_FREE = 0.002
_LOOK_PAUSES = (
    4  # times as long as a look took, when so many functions have events that it takes long
)
_MOVED_AT_ONCE = 100


class AsyncWorker:
    """Runs accepted events, several at a time: functions in turn, each one's events in the order in which they are due."""

    def __init__(self, functions: Functions) -> None:
        self._functions = functions
        self._queues = EventQueues(functions.settings.processes_max)
        self._tasks: set[asyncio.Task[Landing]] = set()

    @property
    def busy(self) -> int:
        """Events that are being run."""
        return len(self._tasks)

    async def run(self, cx: Context) -> None:
        """Run events for ever."""
        self._queues = EventQueues(self._functions.settings.processes_max)
        await _move_over(cx)
        try:
            while True:
                waiter = cx.listen(ASYNC_DOORBELL)
                began = perf_counter()
                self._queues.look(cx.read())
                self._start_due(cx)
                took_s = perf_counter() - began
                if took_s > _LOOK_S_FREE:
                    await asyncio.sleep(_LOOK_PAUSES * took_s)
                now = cx.clock.now()
                until = min(now + _IDLE_S, self._queues.next_at(now))
                await cx.wait_for_ring(ASYNC_DOORBELL, until=until, waiter=waiter)
        finally:
            for task in self._tasks:
                task.cancel()

    def _start_due(self, cx: Context) -> None:
        """Start what is due and has room."""
        read, now = cx.read(), cx.clock.now()
        while (event := self._queues.next(read, now)) is not None:
            task = asyncio.ensure_future(self._run_event(cx, event))
            self._tasks.add(task)
            task.add_done_callback(partial(self._landed, cx, event))

    def _landed(self, cx: Context, event: AsyncEvent, task: asyncio.Task[Landing]) -> None:
        self._tasks.discard(task)
        if task.cancelled():
            return
        failed = task.exception()
        if failed is not None:
            log.error("an event of %s could not be dealt with", event.function, exc_info=failed)
        landing: Landing = "throttled" if failed is not None else task.result()
        self._queues.landed(event, cx.clock.now(), throttled=landing == "throttled")
        if failed is None:
            self._start_due(cx)
        if landing != "done":
            # It is in its queue again: the worker itself looks for what comes due later.
            cx.door.doorbell.ring(ASYNC_DOORBELL)

    async def _run_event(self, cx: Context, event: AsyncEvent) -> Landing:
        with self._functions.under_way():
            return await self._try_event(cx, event)

    async def _try_event(self, cx: Context, event: AsyncEvent) -> Landing:
        """Run an event and keep what came of it."""
        name = FunctionName(event.account, event.region, event.function, event.qualifier)
        acting = cx.acting(cx.principal, account=event.account, region=event.region)
        read = acting.read()
        try:
            function = find_function(read, name)
        except AwsError:
            await acting.transact(_forget, event)  # it was deleted meanwhile
            return "done"
        config = read.get(
            EVENT_CONFIGS,
            event.account,
            event.region,
            event.function,
            event.qualifier or "$LATEST",
        )
        try:
            role = await self._functions.session(acting, function.role, function.name)
        except AwsError:
            await acting.transact(_put_off, event)  # the role is being changed, or gone
            return "throttled"
        giving_up = _GivingUp(role, function, config)
        if settings_of(read, name).reserved_concurrency == 0:
            return await self._abandon(acting, event, giving_up, "ZeroReservedConcurrency")
        if acting.clock.now() - event.accepted_at > _age_s_max(config):
            return await self._abandon(acting, event, giving_up, "EventAgeExceeded")
        try:
            version, outcome = await run_function(
                acting,
                self._functions,
                name,
                event.payload,
                event.id,
                event.client_context,
                trace=event.trace or "",
                attempt=tracing.Attempt(event.id, event.accepted_at, event.attempts + 1),
            )
        except RecursiveInvocationException:
            return await self._abandon(acting, event, giving_up, "RecursiveInvocation")
        except AwsError:
            # Throttled, or Serein's own trouble: again a little later, without counting it as a try.
            await acting.transact(_put_off, event)
            return "throttled"
        condition = await acting.transact(_conclude, event, giving_up, version, outcome)
        if condition is not None:
            tracing.end_event(acting, event, function, condition)
        return "done" if outcome.error is None else "later"

    async def _abandon(
        self, acting: Context, event: AsyncEvent, giving_up: _GivingUp, condition: str
    ) -> Landing:
        await acting.transact(_give_up, event, giving_up, condition)
        tracing.end_event(acting, event, giving_up.function, condition)
        return "done"


async def _move_over(cx: Context) -> None:
    """What an older Serein has left in the table without queues."""
    while next(iter(cx.read().scan(ASYNC_EVENTS, limit=1)), None) is not None:
        await cx.transact(_move_some)


def _move_some(tx: Tx) -> None:
    for event in list(tx.scan(ASYNC_EVENTS, limit=_MOVED_AT_ONCE)):
        tx.put(ASYNC_QUEUE, event)
        tx.delete(ASYNC_EVENTS, event.due_at, event.id)


class _GivingUp(NamedTuple):
    """Who is told of an outcome, and in whose name."""

    role: Principal
    function: Function
    config: EventInvokeConfig | None


def _age_s_max(config: EventInvokeConfig | None) -> int:
    return config.age_s_max if config and config.age_s_max else AGE_S_DEFAULT


def _conclude(
    tx: Tx, event: AsyncEvent, told: _GivingUp, version: str, outcome: Outcome
) -> str | None:
    """After a try: the success is told, a failure is tried again unless it was the last one.

    "" or the reason for giving up when the event is over; None when it will be tried again.
    """
    tried = msgspec.structs.replace(event, attempts=event.attempts + 1)
    if outcome.error is None:
        _forget(tx, event)
        if told.config is not None and told.config.on_success is not None:
            record = destination_record(
                tried,
                told.function.qualified_arn,
                "Success",
                tx.now,
                version=version,
                answer=outcome.payload,
                failed=False,
            )
            _deliver(tx, told, told.config.on_success, record, event, failed=False)
        return ""
    tried = msgspec.structs.replace(tried, last_version=version, last_answer=outcome.payload)
    retries_max = RETRIES_DEFAULT
    if told.config is not None and told.config.retries_max is not None:
        retries_max = told.config.retries_max
    delay_s = RETRY_DELAYS_S[min(tried.attempts, len(RETRY_DELAYS_S)) - 1]
    condition = None
    if tried.attempts > retries_max:
        condition = "RetriesExhausted"
    elif tx.now + delay_s - event.accepted_at > _age_s_max(told.config):
        condition = "EventAgeExceeded"
    if condition is not None:
        _give_up(tx, tried, told, condition)
        return condition
    _forget(tx, event)
    tx.put(ASYNC_QUEUE, msgspec.structs.replace(tried, due_at=tx.now + delay_s))
    return None


def _forget(tx: Tx, event: AsyncEvent) -> None:
    tx.delete(ASYNC_QUEUE, event.account, event.region, event.function, event.due_at, event.id)


def _put_off(tx: Tx, event: AsyncEvent) -> None:
    _forget(tx, event)
    delay_s = min(THROTTLE_DELAY_S_MAX, 2.0**event.throttles)
    tx.put(
        ASYNC_QUEUE,
        msgspec.structs.replace(event, due_at=tx.now + delay_s, throttles=event.throttles + 1),
    )


def _give_up(tx: Tx, event: AsyncEvent, told: _GivingUp, condition: str) -> None:
    """Tell the destination and the dead-letter queue or topic, as far as there are such."""
    _forget(tx, event)
    function, config = told.function, told.config
    if config is not None and config.on_failure is not None:
        record = destination_record(
            event,
            function.qualified_arn,
            condition,
            tx.now,
            version=event.last_version or None,
            answer=event.last_answer or None,
            failed=True,
        )
        _deliver(tx, told, config.on_failure, record, event, failed=True)
    if function.dead_letter_arn:
        body = event.payload.decode("utf-8", "replace")
        arn = function.dead_letter_arn
        call = targets.deliver(tx, arn, body, by=told.role, source_arn=function.arn)
        if call is not None:
            call.params["MessageAttributes"] = dead_letter_attributes(
                event, event.last_answer or b"{}"
            )
            tx.send(call)


def _deliver(
    tx: Tx, told: _GivingUp, target: str, record: str, event: AsyncEvent, *, failed: bool
) -> None:
    """To a destination, with the rights of the function's role."""
    function, role = told.function, told.role
    arn = parse_arn(target)
    if arn.service == "events":
        entry = bus_entry(record, function.qualified_arn, target, failed=failed)
        tx.send(tx.make_call("events", "PutEvents", {"Entries": [entry]}, by=role))
        return
    if arn.service == "s3":
        key = object_key(function.name, tx.now, tx.new_id())
        params = {"Bucket": arn.resource, "Key": key, "Body": record.encode()}
        tx.send(tx.make_call("s3", "PutObject", params, by=role))
        return
    call = targets.deliver(tx, target, record, by=role, source_arn=function.arn)
    if call is None:
        return
    if arn.service == "sqs" and event.trace:
        header = {"DataType": "String", "StringValue": event.trace}
        call.params["MessageSystemAttributes"] = {"AWSTraceHeader": header}
    tx.send(call)
