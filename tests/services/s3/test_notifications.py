"""Notifications: https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html"""

from __future__ import annotations

import json

import pytest


@pytest.fixture
def queue(cloud):
    """A queue that S3 may send to: its ARN and how to take what is in it."""
    sqs = cloud.client("sqs")
    url = sqs.create_queue(QueueName="q")["QueueUrl"]
    arn = "arn:aws:sqs:us-east-1:000000000000:q"
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": "s3.amazonaws.com"},
        "Action": "sqs:SendMessage",
        "Resource": arn,
        "Condition": {"ArnLike": {"aws:SourceArn": "arn:aws:s3:::a-bucket"}},
    }
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": policy})

    def take():
        cloud.settle()
        bodies = []
        while found := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages"):
            for message in found:
                bodies.append(json.loads(message["Body"]))
                sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        return bodies

    return arn, take


def listen(s3, bucket, arn, events=("s3:ObjectCreated:*",), rules=()):
    entry = {"Id": "mine", "QueueArn": arn, "Events": list(events)}
    if rules:
        named = [{"Name": name, "Value": value} for name, value in rules]
        entry["Filter"] = {"Key": {"FilterRules": named}}
    s3.put_bucket_notification_configuration(
        Bucket=bucket, NotificationConfiguration={"QueueConfigurations": [entry]}
    )


def test_records(s3, bucket, queue):
    arn, take = queue
    listen(s3, bucket, arn)
    [test] = take()
    assert (test["Service"], test["Event"], test["Bucket"]) == ("Amazon S3", "s3:TestEvent", bucket)
    s3.put_object(Bucket=bucket, Key="a b+é", Body=b"hello")
    [message] = take()
    [record] = message["Records"]
    assert record["eventVersion"] == "2.1"
    assert (record["eventSource"], record["eventName"]) == ("aws:s3", "ObjectCreated:Put")
    assert record["awsRegion"] == "us-east-1"
    assert set(record) == {
        "eventVersion", "eventSource", "awsRegion", "eventTime", "eventName", "userIdentity",
        "requestParameters", "responseElements", "s3",
    }  # fmt: skip
    told = record["s3"]
    assert (told["s3SchemaVersion"], told["configurationId"]) == ("1.0", "mine")
    assert told["bucket"]["arn"] == "arn:aws:s3:::a-bucket"
    assert told["object"]["key"] == "a+b%2B%C3%A9"
    assert told["object"]["size"] == 5
    assert told["object"]["eTag"] == "5d41402abc4b2a76b9719d911017c592"
    assert set(told["object"]) == {"key", "size", "eTag", "sequencer"}


def test_filters_and_events(s3, bucket, queue):
    arn, take = queue
    listen(
        s3,
        bucket,
        arn,
        ["s3:ObjectCreated:Copy", "s3:ObjectRemoved:*"],
        [("prefix", "in/"), ("suffix", ".jpg")],
    )
    take()
    s3.put_object(Bucket=bucket, Key="in/a.jpg")
    source = {"Bucket": bucket, "Key": "in/a.jpg"}
    for key in ("in/b.jpg", "in/b.png", "out/b.jpg"):
        s3.copy_object(Bucket=bucket, Key=key, CopySource=source)
    s3.delete_object(Bucket=bucket, Key="in/a.jpg")
    s3.delete_object(Bucket=bucket, Key="out/b.jpg")
    names = [record["eventName"] for body in take() for record in body["Records"]]
    assert sorted(names) == ["ObjectCreated:Copy", "ObjectRemoved:Delete"]


def test_a_target_that_may_not_be_sent_to(s3, bucket, cloud, refused):
    """Recorded: the queue's policy must let S3 in."""
    cloud.client("sqs").create_queue(QueueName="closed")
    arn = "arn:aws:sqs:us-east-1:000000000000:closed"
    error = refused(listen, s3=s3, bucket=bucket, arn=arn)
    assert error["Code"] == "InvalidArgument"
    assert error["Message"] == "Unable to validate the following destination configurations"


@pytest.mark.parametrize("events", [["s3:Nonsense"], ["ObjectCreated:Put"]])
def test_unknown_events(s3, bucket, queue, refused, events):
    error = refused(listen, s3=s3, bucket=bucket, arn=queue[0], events=events)
    assert error["Message"] == "The event is not supported for notifications"


def test_configuration_comes_back(s3, bucket, queue):
    assert set(s3.get_bucket_notification_configuration(Bucket=bucket)) == {"ResponseMetadata"}
    listen(s3, bucket, queue[0], rules=[("prefix", "a")])
    got = s3.get_bucket_notification_configuration(Bucket=bucket)
    [entry] = got["QueueConfigurations"]
    assert (entry["Id"], entry["Events"]) == ("mine", ["s3:ObjectCreated:*"])
    assert entry["Filter"]["Key"]["FilterRules"] == [{"Name": "Prefix", "Value": "a"}]
    s3.put_bucket_notification_configuration(Bucket=bucket, NotificationConfiguration={})
    assert set(s3.get_bucket_notification_configuration(Bucket=bucket)) == {"ResponseMetadata"}
