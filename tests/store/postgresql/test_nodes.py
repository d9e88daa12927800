"""Real nodes on one database: what is written on one is there on all, and what waits on one is woken by another."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from serein.kernel.leases import LEASES
from serein.store.postgresql.store import PostgresStore
from tests.clients.todo import TodoUser
from tests.flows.crash_load import client
from tests.flows.test_todo import ROOT, empty_bucket, output, serein
from tests.store.postgresql.nodes import Node

# One after the other in one process, so that they can share nodes: to start one takes longer than most of the tests.
pytestmark = pytest.mark.xdist_group("nodes on postgresql")


@pytest.fixture(scope="module")
def nodes(shared_url: str) -> Iterator[list[Node]]:
    """Two running nodes, for all tests here."""
    made = [Node(shared_url), Node(shared_url)]
    try:
        for node in made:
            node.start()
        yield made
    finally:
        for node in made:
            node.kill()


def test_the_example_deployed_on_one_node_is_used_on_the_others(
    nodes: list[Node], shared_url: str
) -> None:
    passing = Node(shared_url)
    passing.start()
    try:
        endpoint = f"PublicEndpoint={passing.endpoint}"
        told = serein(passing, "deploy", str(ROOT / "examples/todo"), "--param", endpoint)
        api = output(told, "ApiId")
        TodoUser(f"{passing.endpoint}/_aws/execute-api/{api}/$default").whole_story()
        user = TodoUser(f"{nodes[1].endpoint}/_aws/execute-api/{api}/$default")
        assert user.ask("POST", "/todos", {"title": "kept"})[0] == 201
    finally:
        passing.stop()
    assert [one["title"] for one in user.ask("GET", "/todos")[1]["todos"]] == ["kept"]
    empty_bucket(nodes[1], output(told, "Bucket"))
    serein(nodes[1], "delete", "todo")


def test_what_one_node_wrote_the_other_reads_at_once(nodes: list[Node]) -> None:
    one, other = (client("dynamodb", node.endpoint) for node in nodes)
    one.create_table(
        TableName="items",
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
        BillingMode="PAY_PER_REQUEST",
    )
    for number in range(50):
        writer, reader = (one, other) if number % 2 else (other, one)
        writer.put_item(TableName="items", Item={"pk": {"S": "k"}, "n": {"N": str(number)}})
        found = reader.get_item(TableName="items", Key={"pk": {"S": "k"}}, ConsistentRead=True)
        assert found["Item"]["n"]["N"] == str(number)


def test_a_long_poll_on_one_node_is_woken_by_the_other(nodes: list[Node]) -> None:
    sender, receiver = (client("sqs", node.endpoint) for node in nodes)
    queue = sender.create_queue(QueueName="q")["QueueUrl"].rpartition("/")[2]
    urls = [one.get_queue_url(QueueName=queue)["QueueUrl"] for one in (sender, receiver)]
    got: list[tuple[float, str]] = []

    def receive() -> None:
        answer = receiver.receive_message(QueueUrl=urls[1], WaitTimeSeconds=15)
        got.extend((time.monotonic(), one["Body"]) for one in answer.get("Messages", ()))

    for word in ("first", "second", "third"):
        waiting = threading.Thread(target=receive)
        waiting.start()
        time.sleep(0.4)
        sent_at = time.monotonic()
        sender.send_message(QueueUrl=urls[0], MessageBody=word)
        waiting.join()
        at, body = got.pop()
        assert body == word
        assert at - sent_at < 2, "it was not woken but found the message by itself"


def user_with_policy(iam: Any, name: str, action: str) -> dict[str, str]:
    """A user who may do one thing, and its key."""
    iam.create_user(UserName=name)
    allow(iam, name, action)
    made: dict[str, str] = iam.create_access_key(UserName=name)["AccessKey"]
    return made


def allow(iam: Any, name: str, action: str) -> None:
    """Let the user do `action`, and nothing else."""
    document = f'{{"Version":"2012-10-17","Statement":{{"Effect":"Allow","Action":"{action}","Resource":"*"}}}}'
    iam.put_user_policy(UserName=name, PolicyName="one", PolicyDocument=document)


def test_what_is_revoked_on_one_node_is_refused_by_the_other_at_once(nodes: list[Node]) -> None:
    iam = client("iam", nodes[0].endpoint)
    for round_ in range(10):
        name = f"user-{round_}"
        key = user_with_policy(iam, name, "sqs:ListQueues")
        sqs = client("sqs", nodes[1].endpoint)
        sqs._request_signer._credentials.access_key = key["AccessKeyId"]
        sqs._request_signer._credentials.secret_key = key["SecretAccessKey"]
        sqs.list_queues()
        sqs.list_queues()
        allow(iam, name, "sqs:DeleteQueue")
        with pytest.raises(ClientError, match="AccessDenied"):
            sqs.list_queues()
        allow(iam, name, "sqs:ListQueues")
        sqs.list_queues()
        iam.update_access_key(UserName=name, AccessKeyId=key["AccessKeyId"], Status="Inactive")
        with pytest.raises(ClientError):
            sqs.list_queues()
        iam.delete_access_key(UserName=name, AccessKeyId=key["AccessKeyId"])
        sqs_refused = pytest.raises(ClientError)
        with sqs_refused:
            iam.get_user(UserName="nobody")


def spread_over(url: str, count: int) -> None:
    """Wait until the work that goes on once is shared by so many nodes, evenly."""

    async def look() -> list[int]:
        store = PostgresStore(url)
        await store.open()
        try:
            found = await store.survey(lambda snapshot: list(snapshot.scan(LEASES)))
        finally:
            await store.close()
        held = Counter(lease.owner for lease in found)
        return sorted(held.values()) if "" not in held else []

    until = time.monotonic() + 30
    while True:
        shares = asyncio.run(look())
        if len(shares) == count and shares[-1] - shares[0] <= count:
            return
        assert time.monotonic() < until, shares
        time.sleep(0.2)


def test_nodes_come_and_go(nodes: list[Node], shared_url: str) -> None:
    sqs = client("sqs", nodes[0].endpoint)
    sqs.create_queue(QueueName="visited")
    third = Node(shared_url)
    third.start()
    try:
        spread_over(shared_url, 3)
        there = client("sqs", third.endpoint)
        there.send_message(
            QueueUrl=there.get_queue_url(QueueName="visited")["QueueUrl"],
            MessageBody="from the third",
        )
    finally:
        third.stop()
    spread_over(shared_url, 2)
    queue = sqs.get_queue_url(QueueName="visited")["QueueUrl"]
    assert sqs.receive_message(QueueUrl=queue)["Messages"][0]["Body"] == "from the third"
