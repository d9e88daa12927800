"""CreateQueue, DeleteQueue, GetQueueUrl, ListQueues, attributes, PurgeQueue, ListDeadLetterSourceQueues.

Defaults and wordings: recorded answers; https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.cloud import Cloud
from tests.services.sqs.conftest import Pair, bodies, refusal

GONE = ("AWS.SimpleQueueService.NonExistentQueue", "The specified queue does not exist.")
DEFAULTS = {
    "ApproximateNumberOfMessages": "0",
    "ApproximateNumberOfMessagesDelayed": "0",
    "ApproximateNumberOfMessagesNotVisible": "0",
    "DelaySeconds": "0",
    "MaximumMessageSize": "1048576",
    "MessageRetentionPeriod": "345600",
    "QueueArn": "arn:aws:sqs:us-east-1:000000000000:orders",
    "ReceiveMessageWaitTimeSeconds": "0",
    "SqsManagedSseEnabled": "true",
    "VisibilityTimeout": "30",
}


def attributes_of(sqs: Any, url: str, *names: str) -> dict[str, str]:
    wanted = list(names) or ["All"]
    return sqs.get_queue_attributes(QueueUrl=url, AttributeNames=wanted).get("Attributes", {})


def test_a_fresh_queue(sqs: Any, queue: str) -> None:
    assert queue == "http://127.0.0.1:4566/000000000000/orders"
    found = attributes_of(sqs, queue)
    assert found.pop("CreatedTimestamp") == found.pop("LastModifiedTimestamp")
    assert found == DEFAULTS


def test_no_attributes_asked_for(sqs: Any, queue: str) -> None:
    assert "Attributes" not in sqs.get_queue_attributes(QueueUrl=queue)


def test_a_fresh_fifo_queue(sqs: Any, fifo: str) -> None:
    found = attributes_of(sqs, fifo)
    assert found["FifoQueue"] == "true"
    assert found["ContentBasedDeduplication"] == "true"
    assert found["DeduplicationScope"] == "queue"
    assert found["FifoThroughputLimit"] == "perQueue"


def test_creating_again(sqs: Any, queue: str) -> None:
    assert sqs.create_queue(QueueName="orders")["QueueUrl"] == queue
    same = {"DelaySeconds": "0"}
    assert sqs.create_queue(QueueName="orders", Attributes=same)["QueueUrl"] == queue
    assert refusal(sqs.create_queue, QueueName="orders", Attributes={"DelaySeconds": "5"}) == (
        "QueueAlreadyExists",
        "A queue already exists with the same name and a different value for attribute DelaySeconds",
    )


@pytest.mark.parametrize("name", ["a b", "", "x" * 81, "käse", "a.b", "a.fifo"])
def test_bad_names(sqs: Any, name: str) -> None:
    assert refusal(sqs.create_queue, QueueName=name) == (
        "InvalidParameterValue",
        "Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length",
    )


def test_fifo_names_end_in_fifo(sqs: Any) -> None:
    code, _ = refusal(sqs.create_queue, QueueName="a", Attributes={"FifoQueue": "true"})
    assert code == "InvalidParameterValue"


@pytest.mark.parametrize(
    ("attributes", "code", "message"),
    [
        (
            {"VisibilityTimeout": "43201"},
            "InvalidAttributeValue",
            "Invalid value for the parameter VisibilityTimeout.",
        ),
        (
            {"DelaySeconds": "x"},
            "InvalidAttributeValue",
            "Invalid value for the parameter DelaySeconds.",
        ),
        (
            {"MaximumMessageSize": "1023"},
            "InvalidAttributeValue",
            "Invalid value for the parameter MaximumMessageSize.",
        ),
        ({"Foo": "1"}, "InvalidAttributeName", "Unknown Attribute Foo."),
        ({"QueueArn": "1"}, "InvalidAttributeName", "Unknown Attribute QueueArn."),
        (
            {"ContentBasedDeduplication": "true"},
            "InvalidAttributeName",
            "Unknown Attribute ContentBasedDeduplication.",
        ),
        (
            {"DeduplicationScope": "queue"},
            "InvalidAttributeName",
            "You can specify the DeduplicationScope only when FifoQueue is set to true.",
        ),
        ({"Policy": "{"}, "InvalidAttributeValue", "Invalid value for the parameter Policy."),
    ],
)
def test_bad_attributes(
    sqs: Any, queue: str, attributes: dict[str, str], code: str, message: str
) -> None:
    assert refusal(sqs.set_queue_attributes, QueueUrl=queue, Attributes=attributes) == (
        code,
        message,
    )
    assert refusal(sqs.create_queue, QueueName="other", Attributes=attributes) == (code, message)


def test_setting_attributes(cloud: Cloud, sqs: Any, queue: str) -> None:
    created = attributes_of(sqs, queue, "CreatedTimestamp")
    cloud.advance(5)
    change = {"DelaySeconds": "17", "ReceiveMessageWaitTimeSeconds": "18"}
    sqs.set_queue_attributes(QueueUrl=queue, Attributes=change)
    assert attributes_of(sqs, queue, *change) == change
    modified = attributes_of(sqs, queue, "LastModifiedTimestamp")["LastModifiedTimestamp"]
    assert int(modified) == int(created["CreatedTimestamp"]) + 5


def test_kms_and_sqs_encryption_exclude_each_other(sqs: Any, queue: str) -> None:
    kms = {"KmsMasterKeyId": "testKeyId", "KmsDataKeyReusePeriodSeconds": "6000"}
    sqs.set_queue_attributes(QueueUrl=queue, Attributes=kms)
    names = (*kms, "SqsManagedSseEnabled")
    assert attributes_of(sqs, queue, *names) == {**kms, "SqsManagedSseEnabled": "false"}
    sqs.set_queue_attributes(QueueUrl=queue, Attributes={"SqsManagedSseEnabled": "true"})
    assert attributes_of(sqs, queue, *names) == {"SqsManagedSseEnabled": "true"}


def test_policy_goes_with_an_empty_text(sqs: Any, queue: str) -> None:
    statement = {"Effect": "Allow", "Principal": "*", "Action": "sqs:*", "Resource": "*"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    sqs.set_queue_attributes(QueueUrl=queue, Attributes={"Policy": policy})
    assert attributes_of(sqs, queue, "Policy") == {"Policy": policy}
    sqs.set_queue_attributes(QueueUrl=queue, Attributes={"Policy": ""})
    assert attributes_of(sqs, queue, "Policy") == {}


def test_unknown_attribute_names(sqs: Any, queue: str) -> None:
    params = {"QueueUrl": queue, "AttributeNames": ["QueueArn", "Nope"]}
    assert refusal(sqs.get_queue_attributes, **params) == (
        "InvalidAttributeName",
        "Unknown Attribute Nope.",
    )


@pytest.mark.parametrize(
    ("policy", "words"),
    [
        ("{}", "Redrive policy does not contain mandatory attribute: maxReceiveCount."),
        (
            '{"maxReceiveCount":1}',
            "Redrive policy does not contain mandatory attribute: deadLetterTargetArn.",
        ),
        (
            '{"maxReceiveCount":1,"deadLetterTargetArn":"arn:aws:sqs:us-east-1:000000000000:no"}',
            "Dead letter target does not exist.",
        ),
    ],
)
def test_bad_redrive_policies(sqs: Any, queue: str, policy: str, words: str) -> None:
    attributes = {"RedrivePolicy": policy}
    assert refusal(sqs.set_queue_attributes, QueueUrl=queue, Attributes=attributes) == (
        "InvalidParameterValue",
        f"Value {policy} for parameter RedrivePolicy is invalid. Reason: {words}",
    )


def test_redrive_allow_policy_is_asked(sqs: Any, pair: Pair, queue: str) -> None:
    deny = json.dumps({"redrivePermission": "denyAll"})
    sqs.set_queue_attributes(QueueUrl=pair.dead, Attributes={"RedriveAllowPolicy": deny})
    redrive = json.dumps({"deadLetterTargetArn": pair.dead_arn, "maxReceiveCount": 3})
    code, _ = refusal(
        sqs.set_queue_attributes, QueueUrl=queue, Attributes={"RedrivePolicy": redrive}
    )
    assert code == "InvalidParameterValue"


def test_dead_letter_sources(sqs: Any, pair: Pair) -> None:
    found = sqs.list_dead_letter_source_queues(QueueUrl=pair.dead)
    assert found["queueUrls"] == [pair.source]
    assert sqs.list_dead_letter_source_queues(QueueUrl=pair.source)["queueUrls"] == []


def test_queue_url(sqs: Any, queue: str) -> None:
    assert sqs.get_queue_url(QueueName="orders")["QueueUrl"] == queue
    assert refusal(sqs.get_queue_url, QueueName="nope") == GONE


def test_listing_in_pages(sqs: Any) -> None:
    urls = [sqs.create_queue(QueueName=f"q-{n}")["QueueUrl"] for n in range(5)]
    sqs.create_queue(QueueName="other")
    assert sqs.list_queues(QueueNamePrefix="q-")["QueueUrls"] == urls
    first = sqs.list_queues(QueueNamePrefix="q-", MaxResults=2)
    assert first["QueueUrls"] == urls[:2]
    rest = sqs.list_queues(QueueNamePrefix="q-", NextToken=first["NextToken"], MaxResults=10)
    assert rest["QueueUrls"] == urls[2:]
    assert "NextToken" not in rest
    assert "QueueUrls" not in sqs.list_queues(QueueNamePrefix="none")
    assert refusal(sqs.list_queues, NextToken="x")[0] == "InvalidParameterValue"


def test_deleting(sqs: Any, queue: str) -> None:
    sqs.send_message(QueueUrl=queue, MessageBody="x")
    sqs.delete_queue(QueueUrl=queue)
    assert refusal(sqs.send_message, QueueUrl=queue, MessageBody="x") == GONE
    assert refusal(sqs.delete_queue, QueueUrl=queue) == GONE
    sqs.create_queue(QueueName="orders")
    assert bodies(sqs.receive_message(QueueUrl=queue)) == []


def test_purging(sqs: Any, queue: str, fifo: str) -> None:
    sqs.send_message(QueueUrl=queue, MessageBody="x")
    sqs.send_message(QueueUrl=fifo, MessageBody="x", MessageGroupId="g")
    for url in (queue, fifo):
        sqs.purge_queue(QueueUrl=url)
        assert bodies(sqs.receive_message(QueueUrl=url)) == []
        assert attributes_of(sqs, url)["ApproximateNumberOfMessages"] == "0"


def test_urls_are_read_by_their_end(sqs: Any, queue: str) -> None:
    sqs.send_message(
        QueueUrl="https://sqs.us-east-1.amazonaws.com/000000000000/orders", MessageBody="x"
    )
    assert bodies(sqs.receive_message(QueueUrl=queue)) == ["x"]
    assert refusal(sqs.send_message, QueueUrl="orders", MessageBody="x")[0] == "InvalidAddress"
