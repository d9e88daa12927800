"""SQS, SNS and Kinesis."""

from __future__ import annotations

import base64
import json
import uuid
from urllib.parse import urlencode

from ends import Case, End


def queues(end: End) -> Case:
    """Messages sent, and received from a queue whose messages stay visible."""
    sqs = end.client("sqs")
    to = sqs.create_queue(QueueName="bench-" + uuid.uuid4().hex[:8])["QueueUrl"]
    sends = [
        end.json_call(
            "sqs",
            "AmazonSQS.SendMessage",
            {"QueueUrl": to, "MessageBody": f"hello {i} " + "x" * 200},
        )
        for i in range(100)
    ]
    full = sqs.create_queue(
        QueueName="bench-" + uuid.uuid4().hex[:8], Attributes={"VisibilityTimeout": "0"}
    )["QueueUrl"]
    for _ in range(100):
        sqs.send_message(QueueUrl=full, MessageBody="x" * 200)
    asked = {"QueueUrl": full, "MaxNumberOfMessages": 1}
    return {
        "sqs_send": sends,
        "sqs_receive": [end.json_call("sqs", "AmazonSQS.ReceiveMessage", asked)],
    }


def notifications(end: End) -> Case:
    """Publishing to a topic with one queue behind it."""
    sns, sqs = end.client("sns"), end.client("sqs")
    topic = sns.create_topic(Name="bench-" + uuid.uuid4().hex[:8])["TopicArn"]
    queue = sqs.create_queue(QueueName="bench-" + uuid.uuid4().hex[:8])["QueueUrl"]
    told = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])
    arn = told["Attributes"]["QueueArn"]
    allow = {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"Service": "sns.amazonaws.com"},
                "Action": "sqs:SendMessage",
                "Resource": arn,
            }
        ],
    }
    sqs.set_queue_attributes(QueueUrl=queue, Attributes={"Policy": json.dumps(allow)})
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
    form = {"Action": "Publish", "Version": "2010-03-31", "TopicArn": topic, "Message": "x" * 200}
    headers = {"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"}
    return {"sns_publish_1sqs": [end.signed("sns", headers=headers, body=urlencode(form).encode())]}


def streams(end: End) -> Case:
    """Records put to a stream of one shard."""
    kinesis, name = end.client("kinesis"), "bench-" + uuid.uuid4().hex[:8]
    kinesis.create_stream(StreamName=name, ShardCount=1)
    waiter = kinesis.get_waiter("stream_exists")
    waiter.wait(StreamName=name, WaiterConfig={"Delay": 1, "MaxAttempts": 20})
    data = base64.b64encode(b"x" * 200).decode()
    return {
        "kinesis_put": [
            end.json_call(
                "kinesis",
                "Kinesis_20131202.PutRecord",
                {"StreamName": name, "PartitionKey": str(i), "Data": data},
                "1.1",
            )
            for i in range(100)
        ]
    }
