"""Rolling upgrades: a newer Serein goes by the old format while an older one is there, then raises it; who is older is refused.

A newer Serein is this one with one more format (`newer.py`).
"""

from __future__ import annotations

import asyncio
import random
import threading
import time
from collections.abc import Awaitable, Callable

import pytest

from serein.store.errors import StoreFormatTooNew, StoreUnavailable
from serein.store.postgresql.formats import TakenOver
from serein.store.postgresql.store import BEAT_TICKS, CHECK_S, PostgresStore
from serein.store.tables import Table
from tests.store.postgresql.clients import Caller, NoAnswer, Refused
from tests.store.postgresql.newer import NEWER
from tests.store.postgresql.nodes import Node
from tests.store.postgresql.server import PostgresServer
from tests.store.postgresql.test_opening import schema_of, serein_up
from tests.store.things import Thing, thing

PLAIN = Table("test.plain", Thing, key=lambda one: (one.group, one.number))


def new(url: str) -> PostgresStore:
    return PostgresStore(url, formats=NEWER)


def live(story: Callable[[], Awaitable[None]]) -> None:
    """Live through `story`, in lifted tasks once a store is open."""
    asyncio.run(asyncio.wait_for(_of(story), 60))


async def _of(story: Callable[[], Awaitable[None]]) -> None:
    await story()


async def beat(store: PostgresStore) -> int:
    """What a node does every few seconds; the format that it goes by then."""
    await store.run_lifted(store._beat)
    return store.schema.format.stored


def format_of(server: PostgresServer, url: str) -> int:
    """The format that the database has."""
    found = server.sql(f"SELECT value FROM \"{schema_of(url)}\".about WHERE name = 'format'")
    return int(found[0][0] or 0)


def test_the_format_is_raised_when_the_last_old_node_is_gone(
    server: PostgresServer, url: str
) -> None:
    async def story() -> None:
        old = PostgresStore(url)
        await old.open()
        first, second = new(url), new(url)
        await first.open()
        await second.open()
        assert await beat(first) == 1
        assert await beat(second) == 1
        await old.transact(lambda tx: tx.put(PLAIN, thing("a", 1)))
        assert await first.transact(lambda tx: tx.get(PLAIN, "a", 1)) == thing("a", 1)
        await old.close()
        assert await beat(first) == 2
        assert server.sql(f'SELECT count(*) FROM "{schema_of(url)}".added') == [("0",)]
        # The other hears of it with the next thing that it does.
        await second.transact(lambda tx: tx.put(PLAIN, thing("a", 2)))
        assert second.schema.format.stored == 2
        assert await beat(second) == 2
        with pytest.raises(StoreFormatTooNew, match=r"newer Serein \(format 2, this one knows 1\)"):
            await PostgresStore(url).open()
        await first.close()
        await second.close()

    live(story)
    assert "start that one" in serein_up(url)


def test_an_old_node_that_stood_still_is_shut_out_before_it_does_anything(
    server: PostgresServer, url: str
) -> None:
    async def story() -> None:
        old, newer = PostgresStore(url), new(url)
        await old.open()
        await newer.open()
        await old.transact(lambda tx: tx.put(PLAIN, thing("a", 1)))
        server.sql(
            f"UPDATE \"{schema_of(url)}\".nodes SET seen = now() - interval '2 minutes' WHERE id = '{old.node}'"
        )
        assert await beat(newer) == 2
        assert old.is_usable
        with pytest.raises(StoreUnavailable, match="stop this node"):
            await old.transact(lambda tx: tx.put(PLAIN, thing("a", 2)))
        with pytest.raises(TakenOver):
            await old.run_lifted(lambda: old.snapshot().get(PLAIN, "a", 1))
        assert not old.is_usable
        found = await newer.run_lifted(lambda: list(newer.snapshot().scan(PLAIN)))
        assert found == [thing("a", 1)]
        # Nor does it write itself down again.
        assert await beat(old) == 1
        nodes = server.sql(f'SELECT id FROM "{schema_of(url)}".nodes')
        assert nodes == [(newer.node,)]
        await old.close()
        await newer.close()

    live(story)


def test_a_newer_one_can_be_held_back(server: PostgresServer, url: str) -> None:
    async def story() -> None:
        held = new(f"{url}&serein_format=1")
        await held.open()
        assert await beat(held) == 1
        # So there is a way back.
        old = PostgresStore(url)
        await old.open()
        await old.close()
        free = new(url)
        await free.open()
        assert await beat(free) == 1
        await held.close()
        assert await beat(free) == 2
        await free.close()

    live(story)


def test_a_fresh_database_has_the_newest_format(server: PostgresServer, url: str) -> None:
    async def story() -> None:
        store = new(url)
        await store.open()
        assert store.schema.format.stored == 2
        await store.close()

    live(story)
    assert server.sql(f'SELECT count(*) FROM "{schema_of(url)}".added') == [("0",)]


def test_who_starts_while_the_format_is_raised_knows_it_or_is_refused(
    server: PostgresServer, url: str
) -> None:
    schema = schema_of(url)

    async def story() -> None:
        newer = new(url)
        await newer.open()
        for _ in range(6):
            server.sql(
                f"UPDATE \"{schema}\".about SET value = 1 WHERE name = 'format'; "
                f'DROP TABLE IF EXISTS "{schema}".added'
            )
            newer.schema.format.stored = 1
            old = PostgresStore(url)
            opened, _ = await asyncio.gather(old.open(), beat(newer), return_exceptions=True)
            entered = server.sql(f"SELECT 1 FROM \"{schema}\".nodes WHERE id = '{old.node}'")
            if format_of(server, url) == 2:
                assert isinstance(opened, StoreFormatTooNew)
                assert not entered
            else:
                assert opened is None
                assert entered
                await old.close()
        await newer.close()

    live(story)


def test_a_database_of_the_first_days(server: PostgresServer, url: str) -> None:
    """Its nodes told nothing of formats."""

    async def once() -> None:
        store = PostgresStore(url)
        await store.open()
        await store.close()

    live(once)
    server.sql(f'ALTER TABLE "{schema_of(url)}".nodes DROP COLUMN format')
    live(once)


def test_a_format_older_than_is_known(url: str) -> None:
    async def once() -> None:
        store = PostgresStore(url)
        await store.open()
        await store.close()
        much_newer = PostgresStore(url, formats=NEWER.__class__(newest=5, oldest=3))
        with pytest.raises(StoreFormatTooNew, match="start one in between first"):
            await much_newer.open()

    live(once)


class NewerNode(Node):
    """A node of the newer Serein."""

    program = "tests.store.postgresql.newer"


def writer(
    nodes: list[Node], number: int, kept: list[str], refused: list[str]
) -> Callable[[threading.Event], None]:
    """Puts items, each until some node has acknowledged it."""
    caller = Caller(nodes, random.Random(number))

    def work(stop: threading.Event) -> None:
        count = 0
        while not stop.is_set():
            name = f"{number}-{count}"
            count += 1
            while True:
                try:
                    caller.call(
                        "dynamodb", "PutItem", {"TableName": "items", "Item": {"pk": {"S": name}}}
                    )
                    kept.append(name)
                    break
                except NoAnswer:
                    refused.append("no answer")
                except Refused as error:
                    refused.append(str(error))
                    if error.status != 503:
                        raise
                time.sleep(0.005)

    return work


@pytest.mark.crash
def test_nodes_are_replaced_one_by_one_under_load(server: PostgresServer, url: str) -> None:
    nodes: list[Node] = [Node(url), Node(url)]
    kept: list[str] = []
    refused: list[str] = []
    stop = threading.Event()
    try:
        for node in nodes:
            node.start()
        Caller(nodes, random.Random(1)).call(
            "dynamodb",
            "CreateTable",
            {
                "TableName": "items",
                "AttributeDefinitions": [{"AttributeName": "pk", "AttributeType": "S"}],
                "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}],
                "BillingMode": "PAY_PER_REQUEST",
            },
        )
        works = [writer(nodes, number, kept, refused) for number in range(3)]
        threads = [threading.Thread(target=work, args=(stop,)) for work in works]
        for thread in threads:
            thread.start()
        for at in range(2):
            assert format_of(server, url) == 1
            newer = NewerNode(url)
            newer.start()
            leaving, nodes[at] = nodes[at], newer
            before = len(kept)
            while len(kept) < before + 20:
                time.sleep(0.01)
            leaving.stop()
        until = time.monotonic() + 3 * BEAT_TICKS * CHECK_S + 10
        while format_of(server, url) == 1:
            assert time.monotonic() < until, "nobody raised the format"
            time.sleep(0.1)
        before = len(kept)
        while len(kept) < before + 20:
            time.sleep(0.01)
        stop.set()
        for thread in threads:
            thread.join(30)
        assert len(kept) > 100
        # What is refused is refused in order: whoever asked went to another node, and lost nothing.
        reader = Caller(nodes, random.Random(2))
        for name in random.Random(3).sample(kept, 100) + kept[-20:]:
            found = reader.call(
                "dynamodb", "GetItem", {"TableName": "items", "Key": {"pk": {"S": name}}}
            )
            assert found.get("Item"), name
        stored = reader.call("dynamodb", "Scan", {"TableName": "items", "Select": "COUNT"})
        assert stored["Count"] >= len(set(kept)) or "LastEvaluatedKey" in stored
    finally:
        stop.set()
        for node in nodes:
            node.kill()
    assert "this one knows 1" in serein_up(url)
