"""Message move tasks: bringing dead letters back (redrive).

https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_StartMessageMoveTask.html
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from binascii import Error as Base64Error

import msgspec
import orjson

from serein.kernel.calls import Call
from serein.kernel.operations import Read, Tx, operation
from serein.services.sqs.access import source_of
from serein.services.sqs.model import (
    CancelMessageMoveTaskRequest,
    CancelMessageMoveTaskResult,
    ListMessageMoveTasksRequest,
    ListMessageMoveTasksResult,
    ListMessageMoveTasksResultEntry,
    ResourceNotFoundException,
    StartMessageMoveTaskRequest,
    StartMessageMoveTaskResult,
)
from serein.services.sqs.records import MOVE_TASKS, MoveTask, Queue
from serein.services.sqs.rules import fifo, standard
from serein.services.sqs.rules.moving import DOORBELL
from serein.services.sqs.rules.redrive import queue_of_arn, sources_of
from serein.services.sqs.rules.refusals import InvalidParameterValue, invalid_value

_PER_SECOND_MAX = 500
_RESULTS_MAX = 10
_TASKS_KEPT_MAX = 10


class TaskHandle(msgspec.Struct, frozen=True, rename="camel"):
    """What a task handle carries."""

    task_id: str
    source_arn: str
    started_at: float


def _handle_of(task: MoveTask) -> str:
    handle = TaskHandle(task.id, task.source, task.started_at)
    return b64encode(msgspec.json.encode(handle)).decode()


def _read_handle(text: str) -> TaskHandle:
    try:
        return msgspec.json.decode(b64decode(text, validate=True), type=TaskHandle)
    except (Base64Error, ValueError, msgspec.DecodeError, orjson.JSONDecodeError):
        raise InvalidParameterValue("Value for parameter TaskHandle is invalid.") from None


def task_source_of(call: Call) -> str:
    """The ARN of the queue that a task handle is about ("*" for one that cannot be read)."""
    try:
        return _read_handle(call.params["TaskHandle"]).source_arn
    except InvalidParameterValue:
        return "*"


def _queue(read: Read, arn: str, parameter: str) -> Queue:
    queue = queue_of_arn(read, arn)
    if queue is None:
        raise ResourceNotFoundException(
            f"The resource that you specified for the {parameter} parameter doesn't exist.",
            status=404,
        )
    return queue


@operation("StartMessageMoveTask", on=source_of)
def start_message_move_task(
    tx: Tx, request: StartMessageMoveTaskRequest
) -> StartMessageMoveTaskResult:
    """Begin to move a dead-letter queue's messages back, or to `DestinationArn`."""
    source = _queue(tx, request["SourceArn"], "SourceArn")
    if not sources_of(tx, source):
        raise InvalidParameterValue("Source queue must be configured as a Dead Letter Queue.")
    destination = request.get("DestinationArn") or ""
    if destination:
        target = _queue(tx, destination, "DestinationArn")
        if target.arn == source.arn:
            raise InvalidParameterValue("Source and destination queues must be different.")
        if target.fifo != source.fifo:
            raise InvalidParameterValue("Source and destination queues must be of the same type.")
    per_second_max = request.get("MaxNumberOfMessagesPerSecond")
    if per_second_max is not None and not 1 <= per_second_max <= _PER_SECOND_MAX:
        raise invalid_value(
            per_second_max,
            "MaxNumberOfMessagesPerSecond",
            f"Must be between 1 and {_PER_SECOND_MAX}, if provided.",
        )
    earlier = list(tx.scan(MOVE_TASKS, (source.arn,)))
    if any(task.status in ("RUNNING", "CANCELLING") for task in earlier):
        raise InvalidParameterValue(
            "There is already a task running. Only one active task is allowed for a source queue "
            "arn at a given time."
        )
    for old in earlier[: max(0, len(earlier) - _TASKS_KEPT_MAX + 1)]:
        tx.delete(MOVE_TASKS, old.source, old.started_at, old.id)
    task = MoveTask(
        source=source.arn,
        id=tx.new_id(),
        started_at=tx.now,
        status="RUNNING",
        to_move=(fifo if source.fifo else standard).counts(tx, source)[0],
        destination=destination,
        per_second_max=per_second_max or 0,
    )
    tx.put(MOVE_TASKS, task)
    tx.ring(DOORBELL)
    return {"TaskHandle": _handle_of(task)}


@operation("CancelMessageMoveTask", on=task_source_of)
def cancel_message_move_task(
    tx: Tx, request: CancelMessageMoveTaskRequest
) -> CancelMessageMoveTaskResult:
    """Stop a running task; what was moved stays moved."""
    handle = _read_handle(request["TaskHandle"])
    task = tx.get(MOVE_TASKS, handle.source_arn, handle.started_at, handle.task_id)
    if task is None:
        raise ResourceNotFoundException("Task does not exist.", status=404)
    if task.status != "RUNNING":
        raise InvalidParameterValue(
            f"Only active tasks can be cancelled. The status of the task is {task.status}."
        )
    tx.put(MOVE_TASKS, msgspec.structs.replace(task, status="CANCELLED"))
    return {"ApproximateNumberOfMessagesMoved": task.moved}


@operation("ListMessageMoveTasks", on=source_of)
def list_message_move_tasks(
    read: Read, request: ListMessageMoveTasksRequest
) -> ListMessageMoveTasksResult:
    """The latest tasks of a dead-letter queue, the newest first."""
    source = _queue(read, request["SourceArn"], "SourceArn")
    size = request.get("MaxResults", 1)
    if not 1 <= size <= _RESULTS_MAX:
        raise invalid_value(size, "MaxResults", f"Must be between 1 and {_RESULTS_MAX}.")
    tasks = read.scan(MOVE_TASKS, (source.arn,), reverse=True, limit=size)
    return {"Results": [_show(task) for task in tasks]}


def _show(task: MoveTask) -> ListMessageMoveTasksResultEntry:
    shown: ListMessageMoveTasksResultEntry = {
        "Status": task.status,
        "SourceArn": task.source,
        "ApproximateNumberOfMessagesMoved": task.moved,
        "ApproximateNumberOfMessagesToMove": task.to_move,
        "StartedTimestamp": int(task.started_at * 1000),
    }
    if task.status == "RUNNING":
        shown["TaskHandle"] = _handle_of(task)
    if task.destination:
        shown["DestinationArn"] = task.destination
    if task.per_second_max:
        shown["MaxNumberOfMessagesPerSecond"] = task.per_second_max
    if task.failure:
        shown["FailureReason"] = task.failure
    return shown
