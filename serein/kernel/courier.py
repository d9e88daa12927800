"""The courier delivers what transactions have put into the outbox: at least once, with backoff, then the dead letter.

A delivery to a `Tx` operation happens in the very transaction that removes it from the outbox: exactly once.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

import msgspec

from serein.base.errors import AwsError
from serein.kernel.outbox import DOORBELL, OUTBOX, Delivery, post

if TYPE_CHECKING:
    from serein.kernel.dispatch import Dispatch
    from serein.store.interface import Transaction

log = logging.getLogger(__name__)

IN_FLIGHT_MAX = 64
FIRST_DELAY_S = 0.5
DELAY_MAX_S = 300.0
CLIENT_FAULT_ATTEMPTS_MAX = 3
THROTTLES = frozenset({"ThrottlingException", "Throttling", "TooManyRequestsException", "SlowDown"})


class Courier:
    """Runs until cancelled; several deliveries at a time, at most IN_FLIGHT_MAX."""

    def __init__(self, dispatch: Dispatch) -> None:
        self._dispatch = dispatch
        self._in_flight: dict[tuple[float, str], asyncio.Task[None]] = {}

    async def run(self) -> None:
        """Deliver for ever. What is in flight when this is cancelled stays in the outbox."""
        dispatch = self._dispatch
        doorbell, clock = dispatch.doorbell, dispatch.clock
        try:
            while True:
                waiter = doorbell.listen(DOORBELL)
                next_due = self._start_due()
                until = clock.now() + DELAY_MAX_S if next_due is None else next_due
                await doorbell.wait(waiter, DOORBELL, until)
        finally:
            for task in self._in_flight.values():
                task.cancel()

    def idle(self) -> bool:
        """Whether nothing is in flight and nothing is due (tests settle on this)."""
        now = self._dispatch.clock.now()
        snapshot = self._dispatch.store.snapshot()
        due = next(iter(snapshot.scan(OUTBOX, limit=1)), None)
        return not self._in_flight and (due is None or due.due_at > now)

    def _start_due(self) -> float | None:
        """Start what is due and has room; the time at which the next one will be, or None."""
        now = self._dispatch.clock.now()
        snapshot = self._dispatch.store.snapshot()
        limit = IN_FLIGHT_MAX * 2
        for delivery in list(snapshot.scan(OUTBOX, limit=limit, skip_damaged=True)):
            key = (delivery.due_at, delivery.id)
            if key in self._in_flight:
                continue
            if delivery.due_at > now:
                return delivery.due_at
            if len(self._in_flight) >= IN_FLIGHT_MAX:
                return None
            self._in_flight[key] = task = asyncio.ensure_future(self._deliver(delivery))
            task.add_done_callback(lambda _, key=key: self._landed(key))  # type: ignore[misc]
        return None

    def _landed(self, key: tuple[float, str]) -> None:
        self._in_flight.pop(key, None)
        self._dispatch.doorbell.ring(DOORBELL)

    async def _deliver(self, delivery: Delivery) -> None:
        key = (delivery.due_at, delivery.id)

        def finish(transaction: Transaction) -> None:
            transaction.delete(OUTBOX, *key)

        dispatch = self._dispatch
        try:
            answer = dispatch.begin(delivery.call, finishing=finish)
            if not isinstance(answer, dict):
                await answer
            return
        except AwsError as error:
            failure = error
        except Exception as error:
            log.exception("delivery of %s:%s", delivery.call.service, delivery.call.operation)
            failure = AwsError(str(error), status=500)
        await dispatch.store.transact(lambda tx: self._failed(tx, delivery, failure))

    def _failed(self, transaction: Transaction, delivery: Delivery, error: AwsError) -> None:
        """Put the delivery off, or give it up: to its dead letter when it has one."""
        transaction.delete(OUTBOX, delivery.due_at, delivery.id)
        attempt = delivery.attempt + 1
        client_fault = error.fault == "client" and error.code not in THROTTLES
        attempts_max = min(
            delivery.attempts_max,
            CLIENT_FAULT_ATTEMPTS_MAX if client_fault else delivery.attempts_max,
        )
        now = self._dispatch.clock.now()
        if attempt < attempts_max:
            post(
                transaction, _put_off(delivery, attempt, now, self._dispatch.randomness.token(1)[0])
            )
        elif delivery.dead_letter is not None:
            post(
                transaction,
                Delivery(due_at=now, id=delivery.id, call=delivery.dead_letter),
            )
        else:
            log.warning(
                "gave up %s:%s after %d attempts: %s",
                delivery.call.service,
                delivery.call.operation,
                attempt,
                error,
            )


def _put_off(delivery: Delivery, attempt: int, now: float, jitter: int) -> Delivery:
    """Exponential backoff with up to a quarter of jitter, so that many failures do not return together."""
    delay_s = min(DELAY_MAX_S, FIRST_DELAY_S * 2**attempt) * (1.0 + jitter / 1024)
    return msgspec.structs.replace(delivery, due_at=now + delay_s, attempt=attempt)
