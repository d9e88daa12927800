"""FIFO queues: groups in order, deduplication, sequence numbers.

A group can be received from while its first message is visible; a receive takes the visible messages at its front.
https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/FIFO-queues-understanding-logic.html
"""

from __future__ import annotations

import msgspec

from serein.kernel.operations import Read, Tx
from serein.services.sqs.records import (
    DEDUPS,
    FIFO_MESSAGES,
    GROUPS,
    READY,
    SEQUENCES,
    Dedup,
    Group,
    Message,
    Queue,
    Sequence,
)
from serein.services.sqs.rules.handles import Handle
from serein.services.sqs.rules.standard import Bury

DEDUP_S = 300.0
_SEQUENCE_START = 18_800_000_000_000_000_000
_SEQUENCE_STEP = 256


def next_visible_at(read: Read, queue: Queue) -> float | None:
    """When a group can next be received from, or None when the queue is empty."""
    for group in read.scan(READY, (queue.id,), limit=1):
        return group.visible_at
    return None


def add(tx: Tx, queue: Queue, message: Message) -> Message:
    """Append a message to its group, unless its deduplication id was used: then the earlier one is given."""
    scope = message.group if queue.dedup_scope == "messageGroup" else ""
    known = tx.get(DEDUPS, queue.id, scope, message.dedup)
    if known is not None and known.until > tx.now:
        return msgspec.structs.replace(message, id=known.message, order=known.order)
    message = msgspec.structs.replace(message, order=_next_sequence(tx, queue))
    tx.put(
        DEDUPS,
        Dedup(
            queue=queue.id,
            scope=scope,
            key=message.dedup,
            message=message.id,
            order=message.order,
            until=tx.now + DEDUP_S,
        ),
    )
    append(tx, message)
    return message


def append(tx: Tx, message: Message) -> None:
    """Put a message at the end of its group; `order` is its sequence number."""
    tx.put(FIFO_MESSAGES, message)
    if tx.get(GROUPS, message.queue, message.group) is None:
        _set_head(tx, message.queue, message.group, message)


def bury_in(tx: Tx, queue: Queue, message: Message) -> None:
    """Append another queue's dead letter."""
    append(
        tx,
        msgspec.structs.replace(
            message, queue=queue.id, visible_at=tx.now, order=_next_sequence(tx, queue)
        ),
    )


def _next_sequence(tx: Tx, queue: Queue) -> int:
    last = tx.get(SEQUENCES, queue.id)
    number = last.last + 1 if last is not None else 0
    tx.put(SEQUENCES, Sequence(queue=queue.id, last=number))
    return number


def sequence_number(order: int) -> str:
    """A sequence number as SQS shows it: 20 digits, growing."""
    return str(_SEQUENCE_START + order * _SEQUENCE_STEP)


def take(tx: Tx, queue: Queue, count: int, visibility_s: int, bury: Bury | None) -> list[Message]:
    """Up to `count` messages from the fronts of the groups that are ready, each group in its order."""
    taken: list[Message] = []
    ready = list(tx.scan(READY, (queue.id,), stop=(tx.now,), stop_after=True, limit=count * 4))
    for group in ready:
        if len(taken) >= count:
            break
        _take_from(tx, queue, group.group, count, visibility_s, bury, taken)
        refresh(tx, queue.id, group.group)
    return taken


def _take_from(
    tx: Tx,
    queue: Queue,
    group: str,
    count: int,
    visibility_s: int,
    bury: Bury | None,
    taken: list[Message],
) -> None:
    expired_before = tx.now - queue.retention_s
    rows = list(tx.scan(FIFO_MESSAGES, (queue.id, group), limit=count * 4))
    for row in rows:
        if row.visible_at > tx.now or len(taken) >= count:
            break
        if row.sent_at < expired_before:
            tx.delete(FIFO_MESSAGES, row.queue, row.group, row.order)
            continue
        if bury is not None and bury(row):
            tx.delete(FIFO_MESSAGES, row.queue, row.group, row.order)
            continue
        received = msgspec.structs.replace(
            row,
            visible_at=tx.now + visibility_s,
            receive_count=row.receive_count + 1,
            first_received_at=row.first_received_at or tx.now,
        )
        tx.put(FIFO_MESSAGES, received)
        taken.append(received)


def front(read: Read, queue: Queue, group: str, count: int) -> list[Message]:
    """The visible messages at a group's front."""
    out: list[Message] = []
    for row in read.scan(FIFO_MESSAGES, (queue.id, group), limit=count):
        if row.visible_at > read.now:
            break
        out.append(row)
    return out


def refresh(tx: Tx, queue: str, group: str) -> None:
    """Note anew which message is the group's first, and when it is visible."""
    head = next(iter(tx.scan(FIFO_MESSAGES, (queue, group), limit=1)), None)
    _set_head(tx, queue, group, head)


def _set_head(tx: Tx, queue: str, group: str, head: Message | None) -> None:
    old = tx.get(GROUPS, queue, group)
    if old is not None:
        tx.delete(READY, queue, old.visible_at, old.order, group)
    if head is None:
        tx.delete(GROUPS, queue, group)
        return
    row = Group(queue=queue, group=group, visible_at=head.visible_at, order=head.order)
    tx.put(GROUPS, row)
    tx.put(READY, row)


def find(read: Read, handle: Handle) -> Message | None:
    """The message of a handle, unless it is gone or was received again since."""
    row = read.get(FIFO_MESSAGES, handle.queue, handle.group, handle.order)
    if row is None or row.receive_count != handle.receive_count:
        return None
    return row


def remove(tx: Tx, row: Message) -> None:
    """Delete a message; its group goes on."""
    tx.delete(FIFO_MESSAGES, row.queue, row.group, row.order)
    refresh(tx, row.queue, row.group)


def hide(tx: Tx, row: Message, visibility_s: int) -> None:
    """Make a received message visible `visibility_s` from now."""
    tx.put(FIFO_MESSAGES, msgspec.structs.replace(row, visible_at=tx.now + visibility_s))
    refresh(tx, row.queue, row.group)


def counts(read: Read, queue: Queue) -> tuple[int, int, int]:
    """How many messages are visible, in flight, delayed."""
    visible = in_flight = delayed = 0
    for row in read.scan(FIFO_MESSAGES, (queue.id,)):
        if row.visible_at <= read.now:
            visible += 1
        elif row.receive_count:
            in_flight += 1
        else:
            delayed += 1
    return visible, in_flight, delayed


def purge(tx: Tx, queue: Queue) -> None:
    """Remove every message; deduplication ids stay known, as in AWS."""
    for table in (FIFO_MESSAGES, GROUPS, READY):
        tx.delete_range(table, (queue.id,))


def expire(tx: Tx, queue: Queue, limit: int) -> int:
    """Remove messages beyond the retention period and deduplication ids out of their interval; how many."""
    before = tx.now - queue.retention_s
    old = [row for row in tx.scan(FIFO_MESSAGES, (queue.id,)) if row.sent_at < before][:limit]
    for row in old:
        tx.delete(FIFO_MESSAGES, row.queue, row.group, row.order)
    for group in {row.group for row in old}:
        refresh(tx, queue.id, group)
    stale = [row for row in tx.scan(DEDUPS, (queue.id,)) if row.until <= tx.now][:limit]
    for dedup in stale:
        tx.delete(DEDUPS, dedup.queue, dedup.scope, dedup.key)
    return len(old)


def forget(tx: Tx, queue: Queue) -> None:
    """Forget the deduplication ids of a deleted queue."""
    tx.delete_range(DEDUPS, (queue.id,))
