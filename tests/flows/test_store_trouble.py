"""A full disk and damaged records, as clients of the services see them: each protocol's own error, and the rest goes on."""

from __future__ import annotations

import logging
from collections.abc import Callable
from http.client import HTTPException
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from serein.store.space import Space
from tests.cloud import Cloud
from tests.running import RunningSerein


class FullDisk(Space):
    """A disk with nothing left."""

    def __init__(self) -> None:
        self.full = True

    @property
    def short(self) -> bool:
        return self.full


def refused(call: Callable[..., Any], **params: Any) -> tuple[str, int]:
    with pytest.raises(ClientError) as caught:
        call(**params)
    answer = caught.value.response
    return answer["Error"]["Code"], answer["ResponseMetadata"]["HTTPStatusCode"]


def test_a_full_disk_refuses_writes_in_each_services_words(cloud: Cloud) -> None:
    """Codes: the models' server errors; S3's and the common ones where a model has none (see `wire/server_faults.py`)."""
    dynamodb, sqs, s3 = cloud.client("dynamodb"), cloud.client("sqs"), cloud.client("s3")
    iam, logs = cloud.client("iam"), cloud.client("logs")
    key = {"AttributeName": "k", "KeyType": "HASH"}
    dynamodb.create_table(
        TableName="tbl",
        KeySchema=[key],
        AttributeDefinitions=[{"AttributeName": "k", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    cloud.advance(5)
    dynamodb.put_item(TableName="tbl", Item={"k": {"S": "1"}})
    queue = sqs.create_queue(QueueName="q")["QueueUrl"]
    sqs.send_message(QueueUrl=queue, MessageBody="before")
    s3.create_bucket(Bucket="bkt")
    s3.put_object(Bucket="bkt", Key="k", Body=b"before")

    disk = FullDisk()
    store: Any = cloud.house.store
    store._space = disk
    item = {"k": {"S": "2"}}
    assert refused(dynamodb.put_item, TableName="tbl", Item=item) == ("InternalServerError", 500)
    assert refused(s3.put_object, Bucket="bkt", Key="n", Body=b"x") == ("ServiceUnavailable", 503)
    sent = refused(sqs.send_message, QueueUrl=queue, MessageBody="x")
    assert sent == ("ServiceUnavailable", 503)
    assert refused(iam.create_user, UserName="u") == ("ServiceFailure", 500)
    grouped = refused(logs.create_log_group, logGroupName="g")
    assert grouped == ("ServiceUnavailableException", 500)

    # Reading goes on, and so does what makes room.
    assert dynamodb.get_item(TableName="tbl", Key={"k": {"S": "1"}})["Item"]
    assert s3.get_object(Bucket="bkt", Key="k")["Body"].read() == b"before"
    (message,) = sqs.receive_message(QueueUrl=queue)["Messages"]
    sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
    dynamodb.delete_item(TableName="tbl", Key={"k": {"S": "1"}})
    s3.delete_object(Bucket="bkt", Key="k")

    disk.full = False
    dynamodb.put_item(TableName="tbl", Item=item)
    s3.put_object(Bucket="bkt", Key="k", Body=b"after")


def test_a_damaged_record_is_an_internal_error_and_the_server_goes_on(
    cloud: Cloud, caplog: pytest.LogCaptureFixture
) -> None:
    sqs, s3 = cloud.client("sqs"), cloud.client("s3")
    s3.create_bucket(Bucket="bkt")
    for name in ("broken", "whole"):
        s3.put_object(Bucket="bkt", Key=name, Body=b"x")
    store: Any = cloud.house.store
    rows = store._engine._tables["s3.objects"].rows
    (broken,) = [key for key in rows if b"broken" in key]
    rows[broken] = b"\xc1 is nothing in MessagePack"
    with caplog.at_level(logging.ERROR):
        assert refused(s3.get_object, Bucket="bkt", Key="broken") == ("InternalError", 500)
        assert refused(s3.list_objects_v2, Bucket="bkt") == ("InternalError", 500)
    assert "table s3.objects, key ('bkt', 'broken')" in caplog.text
    assert s3.get_object(Bucket="bkt", Key="whole")["Body"].read() == b"x"
    queue = sqs.create_queue(QueueName="q")["QueueUrl"]
    assert sqs.send_message(QueueUrl=queue, MessageBody="m")["MessageId"]


@pytest.mark.parametrize("at", [10, 70_000])
def test_a_damaged_blob_is_never_served(tmp_path: Path, at: int) -> None:
    """By a real server: the answer ends before the damaged stretch, shorter than it said, or is an error at once."""
    body = bytes(range(256)) * 1200
    with RunningSerein(tmp_path) as serein:
        s3 = boto3.client(
            "s3",
            endpoint_url=serein.endpoint,
            region_name="us-east-1",
            aws_access_key_id="test",
            aws_secret_access_key="test",
            config=Config(retries={"total_max_attempts": 1}, s3={"addressing_style": "path"}),
        )
        s3.create_bucket(Bucket="bkt")
        for key in ("k", "whole"):
            s3.put_object(Bucket="bkt", Key=key, Body=body)
            if key == "k":
                (path,) = (tmp_path / "blobs").glob("??/*")
        with path.open("r+b") as file:
            file.seek(at)
            file.write(b"!!")
        with pytest.raises((ClientError, BotoCoreError, HTTPException, OSError)):
            s3.get_object(Bucket="bkt", Key="k")["Body"].read()
        with pytest.raises((ClientError, BotoCoreError, HTTPException, OSError)):
            s3.get_object(Bucket="bkt", Key="k", Range=f"bytes={at}-{at + 5}")["Body"].read()
        after = s3.get_object(Bucket="bkt", Key="k", Range="bytes=140000-")["Body"].read()
        assert after == body[140_000:]
        assert s3.get_object(Bucket="bkt", Key="whole")["Body"].read() == body
