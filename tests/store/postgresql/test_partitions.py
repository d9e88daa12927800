"""Three nodes on one database, killed, paused and cut off: registers stay registers, FIFO queues stay in order.

`SEREIN_MISHAPS=40 pytest …/test_partitions.py` makes it longer, `SEREIN_CRASH_SEED` chooses other instants.
"""

from __future__ import annotations

import os
import random
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator

import pytest

from tests.store.postgresql.clients import Caller, NoAnswer, Refused, Trouble, run_all
from tests.store.postgresql.linearizable import UNKNOWN, Seen, is_linearizable
from tests.store.postgresql.nodes import Node
from tests.store.postgresql.server import PostgresServer

MISHAPS = int(os.environ.get("SEREIN_MISHAPS", "4"))
SEED = int(os.environ.get("SEREIN_CRASH_SEED", "20261121"))
CLIENTS = 5
KEYS = 8
GROUPS = 3


# One after the other in one process, so that they can share nodes.
pytestmark = pytest.mark.xdist_group("partitions of postgresql")


@pytest.fixture(scope="module")
def nodes(shared_url: str) -> Iterator[list[Node]]:
    """Three running nodes; whatever happens to them, they run again in the end."""
    made = [Node(shared_url) for _ in range(3)]
    try:
        for node in made:
            node.start()
        yield made
    finally:
        for node in made:
            node.kill()


def register_client(
    number: int, nodes: list[Node], seen: dict[str, list[Seen]], lock: threading.Lock
) -> Callable[[threading.Event], None]:
    """Reads, writes and exchanges registers at random, and notes what it saw."""
    chance = random.Random(SEED * 100 + number)
    caller = Caller(nodes, chance)

    def once(count: int) -> None:
        key = f"key-{chance.randrange(KEYS)}"
        value = f"{number}-{count}"
        kind = chance.choice(["read", "read", "write", "cas", "cas"])
        row = {"TableName": "registers", "Key": {"pk": {"S": key}}}
        expected: str | None = None
        if kind == "cas":
            with lock:
                known = [op.value for op in seen[key] if op.value is not None]
            expected = known[-1] if known else "nothing"
        began = time.monotonic()
        ended, done, found = UNKNOWN, True, value
        try:
            if kind == "read":
                answer = caller.call("dynamodb", "GetItem", {**row, "ConsistentRead": True})
                found = answer.get("Item", {}).get("v", {}).get("S")
            else:
                change = {
                    **row,
                    "UpdateExpression": "SET v = :new",
                    "ExpressionAttributeValues": {":new": {"S": value}},
                }
                if kind == "cas":
                    change["ConditionExpression"] = "v = :old"
                    change["ExpressionAttributeValues"] |= {":old": {"S": expected}}
                caller.call("dynamodb", "UpdateItem", change)
            ended = time.monotonic()
        except NoAnswer:
            if kind == "read":
                return
        except Refused as refused:
            if refused.code != "ConditionalCheckFailedException":
                # Not done, it says; so it must not be seen either.
                if refused.status != 503:
                    raise
                return
            ended, done = time.monotonic(), False
        with lock:
            seen[key].append(Seen(kind, began, ended, found, expected, done))

    def work(stop: threading.Event) -> None:
        count = 0
        while not stop.is_set():
            once(count)
            count += 1
            stop.wait(chance.uniform(0.0, 0.04))

    return work


@pytest.mark.crash
def test_registers_stay_registers(nodes: list[Node], server: PostgresServer) -> None:
    caller = Caller(nodes, random.Random(SEED))
    caller.call(
        "dynamodb",
        "CreateTable",
        {
            "TableName": "registers",
            "AttributeDefinitions": [{"AttributeName": "pk", "AttributeType": "S"}],
            "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}],
            "BillingMode": "PAY_PER_REQUEST",
        },
    )
    seen: dict[str, list[Seen]] = defaultdict(list)
    lock = threading.Lock()
    clients = [register_client(number, nodes, seen, lock) for number in range(CLIENTS)]
    trouble = Trouble(nodes, server, SEED)
    run_all(clients, lambda: trouble.go_through(MISHAPS))
    answered = sum(op.ended != UNKNOWN for ops in seen.values() for op in ops)
    unknown = sum(op.ended == UNKNOWN for ops in seen.values() for op in ops)
    won = sum(op.kind == "cas" and op.done for ops in seen.values() for op in ops)
    print(f"{answered} answered, {unknown} unknown, {won} exchanges done; {trouble.happened}")
    assert answered > 50 * MISHAPS
    assert won
    for key, ops in seen.items():
        assert is_linearizable(ops), (
            f"{key} was no register: {sorted(ops, key=lambda op: op.began)}"
        )


class Fifo:
    """A FIFO queue, what was sent to each of its groups, and what came out."""

    def __init__(self, nodes: list[Node]) -> None:
        self._nodes = nodes
        attributes = {"FifoQueue": "true", "VisibilityTimeout": "15"}
        made = Caller(nodes, random.Random(SEED)).call(
            "sqs", "CreateQueue", {"QueueName": "q.fifo", "Attributes": attributes}
        )
        self.url = made["QueueUrl"]
        self.sent: dict[str, list[int]] = {f"group-{number}": [] for number in range(GROUPS)}
        self.got: dict[str, list[int]] = defaultdict(list)

    def producer(self, group: str) -> Callable[[threading.Event], None]:
        """Sends numbers to a group, each once the one before it is known to be there."""
        caller = Caller(self._nodes, random.Random(f"{SEED} {group}"))

        def work(stop: threading.Event) -> None:
            number = 0
            while not stop.is_set():
                self._send(caller, group, number)
                self.sent[group].append(number)
                number += 1

        return work

    def _send(self, caller: Caller, group: str, number: int) -> None:
        body = f"{group} {number}"
        message = {
            "QueueUrl": self.url,
            "MessageBody": body,
            "MessageGroupId": group,
            # The same deduplication id until it is known to be there.
            "MessageDeduplicationId": body.replace(" ", "-"),
        }
        while True:
            try:
                caller.call("sqs", "SendMessage", message)
                return
            except (NoAnswer, Refused):
                time.sleep(0.02)

    def drain(self, caller: Caller, wait_s: int) -> None:
        """Take what there is; a message counts once it is deleted."""
        asked = {"QueueUrl": self.url, "MaxNumberOfMessages": 10, "WaitTimeSeconds": wait_s}
        try:
            answer = caller.call("sqs", "ReceiveMessage", asked)
        except (NoAnswer, Refused):
            return
        for message in answer.get("Messages", []):
            group, _, number = message["Body"].rpartition(" ")
            self._delete(caller, message["ReceiptHandle"])
            self.got[group].append(int(number))

    def _delete(self, caller: Caller, receipt: str) -> None:
        for _ in range(200):
            try:
                caller.call(
                    "sqs", "DeleteMessage", {"QueueUrl": self.url, "ReceiptHandle": receipt}
                )
                return
            except (NoAnswer, Refused):
                time.sleep(0.05)

    @property
    def left(self) -> dict[str, int]:
        """How much of each group has not come out yet."""
        counts = {
            group: len(numbers) - len(self.got[group]) for group, numbers in self.sent.items()
        }
        return {group: count for group, count in counts.items() if count > 0}


@pytest.mark.crash
def test_fifo_queues_stay_in_order(nodes: list[Node], server: PostgresServer) -> None:
    queue = Fifo(nodes)
    consumer = Caller(nodes, random.Random(SEED + 1))

    def consume(stop: threading.Event) -> None:
        while not stop.is_set():
            queue.drain(consumer, 1)

    trouble = Trouble(nodes, server, SEED + 7)
    run_all([*map(queue.producer, queue.sent), consume], lambda: trouble.go_through(MISHAPS))
    # A receive whose answer was lost hides its messages until their visibility timeout has passed.
    until = time.monotonic() + 60
    while queue.left:
        assert time.monotonic() < until, queue.left
        queue.drain(consumer, 2)
    print({group: len(numbers) for group, numbers in queue.sent.items()}, trouble.happened)
    for group, numbers in queue.sent.items():
        assert queue.got[group] == numbers, f"{group} came out of order, or twice"
