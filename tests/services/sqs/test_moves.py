"""StartMessageMoveTask, CancelMessageMoveTask, ListMessageMoveTasks. Fields and wordings: recorded answers."""

from __future__ import annotations

from typing import Any

from tests.cloud import Cloud
from tests.services.sqs.conftest import Pair, arn_of, bodies, refusal


def bury(cloud: Cloud, sqs: Any, pair: Pair, count: int) -> None:
    for n in range(count):
        sqs.send_message(QueueUrl=pair.source, MessageBody=str(n))
    for _ in range(2):
        while sqs.receive_message(QueueUrl=pair.source, MaxNumberOfMessages=10).get("Messages"):
            pass
        cloud.advance(11)


def test_back_to_where_they_came_from(cloud: Cloud, sqs: Any, pair: Pair) -> None:
    bury(cloud, sqs, pair, 2)
    assert sqs.start_message_move_task(SourceArn=pair.dead_arn)["TaskHandle"]
    cloud.settle()
    (task,) = sqs.list_message_move_tasks(SourceArn=pair.dead_arn)["Results"]
    assert task.pop("StartedTimestamp") > 1e12
    assert task == {
        "ApproximateNumberOfMessagesMoved": 2,
        "ApproximateNumberOfMessagesToMove": 2,
        "SourceArn": pair.dead_arn,
        "Status": "COMPLETED",
    }
    answer = sqs.receive_message(
        QueueUrl=pair.source, MaxNumberOfMessages=10, AttributeNames=["All"]
    )
    assert bodies(answer) == ["0", "1"]
    assert answer["Messages"][0]["Attributes"]["ApproximateReceiveCount"] == "1"


def test_to_a_destination_and_cancelled(cloud: Cloud, sqs: Any, pair: Pair, queue: str) -> None:
    bury(cloud, sqs, pair, 10)
    handle = sqs.start_message_move_task(
        SourceArn=pair.dead_arn,
        DestinationArn=arn_of(sqs, queue),
        MaxNumberOfMessagesPerSecond=1,
    )["TaskHandle"]
    cloud.settle()
    cloud.advance(1)
    (task,) = sqs.list_message_move_tasks(SourceArn=pair.dead_arn)["Results"]
    assert (task["Status"], task["TaskHandle"]) == ("RUNNING", handle)
    assert task["MaxNumberOfMessagesPerSecond"] == 1
    assert refusal(sqs.start_message_move_task, SourceArn=pair.dead_arn) == (
        "InvalidParameterValue",
        "There is already a task running. Only one active task is allowed for a source queue arn at a "
        "given time.",
    )
    moved = sqs.cancel_message_move_task(TaskHandle=handle)["ApproximateNumberOfMessagesMoved"]
    assert moved == 2
    cloud.advance(5)
    assert len(bodies(sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10))) == moved
    (task,) = sqs.list_message_move_tasks(SourceArn=pair.dead_arn)["Results"]
    assert task["Status"] == "CANCELLED"
    assert "TaskHandle" not in task


def test_refusals(sqs: Any, pair: Pair) -> None:
    assert refusal(sqs.start_message_move_task, SourceArn=pair.source_arn) == (
        "InvalidParameterValue",
        "Source queue must be configured as a Dead Letter Queue.",
    )
    nowhere = pair.dead_arn + "-not"
    params = {"SourceArn": pair.dead_arn, "DestinationArn": nowhere}
    assert refusal(sqs.start_message_move_task, **params) == (
        "ResourceNotFoundException",
        "The resource that you specified for the DestinationArn parameter doesn't exist.",
    )
    assert refusal(sqs.cancel_message_move_task, TaskHandle="foobared") == (
        "InvalidParameterValue",
        "Value for parameter TaskHandle is invalid.",
    )
    assert refusal(sqs.list_message_move_tasks, SourceArn=nowhere)[0] == "ResourceNotFoundException"
