"""A load for the crash test: writers that note what was acknowledged, and checks of what is there afterwards.

Each writer is a thread with a boto3 client of its own. What a writer noted was answered by the server; what it was doing
when the server died may be there or not, but never by half.
"""

from __future__ import annotations

import hashlib
import json
import random
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

TABLE, TWIN, QUEUE, BUCKET, EVENTS = "items", "twins", "messages", "objects", "events"
ACCOUNT = "000000000000"
REGION = "us-east-1"
KEY_SCHEMA = {
    "AttributeDefinitions": [{"AttributeName": "pk", "AttributeType": "S"}],
    "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}],
    "BillingMode": "PAY_PER_REQUEST",
}
SETTLE_S_MAX = 30.0
STACK_DONE = ("CREATE_COMPLETE", "ROLLBACK_COMPLETE", "ROLLBACK_FAILED", "CREATE_FAILED")


def client(service: str, endpoint: str, attempts: int = 1) -> Any:
    """A client that does not wait long, and by itself does not try again: so it is known what was acknowledged."""
    session = boto3.session.Session("test", "test", region_name=REGION)
    config = Config(
        retries={"total_max_attempts": attempts},
        connect_timeout=2,
        read_timeout=20,
        s3={"addressing_style": "path"},
        inject_host_prefix=False,
    )
    return session.client(service, endpoint_url=endpoint, config=config)


def content_of(name: str) -> bytes:
    """What belongs under a name: bytes that follow from it, of a size from a few to some hundred thousand."""
    digest = hashlib.sha256(name.encode()).digest()
    size = (50, 3000, 90_000, 300_000)[digest[0] % 4]
    return (digest * (size // 32 + 1))[:size]


def until(true: Callable[[], bool], what: str) -> None:
    """Wait until `true()`; what goes on by itself after a restart needs a moment."""
    end = time.monotonic() + SETTLE_S_MAX
    while not true():
        assert time.monotonic() < end, f"still not so: {what}"
        time.sleep(0.1)


class Load:
    """The writers, what they were told is done, and the checks."""

    def __init__(self, endpoint: str, seed: int) -> None:
        self.endpoint = endpoint
        self.chance = random.Random(seed)
        self.items: set[str] = set()
        self.pairs: set[str] = set()
        self.messages: set[str] = set()
        self.objects: set[str] = set()
        self.deleted: set[str] = set()
        self.stacks: set[str] = set()
        self.counted = 0
        self.counts_tried = 0
        self.refusals: list[str] = []
        self._numbers = iter(range(10**9))
        self._numbers_lock = threading.Lock()
        self._stop = threading.Event()
        self._threads: list[threading.Thread] = []
        self._clients: dict[str, Any] = {}

    def client(self, service: str) -> Any:
        """The main thread's client of a service."""
        if service not in self._clients:
            # Who looks afterwards may ask again, as every client does.
            self._clients[service] = client(service, self.endpoint, attempts=3)
        return self._clients[service]

    @property
    def acknowledged(self) -> int:
        """How much was acknowledged in all."""
        return sum(map(len, (self.items, self.pairs, self.messages, self.objects, self.stacks)))

    def prepare(self) -> None:
        """Tables, queues, a bucket that notifies a queue."""
        for table in (TABLE, TWIN):
            self.client("dynamodb").create_table(TableName=table, **KEY_SCHEMA)
        sqs = self.client("sqs")
        for queue in (QUEUE, EVENTS):
            sqs.create_queue(QueueName=queue, Attributes={"VisibilityTimeout": "600"})
        arn = f"arn:aws:sqs:{REGION}:{ACCOUNT}:{EVENTS}"
        policy = {
            "Version": "2012-10-17",
            "Statement": [
                {
                    "Effect": "Allow",
                    "Principal": {"Service": "s3.amazonaws.com"},
                    "Action": "sqs:SendMessage",
                    "Resource": arn,
                }
            ],
        }
        sqs.set_queue_attributes(
            QueueUrl=self._queue_url(EVENTS), Attributes={"Policy": json.dumps(policy)}
        )
        s3 = self.client("s3")
        s3.create_bucket(Bucket=BUCKET)
        s3.put_bucket_notification_configuration(
            Bucket=BUCKET,
            NotificationConfiguration={
                "QueueConfigurations": [{"QueueArn": arn, "Events": ["s3:ObjectCreated:*"]}]
            },
        )

    def _queue_url(self, name: str) -> str:
        url: str = self.client("sqs").get_queue_url(QueueName=name)["QueueUrl"]
        return url

    def start(self) -> None:
        """Let the writers write."""
        self._stop.clear()
        urls = {QUEUE: self._queue_url(QUEUE)}
        writers: list[Callable[[], None]] = [
            self._items(client("dynamodb", self.endpoint)),
            self._pairs(client("dynamodb", self.endpoint)),
            self._counts(client("dynamodb", self.endpoint)),
            self._messages(client("sqs", self.endpoint), urls[QUEUE]),
            self._objects(client("s3", self.endpoint)),
            self._stacks(client("cloudformation", self.endpoint)),
        ]
        self._threads = [threading.Thread(target=self._keep_on, args=(one,)) for one in writers]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Wait until all writers have ended, which they do when the server is gone."""
        self._stop.set()
        for thread in self._threads:
            thread.join(60)
            assert not thread.is_alive(), "a request hangs although the server is gone"

    def _keep_on(self, write: Callable[[], None]) -> None:
        while not self._stop.is_set():
            try:
                write()
            except BotoCoreError:
                # Cut off in the middle: not acknowledged. Nothing listens now, so go gently.
                self._stop.wait(0.01)
            except ClientError as error:
                self.refusals.append(str(error))
                self._stop.wait(0.01)

    def _number(self) -> int:
        with self._numbers_lock:
            return next(self._numbers)

    def _items(self, dynamodb: Any) -> Callable[[], None]:
        def write() -> None:
            name = f"item-{self._number()}"
            value = {"B": content_of(name)[:3000]}
            dynamodb.put_item(TableName=TABLE, Item={"pk": {"S": name}, "value": value})
            self.items.add(name)

        return write

    def _pairs(self, dynamodb: Any) -> Callable[[], None]:
        def write() -> None:
            name = f"pair-{self._number()}"
            puts = [
                {"Put": {"TableName": table, "Item": {"pk": {"S": name}}}}
                for table in (TABLE, TWIN)
            ]
            dynamodb.transact_write_items(TransactItems=puts)
            self.pairs.add(name)

        return write

    def _counts(self, dynamodb: Any) -> Callable[[], None]:
        def write() -> None:
            self.counts_tried += 1
            dynamodb.update_item(
                TableName=TABLE,
                Key={"pk": {"S": "counter"}},
                UpdateExpression="ADD n :one",
                ExpressionAttributeValues={":one": {"N": "1"}},
            )
            self.counted += 1

        return write

    def _messages(self, sqs: Any, url: str) -> Callable[[], None]:
        def write() -> None:
            name = f"message-{self._number()}"
            sqs.send_message(QueueUrl=url, MessageBody=name)
            self.messages.add(name)

        return write

    def _objects(self, s3: Any) -> Callable[[], None]:
        def write() -> None:
            name = f"object-{self._number()}"
            s3.put_object(Bucket=BUCKET, Key=name, Body=content_of(name))
            self.objects.add(name)
            if len(self.objects) % 7 == 0:
                gone = min(self.objects - self.deleted)
                # Noted before: while it is being deleted it may be there or not.
                self.deleted.add(gone)
                s3.delete_object(Bucket=BUCKET, Key=gone)

        return write

    def _stacks(self, cloudformation: Any) -> Callable[[], None]:
        def write() -> None:
            name = f"stack-{self._number()}"
            template = {
                "Resources": {
                    letter: {
                        "Type": "AWS::SQS::Queue",
                        "Properties": {"QueueName": f"{name}-{letter}"},
                    }
                    for letter in "ABC"
                }
            }
            cloudformation.create_stack(StackName=name, TemplateBody=json.dumps(template))
            self.stacks.add(name)
            self._stop.wait(0.1)

        return write

    def check(self) -> None:
        """Everything that was acknowledged is there, and nothing by half."""
        self.check_rows()
        self._check_stacks()
        attributes = self.client("sqs").get_queue_attributes(
            QueueUrl=self._queue_url(QUEUE), AttributeNames=["ApproximateNumberOfMessages"]
        )["Attributes"]
        assert int(attributes["ApproximateNumberOfMessages"]) >= len(self.messages)

    def check_rows(self) -> None:
        """The same of all that is there at once, whatever goes on by itself."""
        self._check_items()
        self._check_objects()

    def _scan(self, table: str) -> dict[str, Any]:
        pages = self.client("dynamodb").get_paginator("scan").paginate(TableName=table)
        return {item["pk"]["S"]: item for page in pages for item in page["Items"]}

    def _check_items(self) -> None:
        found, twins = self._scan(TABLE), self._scan(TWIN)
        assert not self.items - found.keys(), "acknowledged items are lost"
        assert not self.pairs - found.keys(), "acknowledged pairs are lost"
        for name, item in found.items():
            if name.startswith("item-"):
                assert item["value"]["B"] == content_of(name)[:3000]
        counter = int(found.get("counter", {"n": {"N": "0"}})["n"]["N"])
        assert self.counted <= counter <= self.counts_tried, "a count was lost, or done twice"
        assert {name for name in found if name.startswith("pair-")} == twins.keys(), "half a pair"

    def _check_objects(self) -> None:
        s3 = self.client("s3")
        pages = s3.get_paginator("list_objects_v2").paginate(Bucket=BUCKET)
        found = {item["Key"]: item for page in pages for item in page.get("Contents", ())}
        assert not self.objects - self.deleted - found.keys(), "acknowledged objects are lost"
        for name, item in found.items():
            content = content_of(name)
            assert item["Size"] == len(content)
            assert s3.get_object(Bucket=BUCKET, Key=name)["Body"].read() == content

    def _check_stacks(self) -> None:
        def states() -> dict[str, str]:
            pages = self.client("cloudformation").get_paginator("describe_stacks").paginate()
            return {
                one["StackName"]: one["StackStatus"] for page in pages for one in page["Stacks"]
            }

        assert not self.stacks - states().keys(), "acknowledged stacks are lost"
        until(
            lambda: all(state in STACK_DONE for state in states().values()), "stacks come to an end"
        )
        pages = self.client("sqs").get_paginator("list_queues").paginate(QueueNamePrefix="stack-")
        queues = {url.rpartition("/")[2] for page in pages for url in page.get("QueueUrls", ())}
        for name, state in states().items():
            mine = {f"{name}-{letter}" for letter in "ABC"}
            if state == "CREATE_COMPLETE":
                assert mine <= queues, f"{name} is complete but its queues are not there"
            else:
                assert not mine & queues, f"{name} was rolled back but left queues behind"

    def check_queues(self) -> None:
        """At the end: every message can be received, and every object's event has arrived."""
        bodies = set(self._received(QUEUE))
        assert not self.messages - bodies, "acknowledged messages are lost"
        notified: set[str] = set()

        def all_notified() -> bool:
            for body in self._received(EVENTS):
                for record in json.loads(body).get("Records", ()):
                    notified.add(record["s3"]["object"]["key"])
            return not self.objects - notified

        until(all_notified, "every object's notification has arrived")

    def _received(self, queue: str) -> Iterator[str]:
        sqs, url = self.client("sqs"), self._queue_url(queue)
        while True:
            answer = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10)
            messages = answer.get("Messages", ())
            if not messages:
                return
            for message in messages:
                yield message["Body"]
