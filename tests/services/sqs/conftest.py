"""Fixtures: a client, a queue, a dead-letter pair."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

import pytest
from botocore.exceptions import ClientError

from tests.cloud import Cloud


@pytest.fixture
def sqs(cloud: Cloud) -> Any:
    return cloud.client("sqs")


@pytest.fixture
def queue(sqs: Any) -> str:
    """The URL of a standard queue."""
    return sqs.create_queue(QueueName="orders")["QueueUrl"]


@pytest.fixture
def fifo(sqs: Any) -> str:
    """The URL of a FIFO queue that deduplicates by content."""
    attributes = {"FifoQueue": "true", "ContentBasedDeduplication": "true"}
    return sqs.create_queue(QueueName="orders.fifo", Attributes=attributes)["QueueUrl"]


class Pair(NamedTuple):
    """A queue and where its dead letters go."""

    source: str
    dead: str
    source_arn: str
    dead_arn: str


def arn_of(sqs: Any, url: str) -> str:
    return sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"][
        "QueueArn"
    ]


@pytest.fixture
def pair(sqs: Any) -> Pair:
    dead = sqs.create_queue(QueueName="dead")["QueueUrl"]
    dead_arn = arn_of(sqs, dead)
    redrive = json.dumps({"deadLetterTargetArn": dead_arn, "maxReceiveCount": "1"})
    attributes = {"RedrivePolicy": redrive, "VisibilityTimeout": "10"}
    source = sqs.create_queue(QueueName="source", Attributes=attributes)["QueueUrl"]
    return Pair(source, dead, arn_of(sqs, source), dead_arn)


def bodies(answer: Any) -> list[str]:
    return [message["Body"] for message in answer.get("Messages", [])]


def refusal(call: Any, **params: Any) -> tuple[str, str]:
    """Code and message of the error that a call must raise."""
    with pytest.raises(ClientError) as caught:
        call(**params)
    error = caught.value.response["Error"]
    return error["Code"], error["Message"]
