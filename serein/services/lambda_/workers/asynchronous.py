"""The worker behind `InvocationType=Event`: runs accepted events, tries again, tells destinations.

An event stays stored until its outcome is, so a crash runs it again: at least once.
https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-error-handling.html
"""

from __future__ import annotations

import asyncio

import msgspec

from serein.base.arn import arn_or_none
from serein.base.errors import AwsError
from serein.kernel import targets
from serein.kernel.calls import Principal
from serein.kernel.operations import Context, Tx
from serein.runtimes.spec import Outcome
from serein.services.lambda_.access import find_function
from serein.services.lambda_.functions import Functions
from serein.services.lambda_.operations.invocations import run_function
from serein.services.lambda_.records import (
    ASYNC_DOORBELL,
    ASYNC_EVENTS,
    EVENT_CONFIGS,
    AsyncEvent,
    EventInvokeConfig,
    Function,
)
from serein.services.lambda_.rules.envelopes import dead_letter_attributes, destination_record
from serein.services.lambda_.rules.names import FunctionName

IN_FLIGHT_MAX = 32
RETRIES_DEFAULT = 2
AGE_S_DEFAULT = 21_600
RETRY_DELAYS_S = (60.0, 120.0)
THROTTLE_DELAY_S_MAX = 300.0
_IDLE_S = 300.0


class AsyncWorker:
    """Runs accepted events, several at a time, in the order in which they are due."""

    def __init__(self, functions: Functions) -> None:
        self._functions = functions
        self._in_flight: dict[tuple[float, str], asyncio.Task[None]] = {}

    @property
    def busy(self) -> int:
        """Events that are being run."""
        return len(self._in_flight)

    async def run(self, cx: Context) -> None:
        """Run events for ever."""
        try:
            while True:
                waiter = cx.listen(ASYNC_DOORBELL)
                until = self._start_due(cx)
                await cx.wait_for_ring(ASYNC_DOORBELL, until=until, waiter=waiter)
        finally:
            for task in self._in_flight.values():
                task.cancel()

    def _start_due(self, cx: Context) -> float:
        """Start what is due and has room; when to look again."""
        now = cx.clock.now()
        for event in list(cx.read().scan(ASYNC_EVENTS, limit=2 * IN_FLIGHT_MAX)):
            key = (event.due_at, event.id)
            if key in self._in_flight:
                continue
            if event.due_at > now:
                return event.due_at
            if len(self._in_flight) >= IN_FLIGHT_MAX:
                break
            task = asyncio.ensure_future(self._run_event(cx, event))
            self._in_flight[key] = task
            task.add_done_callback(lambda _, key=key: self._landed(cx, key))  # type: ignore[misc]
        return now + _IDLE_S

    def _landed(self, cx: Context, key: tuple[float, str]) -> None:
        self._in_flight.pop(key, None)
        cx.door.doorbell.ring(ASYNC_DOORBELL)

    async def _run_event(self, cx: Context, event: AsyncEvent) -> None:
        with self._functions.under_way():
            await self._try_event(cx, event)

    async def _try_event(self, cx: Context, event: AsyncEvent) -> None:
        name = FunctionName(event.account, event.region, event.function, event.qualifier)
        acting = cx.acting(cx.principal, account=event.account, region=event.region)
        try:
            function = find_function(acting.read(), name)
        except AwsError:
            await acting.transact(_forget, event)  # it was deleted meanwhile
            return
        config = acting.read().get(
            EVENT_CONFIGS,
            event.account,
            event.region,
            event.function,
            event.qualifier or "$LATEST",
        )
        age_s_max = config.age_s_max if config and config.age_s_max else AGE_S_DEFAULT
        if acting.clock.now() - event.accepted_at > age_s_max:
            role = await self._functions.session(acting, function.role, function.name)
            await acting.transact(_give_up, event, role, function, config, "EventAgeExceeded", None)
            return
        try:
            role = await self._functions.session(acting, function.role, function.name)
            version, outcome = await run_function(
                acting, self._functions, name, event.payload, event.id, event.client_context
            )
        except AwsError:
            # Throttled, or Serein's own trouble: again a little later, without counting it as a try.
            await acting.transact(_put_off, event)
            return
        tried = msgspec.structs.replace(event, attempts=event.attempts + 1)
        if outcome.error is None:
            await acting.transact(_succeed, event, tried, role, function, config, version, outcome)
            return
        retries_max = RETRIES_DEFAULT
        if config is not None and config.retries_max is not None:
            retries_max = config.retries_max
        if tried.attempts <= retries_max:
            await acting.transact(_try_again, event, tried)
            return
        await acting.transact(
            _give_up, tried, role, function, config, "RetriesExhausted", (version, outcome)
        )


def _forget(tx: Tx, event: AsyncEvent) -> None:
    tx.delete(ASYNC_EVENTS, event.due_at, event.id)


def _put_off(tx: Tx, event: AsyncEvent) -> None:
    _forget(tx, event)
    delay_s = min(THROTTLE_DELAY_S_MAX, 2.0**event.throttles)
    tx.put(
        ASYNC_EVENTS,
        msgspec.structs.replace(event, due_at=tx.now + delay_s, throttles=event.throttles + 1),
    )


def _try_again(tx: Tx, event: AsyncEvent, tried: AsyncEvent) -> None:
    _forget(tx, event)
    delay_s = RETRY_DELAYS_S[min(tried.attempts, len(RETRY_DELAYS_S)) - 1]
    tx.put(ASYNC_EVENTS, msgspec.structs.replace(tried, due_at=tx.now + delay_s))


def _succeed(
    tx: Tx,
    event: AsyncEvent,
    tried: AsyncEvent,
    role: Principal,
    function: Function,
    config: EventInvokeConfig | None,
    version: str,
    outcome: Outcome,
) -> None:
    _forget(tx, event)
    if config is None or config.on_success is None:
        return
    record = destination_record(
        tried,
        function.qualified_arn,
        "Success",
        tx.now,
        version=version,
        answer=outcome.payload,
        failed=False,
    )
    _deliver(tx, role, function, config.on_success, record)


def _give_up(
    tx: Tx,
    event: AsyncEvent,
    role: Principal,
    function: Function,
    config: EventInvokeConfig | None,
    condition: str,
    ran: tuple[str, Outcome] | None,
) -> None:
    _forget(tx, event)
    answer = ran[1].payload if ran is not None else None
    if config is not None and config.on_failure is not None:
        record = destination_record(
            event,
            function.qualified_arn,
            condition,
            tx.now,
            version=ran[0] if ran is not None else None,
            answer=answer,
            failed=True,
        )
        _deliver(tx, role, function, config.on_failure, record)
    if function.dead_letter_arn:
        _deliver_dead_letter(tx, role, function, event, answer or b"{}")


def _deliver(tx: Tx, role: Principal, function: Function, target: str, record: str) -> None:
    """To a destination, with the rights of the function's role."""
    call = targets.deliver(tx, target, record, by=role, source_arn=function.arn)
    if call is not None:
        tx.send(call)


def _deliver_dead_letter(
    tx: Tx, role: Principal, function: Function, event: AsyncEvent, answer: bytes
) -> None:
    arn = arn_or_none(function.dead_letter_arn)
    if arn is None:
        return
    body = event.payload.decode("utf-8", "replace")
    call = targets.deliver(tx, function.dead_letter_arn, body, by=role, source_arn=function.arn)
    if call is None:
        return
    call.params["MessageAttributes"] = dead_letter_attributes(event, answer)
    tx.send(call)
