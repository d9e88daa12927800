"""One step of a message move task."""

from __future__ import annotations

import msgspec

from serein.kernel.operations import Tx
from serein.services.sqs.records import MESSAGES, MOVE_TASKS, READY, Message, MoveTask, Queue
from serein.services.sqs.rules import fifo, standard
from serein.services.sqs.rules.redrive import place, queue_of_arn

DOORBELL = "serein:sqs-move-tasks"
_STEP_MAX = 100


def step(tx: Tx, source_arn: str, started_at: float, id_: str) -> bool:
    """Move the next messages of a task; whether there is more to do."""
    task = tx.get(MOVE_TASKS, source_arn, started_at, id_)
    if task is None or task.status != "RUNNING":
        return False
    source = queue_of_arn(tx, source_arn)
    if source is None:
        _finish(tx, task, "FAILED", "AWS.SimpleQueueService.NonExistentQueue")
        return False
    limit = min(task.per_second_max or _STEP_MAX, _STEP_MAX)
    rows = _visible(tx, source, limit)
    moved = 0
    for row in rows:
        target = queue_of_arn(tx, task.destination or row.source)
        if target is None:
            failed = msgspec.structs.replace(task, moved=task.moved + moved)
            _finish(tx, failed, "FAILED", "AWS.SimpleQueueService.NonExistentQueue")
            return False
        _move(tx, source, target, row)
        moved += 1
    task = msgspec.structs.replace(task, moved=task.moved + moved)
    if moved == 0 or task.moved >= task.to_move:
        _finish(tx, task, "COMPLETED", "")
        return False
    tx.put(MOVE_TASKS, task)
    return True


def _finish(tx: Tx, task: MoveTask, status: str, failure: str) -> None:
    tx.put(MOVE_TASKS, msgspec.structs.replace(task, status=status, failure=failure))


def _visible(tx: Tx, source: Queue, limit: int) -> list[Message]:
    if not source.fifo:
        rows = tx.scan(MESSAGES, (source.id,), stop=(tx.now,), stop_after=True, limit=limit)
        return list(rows)
    out: list[Message] = []
    for group in tx.scan(READY, (source.id,), stop=(tx.now,), stop_after=True, limit=limit):
        out.extend(fifo.front(tx, source, group.group, limit - len(out)))
    return out


def _move(tx: Tx, source: Queue, target: Queue, row: Message) -> None:
    """A moved message is a new one: new id, sent now, never received."""
    if source.fifo:
        fifo.remove(tx, row)
    else:
        standard.drop(tx, row)
    fresh = msgspec.structs.replace(
        row, id=tx.new_id(), sent_at=tx.now, receive_count=0, first_received_at=0.0, source=""
    )
    place(tx, target, fresh)
