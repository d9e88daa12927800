"""Further promises and those who test them: idempotency tokens, delays, visibility, dead letters, expiry of items."""

from __future__ import annotations

import json
import random
from collections import defaultdict
from typing import Any

from serein.base.errors import AwsError
from tests.simulation.world import Lost, World

VISIBILITY_S = 15
RECEIVES_MAX = 3


def _url(name: str) -> str:
    return f"http://127.0.0.1:4566/000000000000/{name}"


class Promises:
    """Queues with delays and dead letters, a counter under tokens, items that expire."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.counted = 0
        self.counting = False
        self.due: dict[str, float] = {}
        """When a delayed message may be seen first."""
        self.sent: set[str] = set()
        self.seen_at: dict[str, float] = {}
        """When the request began by whose answer a message was last received."""
        self.receives: dict[str, int] = defaultdict(int)
        self.deleting: set[str] = set()
        self.dead: set[str] = set()
        self.expired: set[str] = set()
        self.expires: dict[str, float] = {}

    async def build(self, rng: random.Random) -> None:
        """A queue with dead letters, and a table whose items expire."""
        world = self.world
        await world.surely(rng, "sqs", "CreateQueue", {"QueueName": "dead"})
        redrive = {
            "deadLetterTargetArn": "arn:aws:sqs:us-east-1:000000000000:dead",
            "maxReceiveCount": RECEIVES_MAX,
        }
        attributes = {
            "RedrivePolicy": json.dumps(redrive),
            "VisibilityTimeout": str(VISIBILITY_S),
        }
        await world.surely(
            rng, "sqs", "CreateQueue", {"QueueName": "fragile", "Attributes": attributes}
        )
        await world.surely(
            rng,
            "dynamodb",
            "CreateTable",
            {
                "TableName": "mortal",
                "BillingMode": "PAY_PER_REQUEST",
                "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}],
                "AttributeDefinitions": [{"AttributeName": "pk", "AttributeType": "S"}],
            },
        )
        await world.surely(
            rng,
            "dynamodb",
            "UpdateTimeToLive",
            {
                "TableName": "mortal",
                "TimeToLiveSpecification": {"Enabled": True, "AttributeName": "ends"},
            },
        )

    def people(self) -> None:
        """They begin."""
        world = self.world
        world.actor(lambda world, rng: self._count(rng))
        world.actor(lambda world, rng: self._send(rng))
        world.actor(lambda world, rng: self._receive(rng))
        world.actor(lambda world, rng: self._receive(rng))
        world.actor(lambda world, rng: self._bury(rng))
        world.actor(lambda world, rng: self._bear(rng))

    async def _count(self, rng: random.Random) -> None:
        """Under one token until it is acknowledged: counted once, however often it was asked for.

        https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/transaction-apis.html
        """
        number = 0
        while not self.world.is_calm:
            number += 1
            update = {
                "TableName": "mortal",
                "Key": {"pk": {"S": "counter"}},
                "UpdateExpression": "ADD n :one",
                "ExpressionAttributeValues": {":one": {"N": "1"}},
            }
            params = {"TransactItems": [{"Update": update}], "ClientRequestToken": f"t{number}"}
            self.counting = True
            await self.world.surely(rng, "dynamodb", "TransactWriteItems", params)
            self.counting = False
            self.counted += 1
            await self.world.sleep(rng.random() * 2)

    async def _send(self, rng: random.Random) -> None:
        number = 0
        while not self.world.is_calm:
            number += 1
            body, delay_s = f"f{number}", rng.choice((0, 0, 5, 20))
            self.due[body] = self.world.clock.now() + delay_s
            params = {"QueueUrl": _url("fragile"), "MessageBody": body, "DelaySeconds": delay_s}
            try:
                await self.world.call(rng, "sqs", "SendMessage", params)
                self.sent.add(body)
            except Lost:
                pass
            await self.world.sleep(rng.random() * 2)

    async def _receive(self, rng: random.Random) -> None:
        """Every third message is one that nobody can bear: it is never deleted. Some get more time, some less."""
        world = self.world
        while True:
            began = world.clock.now()
            params = {
                "QueueUrl": _url("fragile"),
                "MaxNumberOfMessages": 10,
                "WaitTimeSeconds": 5,
                "AttributeNames": ["ApproximateReceiveCount"],
            }
            try:
                answer = await world.call(rng, "sqs", "ReceiveMessage", params)
            except Lost:
                await world.sleep(rng.random())
                continue
            for message in answer.get("Messages", ()):
                self._check(message, began)
                if int(message["Body"][1:]) % 3:
                    await self._done(rng, message)
            await world.sleep(rng.random())

    def _check(self, message: dict[str, Any], began: float) -> None:
        world, body = self.world, message["Body"]
        now = world.clock.now()
        world.check(now >= self.due[body], f"{body} was seen before its delay was over")
        number = message["MessageId"]
        last = self.seen_at.get(number)
        world.check(
            last is None or now >= last + VISIBILITY_S,
            f"{body} was seen again before its visibility timeout",
        )
        world.check(number not in self.dead, f"{body} is in both queues")
        count = int(message["Attributes"]["ApproximateReceiveCount"])
        world.check(count <= RECEIVES_MAX, f"{body} was received {count} times")
        world.check(count > self.receives[number], f"the receive count of {body} stands still")
        self.receives[number] = count
        self.seen_at[number] = began

    async def _done(self, rng: random.Random, message: dict[str, Any]) -> None:
        self.deleting.add(message["Body"])
        params = {"QueueUrl": _url("fragile"), "ReceiptHandle": message["ReceiptHandle"]}
        try:
            await self.world.call(rng, "sqs", "DeleteMessage", params)
        except (Lost, AwsError):
            return

    async def _bury(self, rng: random.Random) -> None:
        """Read the dead letters, and leave them there."""
        world = self.world
        params = {
            "QueueUrl": _url("dead"),
            "MaxNumberOfMessages": 10,
            "WaitTimeSeconds": 10,
            "VisibilityTimeout": 0,
        }
        while True:
            try:
                answer = await world.call(rng, "sqs", "ReceiveMessage", params)
            except Lost:
                answer = {}
            for message in answer.get("Messages", ()):
                self.dead.add(message["MessageId"])
                self.expired.add(message["Body"])
                try:
                    await world.call(
                        rng,
                        "sqs",
                        "DeleteMessage",
                        {"QueueUrl": _url("dead"), "ReceiptHandle": message["ReceiptHandle"]},
                    )
                except (Lost, AwsError):
                    continue
            await world.sleep(1 + rng.random() * 5)

    async def _bear(self, rng: random.Random) -> None:
        """Items that end after a while; some are given more time when they already have little."""
        number = 0
        while not self.world.is_calm:
            number += 1
            name = f"m{rng.randint(1, 12)}"
            ends = int(self.world.clock.now()) + rng.choice((5, 60, 4000))
            params = {
                "TableName": "mortal",
                "Item": {"pk": {"S": name}, "ends": {"N": str(ends)}, "n": {"N": str(number)}},
            }
            self.expires[name] = -1.0
            try:
                await self.world.call(rng, "dynamodb", "PutItem", params)
                self.expires[name] = float(ends)
            except Lost:
                pass
            await self.world.sleep(rng.random() * 4)

    # At the end.

    async def judge(self, rng: random.Random) -> None:
        """What must hold of everything together."""
        world = self.world
        found = await self._item(rng, "counter")
        count = int(found.get("n", {}).get("N", "0"))
        least, most = self.counted, self.counted + self.counting
        world.check(least <= count <= most, f"{self.counted} tokens were counted {count} times")
        seen = {body for body in self.sent if body in self.expired or body in self.deleting}
        for body in sorted(self.sent - seen):
            world.check(False, f"{body} is neither done with nor a dead letter")
        for name, ends in sorted(self.expires.items()):
            item = await self._item(rng, name)
            now = world.clock.now()
            if ends > now:
                world.check(bool(item), f"{name} is gone before its time")
            elif 0 < ends < now - 60:
                world.check(not item, f"{name} is there long after its time")

    async def _item(self, rng: random.Random, name: str) -> dict[str, Any]:
        params = {"TableName": "mortal", "Key": {"pk": {"S": name}}, "ConsistentRead": True}
        answer = await self.world.surely(rng, "dynamodb", "GetItem", params)
        found: dict[str, Any] = answer.get("Item", {})
        return found
