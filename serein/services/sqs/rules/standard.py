"""Standard queues: messages in the order in which they become visible."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from serein.kernel.operations import Read, Tx
from serein.services.sqs.records import MESSAGES, SHIFTS, Message, Queue, Shift
from serein.services.sqs.rules.handles import Handle

Bury = Callable[[Message], bool]
"""Takes a message that was received too often; False when there is nowhere to take it."""


def next_visible_at(read: Read, queue: Queue) -> float | None:
    """When the queue's first message is or becomes visible, or None when it is empty."""
    for message in read.scan(MESSAGES, (queue.id,), limit=1):
        return message.visible_at
    return None


def add(tx: Tx, message: Message) -> None:
    """Put a message in its place among those that become visible at the same instant."""
    # The table's version only grows while the house is up: it keeps messages of one instant in order.
    tx.put(MESSAGES, msgspec.structs.replace(message, order=tx.table_version(MESSAGES)))


def take(tx: Tx, queue: Queue, count: int, visibility_s: int, bury: Bury | None) -> list[Message]:
    """Up to `count` visible messages, now invisible for `visibility_s`; expired ones go on the way."""
    taken: list[Message] = []
    seen: set[str] = set()
    expired_before = tx.now - queue.retention_s
    while len(taken) < count:
        limit = count - len(taken) + len(seen)
        rows = list(tx.scan(MESSAGES, (queue.id,), stop=(tx.now,), stop_after=True, limit=limit))
        for row in rows:
            if row.id in seen or len(taken) >= count:
                continue
            seen.add(row.id)
            drop(tx, row)
            if row.sent_at < expired_before:
                continue
            if bury is not None and bury(row):
                continue
            taken.append(_received(tx, row, visibility_s))
        if len(rows) < limit:
            break
    return taken


def _received(tx: Tx, row: Message, visibility_s: int) -> Message:
    message = msgspec.structs.replace(
        row,
        visible_at=tx.now + visibility_s,
        # A new place for every receive, so that an older handle points at nothing.
        order=tx.table_version(MESSAGES),
        receive_count=row.receive_count + 1,
        first_received_at=row.first_received_at or tx.now,
        shifted=False,
    )
    tx.put(MESSAGES, message)
    return message


def drop(tx: Tx, row: Message) -> None:
    """Remove a message as it stands."""
    tx.delete(MESSAGES, row.queue, row.visible_at, row.order, row.id)
    if row.shifted:
        tx.delete(SHIFTS, row.queue, row.id)


def find(read: Read, handle: Handle) -> Message | None:
    """The message of a handle, unless it is gone or was received again since."""
    row = read.get(MESSAGES, handle.queue, handle.visible_at, handle.order, handle.message)
    if row is None:
        shift = read.get(SHIFTS, handle.queue, handle.message)
        if shift is None:
            return None
        row = read.get(MESSAGES, handle.queue, shift.visible_at, handle.order, handle.message)
    if row is None or row.receive_count != handle.receive_count:
        return None
    return row


def remove(tx: Tx, handle: Handle) -> None:
    """Delete the message of a handle; a stale handle deletes nothing, and that is no error."""
    if tx.delete(MESSAGES, handle.queue, handle.visible_at, handle.order, handle.message):
        return
    row = find(tx, handle)
    if row is not None:
        drop(tx, row)


def hide(tx: Tx, row: Message, visibility_s: int) -> None:
    """Make a received message visible `visibility_s` from now."""
    drop(tx, row)
    shifted = msgspec.structs.replace(row, visible_at=tx.now + visibility_s, shifted=True)
    tx.put(MESSAGES, shifted)
    tx.put(SHIFTS, Shift(queue=row.queue, message=row.id, visible_at=shifted.visible_at))


def counts(read: Read, queue: Queue) -> tuple[int, int, int]:
    """How many messages are visible, in flight, delayed."""
    total = read.count(MESSAGES, (queue.id,))
    in_flight = delayed = expired = 0
    for row in read.scan(MESSAGES, (queue.id,), start=(read.now,), start_after=True):
        if row.receive_count:
            in_flight += 1
        else:
            delayed += 1
    for _ in read.scan(MESSAGES, (queue.id,), stop=(read.now - queue.retention_s,)):
        expired += 1
    return total - in_flight - delayed - expired, in_flight, delayed


def purge(tx: Tx, queue: Queue) -> None:
    """Remove every message."""
    tx.delete_range(MESSAGES, (queue.id,))
    tx.delete_range(SHIFTS, (queue.id,))


def expire(tx: Tx, queue: Queue, limit: int) -> int:
    """Remove up to `limit` messages that are older than the retention period; how many they were."""
    before = tx.now - queue.retention_s
    rows = list(tx.scan(MESSAGES, (queue.id,), stop=(before,), limit=limit))
    for row in rows:
        drop(tx, row)
    return len(rows)
