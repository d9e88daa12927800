"""Who lives in the world: producers, consumers and watchers of each service, each writing down what it was told."""

from __future__ import annotations

import json
import random
from collections import defaultdict
from typing import Any

from serein.base.errors import AwsError
from tests.simulation.world import Lost, World

VISIBILITY_S = 20
GROUPS = ("a", "b", "c")
KEYS = ("k1", "k2", "k3")
POLICY = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Principal": {"Service": "s3.amazonaws.com"},
            "Action": "sqs:SendMessage",
            "Resource": "*",
        }
    ],
}


def _url(name: str) -> str:
    return f"http://127.0.0.1:4566/000000000000/{name}"


class Queue:
    """What is known of a queue: what was sent, received, deleted, by body."""

    def __init__(self, name: str, fifo: bool = False) -> None:
        self.name = name + (".fifo" if fifo else "")
        self.fifo = fifo
        self.sent: set[str] = set()
        """Acknowledged."""
        self.maybe: set[str] = set()
        self.received: dict[str, set[str]] = defaultdict(set)
        """Message ids by body."""
        self.deleting: set[str] = set()
        """Message ids whose deletion was asked for, acknowledged or not."""
        self.deleted: set[str] = set()
        self.order: dict[str, list[str]] = defaultdict(list)
        """Bodies by group in the order in which they were sent."""

    async def send(self, world: World, rng: random.Random, body: str, group: str = "") -> None:
        """Send until it is acknowledged (FIFO: under one deduplication id), or (standard) perhaps give up."""
        params = {"QueueUrl": _url(self.name), "MessageBody": body}
        if self.fifo:
            params |= {"MessageGroupId": group, "MessageDeduplicationId": body}
            self.order[group].append(body)
        self.maybe.add(body)
        while True:
            try:
                await world.call(rng, "sqs", "SendMessage", params)
            except Lost:
                if not self.fifo and rng.random() < 0.7:
                    return
                await world.sleep(rng.random())
                continue
            break
        world.note(f"sent {self.name} {body}")
        self.sent.add(body)

    async def consume(self, world: World, rng: random.Random) -> None:
        """Receive, work, delete; now and then forget to."""
        while True:
            before = set(self.deleted)
            wait_s = rng.choice((0, 2, 10))
            params = {
                "QueueUrl": _url(self.name),
                "MaxNumberOfMessages": rng.randint(1, 4),
                "WaitTimeSeconds": wait_s,
                "VisibilityTimeout": VISIBILITY_S,
                "AttributeNames": ["All"],
            }
            try:
                answer = await world.call(rng, "sqs", "ReceiveMessage", params)
            except Lost:
                await world.sleep(rng.random())
                continue
            got = answer.get("Messages", [])
            batch: list[str] = []
            for message in got:
                self._check(world, message, before, batch)
                batch.append(message["Body"])
            if not got and not wait_s:
                await world.sleep(10.0 if world.is_calm else 1.0)
            await world.sleep(rng.random() * 3)
            for message in got:
                if not world.is_calm and rng.random() < 0.15:
                    continue  # It crashed: the message comes back.
                await self._delete(world, rng, message)

    def _check(
        self, world: World, message: dict[str, Any], before: set[str], batch: list[str]
    ) -> None:
        body, number = message["Body"], message["MessageId"]
        world.note(f"received {self.name} {body}")
        self.received[body].add(number)
        world.check(number not in before, f"{self.name}: {body} came after it was deleted")
        if not self.fifo:
            return
        world.check(body in self.maybe, f"{self.name}: {body} was never sent")
        group = message["Attributes"]["MessageGroupId"]
        order = self.order[group]
        for earlier in order[: order.index(body)]:
            if earlier in self.sent and earlier not in batch:
                done = self.received[earlier] & self.deleting
                world.check(bool(done), f"{self.name}: {body} came before {earlier} was done with")

    async def _delete(self, world: World, rng: random.Random, message: dict[str, Any]) -> None:
        self.deleting.add(message["MessageId"])
        params = {"QueueUrl": _url(self.name), "ReceiptHandle": message["ReceiptHandle"]}
        try:
            await world.call(rng, "sqs", "DeleteMessage", params)
        except Lost:
            return
        except AwsError as error:
            # https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_DeleteMessage.html: a FIFO
            # queue's receipt is of no use once the message has become visible again.
            world.note(f"not deleted {self.name} {message['Body']}: {error.code}")
            return
        if not self.fifo or len(self.received[message["Body"]]) == 1:
            self.deleted.add(message["MessageId"])
        world.note(f"deleted {self.name} {message['Body']}")

    def judge(self, world: World) -> None:
        """At the end, when everybody had time to receive all that is there."""
        for body in sorted(self.sent):
            world.check(bool(self.received[body]), f"{self.name}: {body} was acknowledged and lost")
        if self.fifo:
            for body, numbers in sorted(self.received.items()):
                world.check(len(numbers) <= 1, f"{self.name}: {body} is there twice")


class Cloud:
    """Everything that the actors have made, and what they know of it."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.work = Queue("work")
        self.orders = Queue("orders", fifo=True)
        self.events = Queue("events")
        self.puts: dict[str, str] = {}
        """Tags of puts by their state: "sent", "maybe", "refused"."""
        self.counted = 0
        self.counted_maybe = 0
        self.changes: dict[str, list[tuple[str, str]]] = defaultdict(list)
        """Per item what was written, and whether that is sure ("sent", "maybe", "refused")."""
        self.seen: dict[str, list[str]] = defaultdict(list)
        self.stream = ""

    async def build(self, rng: random.Random) -> None:
        """Queues, a bucket that notifies one of them, a table with a stream."""
        world = self.world
        for queue in (self.work, self.orders, self.events):
            attributes = {"FifoQueue": "true"} if queue.fifo else {}
            if queue is self.events:
                attributes["Policy"] = json.dumps(POLICY)
            params = {"QueueName": queue.name, "Attributes": attributes}
            await world.surely(rng, "sqs", "CreateQueue", params)
        await world.surely(rng, "s3", "CreateBucket", {"Bucket": "bucket"})
        notification = {
            "QueueConfigurations": [
                {
                    "QueueArn": "arn:aws:sqs:us-east-1:000000000000:events",
                    "Events": ["s3:ObjectCreated:*"],
                }
            ]
        }
        await world.surely(
            rng,
            "s3",
            "PutBucketNotificationConfiguration",
            {"Bucket": "bucket", "NotificationConfiguration": notification},
        )
        made = await world.surely(
            rng,
            "dynamodb",
            "CreateTable",
            {
                "TableName": "items",
                "BillingMode": "PAY_PER_REQUEST",
                "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}],
                "AttributeDefinitions": [{"AttributeName": "pk", "AttributeType": "S"}],
                "StreamSpecification": {"StreamEnabled": True, "StreamViewType": "NEW_IMAGE"},
            },
        )
        self.stream = made["TableDescription"]["LatestStreamArn"]

    def people(self) -> None:
        """Everybody begins."""
        world = self.world
        world.is_calm = False
        world.actor(lambda world, rng: self._produce(rng))
        for group in GROUPS:
            world.actor(lambda world, rng, group=group: self._order(rng, group))  # type: ignore[misc]
        for queue in (self.work, self.orders, self.orders, self.events):
            world.actor(lambda world, rng, queue=queue: queue.consume(world, rng))  # type: ignore[misc]
        world.actor(lambda world, rng: self._upload(rng))
        world.actor(lambda world, rng: self._count(rng))
        for key in KEYS:
            world.actor(lambda world, rng, key=key: self._write(rng, key))  # type: ignore[misc]
        world.actor(lambda world, rng: self._pairs(rng))
        world.actor(lambda world, rng: self._read_pairs(rng))
        world.actor(lambda world, rng: self._follow(rng))

    async def _produce(self, rng: random.Random) -> None:
        number = 0
        while not self.world.is_calm:
            number += 1
            await self.work.send(self.world, rng, f"w{number}")
            await self.world.sleep(rng.random())

    async def _order(self, rng: random.Random, group: str) -> None:
        number = 0
        while not self.world.is_calm:
            number += 1
            await self.orders.send(self.world, rng, f"{group}{number}", group)
            await self.world.sleep(rng.random() * 3)

    async def _upload(self, rng: random.Random) -> None:
        """Puts, every second one under a condition that does not hold: that one must not be heard of."""
        number = 0
        while not self.world.is_calm:
            number += 1
            tag = f"o{number}"
            params: dict[str, Any] = {"Bucket": "bucket", "Key": tag, "Body": tag.encode() * 20_000}
            refused = number % 3 == 0 and self.puts.get(f"o{number - 1}") == "sent"
            if refused:
                params |= {"Key": f"o{number - 1}", "IfNoneMatch": "*", "Metadata": {"tag": tag}}
            try:
                await self.world.call(rng, "s3", "PutObject", params)
                self.puts[tag] = "sent"
                self.world.check(not refused, f"{tag} was put though its condition did not hold")
            except Lost:
                self.puts[tag] = "maybe"
            except AwsError:
                self.puts[tag] = "refused"
            self.world.note(f"put {tag}: {self.puts[tag]}")
            await self.world.sleep(rng.random() * 2)

    async def _count(self, rng: random.Random) -> None:
        params = {
            "TableName": "items",
            "Key": {"pk": {"S": "counter"}},
            "UpdateExpression": "ADD n :one",
            "ExpressionAttributeValues": {":one": {"N": "1"}},
        }
        while not self.world.is_calm:
            try:
                await self.world.call(rng, "dynamodb", "UpdateItem", params)
                self.counted += 1
            except Lost:
                self.counted_maybe += 1
            await self.world.sleep(rng.random())

    async def _write(self, rng: random.Random, key: str) -> None:
        """Compare and set: each write names the one before it. A lost answer is looked up."""
        number = 0
        while not self.world.is_calm:
            number += 1
            value = f"{key}-{number}"
            before = await self._value(rng, key)
            names_wrong = rng.random() < 0.2
            condition = "nonsense" if names_wrong else before
            params: dict[str, Any] = {
                "TableName": "items",
                "Item": {"pk": {"S": key}, "v": {"S": value}},
            }
            if condition:
                params |= {
                    "ConditionExpression": "v = :before",
                    "ExpressionAttributeValues": {":before": {"S": condition}},
                }
            state = "sent"
            try:
                await self.world.call(rng, "dynamodb", "PutItem", params)
            except Lost:
                state = "maybe"
            except AwsError:
                state = "refused"
            if names_wrong and condition:
                self.world.check(state != "sent", f"{value} was written against its condition")
                state = "refused"
            self.changes[key].append((value, state))
            self.world.note(f"wrote {value}: {state}")
            await self.world.sleep(rng.random() * 2)

    async def _value(self, rng: random.Random, key: str) -> str:
        params = {"TableName": "items", "Key": {"pk": {"S": key}}, "ConsistentRead": True}
        found = await self.world.surely(rng, "dynamodb", "GetItem", params)
        return str(found.get("Item", {}).get("v", {}).get("S", ""))

    async def _pairs(self, rng: random.Random) -> None:
        number = 0
        while not self.world.is_calm:
            number += 1
            puts = [
                {
                    "Put": {
                        "TableName": "items",
                        "Item": {"pk": {"S": name}, "v": {"S": f"p{number}"}},
                    }
                }
                for name in ("left", "right")
            ]
            try:
                await self.world.call(
                    rng, "dynamodb", "TransactWriteItems", {"TransactItems": puts}
                )
            except Lost:
                pass
            await self.world.sleep(rng.random() * 2)

    async def _read_pairs(self, rng: random.Random) -> None:
        gets = [
            {"Get": {"TableName": "items", "Key": {"pk": {"S": name}}}}
            for name in ("left", "right")
        ]
        while True:
            found = await self.world.surely(
                rng, "dynamodb", "TransactGetItems", {"TransactItems": gets}
            )
            left, right = (one.get("Item", {}).get("v") for one in found["Responses"])
            self.world.check(left == right, f"half a transaction was seen: {left}, {right}")
            await self.world.sleep(rng.random() * (30 if self.world.is_calm else 3))

    async def _follow(self, rng: random.Random) -> None:
        """Read the stream from its beginning, each record once; where an answer was lost, from the same place again."""
        world = self.world
        described = await world.surely(
            rng, "dynamodbstreams", "DescribeStream", {"StreamArn": self.stream}
        )
        for shard in described["StreamDescription"]["Shards"]:
            world.spawn(self._follow_shard(random.Random(rng.getrandbits(64)), shard["ShardId"]))

    async def _follow_shard(self, rng: random.Random, shard: str) -> None:
        world = self.world
        params = {
            "StreamArn": self.stream,
            "ShardId": shard,
            "ShardIteratorType": "TRIM_HORIZON",
        }
        found = await world.surely(rng, "dynamodbstreams", "GetShardIterator", params)
        iterator = found["ShardIterator"]
        while iterator:
            try:
                page = await world.call(
                    rng, "dynamodbstreams", "GetRecords", {"ShardIterator": iterator}
                )
            except Lost:
                await world.sleep(rng.random())
                continue
            except AwsError:
                # An iterator lasts fifteen minutes.
                await world.sleep(1.0)
                continue
            for record in page["Records"]:
                change = record["dynamodb"]
                value = change["NewImage"].get("v", {}).get("S", "")
                self.seen[change["Keys"]["pk"]["S"]].append(value)
            iterator = page.get("NextShardIterator")
            await world.sleep(rng.random() * 4)

    # At the end.

    async def judge(self, rng: random.Random) -> None:
        """What must hold of everything together."""
        world = self.world
        self.work.judge(world)
        self.orders.judge(world)
        self._judge_events()
        params = {"TableName": "items", "Key": {"pk": {"S": "counter"}}, "ConsistentRead": True}
        found = await world.surely(rng, "dynamodb", "GetItem", params)
        count = int(found.get("Item", {}).get("n", {}).get("N", "0"))
        world.check(
            self.counted <= count <= self.counted + self.counted_maybe,
            f"the counter is {count}: {self.counted} were acknowledged, {self.counted_maybe} may be",
        )
        for key in KEYS:
            self._judge_stream(key)
        left, right = self.seen["left"], self.seen["right"]
        world.check(left == right, "the stream has halves of transactions")

    def _judge_events(self) -> None:
        world = self.world
        heard: set[str] = set()
        for body in self.events.received:
            event = json.loads(body)
            for record in event.get("Records", ()):
                heard.add(record["s3"]["object"]["key"])
        for tag, state in self.puts.items():
            if state == "sent":
                world.check(tag in heard, f"nobody was told of {tag}")
            if state == "refused":
                world.check(tag not in heard, f"somebody was told of {tag}, which was refused")

    def _judge_stream(self, key: str) -> None:
        world = self.world
        seen = self.seen[key]
        world.check(len(seen) == len(set(seen)), f"the stream has a change of {key} twice")
        known = [value for value, state in self.changes[key] if state != "refused"]
        refused = {value for value, state in self.changes[key] if state == "refused"}
        world.check(not refused & set(seen), f"the stream has what was refused of {key}")
        for value, state in self.changes[key]:
            if state == "sent":
                world.check(value in seen, f"the stream lacks {value}")
        order = [value for value in known if value in set(seen)]
        world.check(order == seen, f"the stream has the changes of {key} in another order")
