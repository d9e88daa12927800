"""A primary that dies, a standby that is promoted, a server that restarts: writes wait, then go on, and nothing acknowledged is lost."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from serein.store.errors import StoreUnavailable
from serein.store.interface import Transaction
from serein.store.postgresql.store import PostgresStore
from tests.store.postgresql.server import PostgresServer
from tests.store.postgresql.test_store import PLAIN, live, see
from tests.store.things import KEPT, thing


def put(number: int) -> Callable[[Transaction], None]:
    return lambda tx: tx.put(PLAIN, thing("kept", number))


@pytest.fixture
def pair(programs: Path) -> Iterator[tuple[PostgresServer, PostgresServer]]:
    """A primary, and a standby that has applied what the primary acknowledges."""
    with contextlib.ExitStack() as stack:
        primary = PostgresServer(programs, settings={"synchronous_commit": "remote_apply"})
        stack.callback(primary.stop)
        primary.start()
        standby = PostgresServer(programs, standby_of=primary)
        stack.callback(standby.stop)
        standby.start()
        primary.sql("ALTER SYSTEM SET synchronous_standby_names = '*'")
        primary.sql("SELECT pg_reload_conf()")
        yield primary, standby


@pytest.mark.crash
def test_writes_go_on_at_the_promoted_standby(pair: tuple[PostgresServer, PostgresServer]) -> None:
    """All hosts are in the address; libpq asks each whether it can be written to (target_session_attrs)."""
    primary, standby = pair
    url = f"postgresql://postgres@/postgres?host={standby.home},{primary.home}&port=5432,5432"

    async def story() -> None:
        nodes = [PostgresStore(url, patience_s=30) for _ in range(2)]
        for node in nodes:
            await node.open()
        kept: list[int] = []
        refused: list[BaseException] = []
        stop = asyncio.Event()

        async def write(node: PostgresStore, first: int) -> None:
            number = first
            while not stop.is_set():
                try:
                    await node.transact(put(number))
                    kept.append(number)
                except StoreUnavailable as error:
                    refused.append(error)
                number += 1
                await asyncio.sleep(0.002)

        writing = [
            asyncio.create_task(write(node, 100_000 * (at * 2 + more)))
            for at, node in enumerate(nodes)
            for more in range(2)
        ]
        while len(kept) < 60:
            await asyncio.sleep(0.01)
        await asyncio.to_thread(primary.crash)
        before = len(kept)
        await asyncio.sleep(0.3)
        await asyncio.to_thread(standby.sql, "SELECT pg_promote()")
        while len(kept) < before + 60:
            await asyncio.sleep(0.01)
        stop.set()
        await asyncio.gather(*writing)
        assert not refused, refused[:3]
        for node in nodes:
            found = await see_in_task(node)
            assert set(kept) <= found
            await node.close()

    asyncio.run(asyncio.wait_for(story(), 90))


async def see_in_task(node: PostgresStore) -> set[int]:
    """What a node reads."""
    return set(
        await asyncio.create_task(see(node, lambda s: [one.number for one in s.scan(PLAIN)]))
    )


@pytest.mark.crash
def test_a_restart_under_load_is_waited_for(programs: Path) -> None:
    server = PostgresServer(programs)

    async def story() -> None:
        node = PostgresStore(server.url("s"))
        await node.open()
        kept: list[int] = []
        stop = asyncio.Event()

        async def write(first: int) -> None:
            number = first
            while not stop.is_set():
                await node.transact(put(number))
                kept.append(number)
                number += 1

        writing = [asyncio.create_task(write(first * 100_000)) for first in range(4)]
        for end in (server.shut_down, server.crash):
            before = len(kept)
            while len(kept) < before + 30:
                await asyncio.sleep(0.01)
            await asyncio.to_thread(end)
            await asyncio.to_thread(server.start)
        before = len(kept)
        while len(kept) < before + 30:
            await asyncio.sleep(0.01)
        stop.set()
        await asyncio.gather(*writing)
        assert await see_in_task(node) == set(kept)
        await node.close()

    try:
        server.start()
        asyncio.run(asyncio.wait_for(story(), 90))
    finally:
        server.stop()


def test_a_database_with_fewer_places_than_the_pool_would_take(
    server: PostgresServer, url: str
) -> None:
    server.sql("DROP ROLE IF EXISTS few; CREATE ROLE few LOGIN SUPERUSER")

    async def story(node: PostgresStore) -> None:
        await node.transact(put(1))

        async def read() -> int:
            found = node.snapshot().get(PLAIN, "kept", 1)
            assert found is not None
            return found.number

        await asyncio.create_task(read())
        # No more than what is open already; superusers are not held to a limit.
        server.sql("ALTER ROLE few NOSUPERUSER CONNECTION LIMIT 2")
        schema = url.rpartition("=")[2]
        server.sql(
            f'GRANT USAGE ON SCHEMA "{schema}" TO few; GRANT ALL ON ALL TABLES IN SCHEMA "{schema}" TO few'
        )
        found = await asyncio.gather(*[asyncio.create_task(read()) for _ in range(30)])
        assert found == [1] * 30

    live(url.replace("postgres@", "few@"), 1, story)


def test_a_statement_that_takes_too_long_is_given_up(server: PostgresServer, url: str) -> None:
    """`statement_timeout` of the sessions; here somebody else's, shorter."""
    schema = url.rpartition("serein_schema=")[2]

    async def story(node: PostgresStore) -> None:
        await node.transact(put(1))
        server.sql(f"""
            CREATE FUNCTION "{schema}".doze() RETURNS trigger LANGUAGE plpgsql AS
            $$ BEGIN SET LOCAL statement_timeout = '200ms'; PERFORM pg_sleep(0.05);
            RAISE EXCEPTION 'too long' USING ERRCODE = '57014'; END $$;
            CREATE TRIGGER doze BEFORE UPDATE ON "{schema}"."t_{PLAIN.name}"
            FOR EACH ROW EXECUTE FUNCTION "{schema}".doze()""")
        with pytest.raises(StoreUnavailable, match="too long"):
            await node.transact(put(1))
        await node.transact(put(2))
        assert await see_in_task(node) == {1, 2}

    live(url, 1, story)


def test_a_database_that_has_gone_back_in_time(server: PostgresServer, url: str) -> None:
    """A standby that was behind, or a restored state: what nodes have cached is newer than what is there."""
    schema = url.rpartition("serein_schema=")[2]

    async def story(node: PostgresStore) -> None:
        for number in range(5):
            note = str(number)
            await node.transact(lambda tx, note=note: tx.put(KEPT, thing("a", 1, note)))  # type: ignore[misc]
            assert (await see(node, lambda s: s.get(KEPT, "a", 1))).note == note
        server.sql(f"""
            UPDATE "{schema}".stamps SET stamp = stamp - 3;
            DELETE FROM "{schema}"."t_{KEPT.name}" """)
        await node.transact(put(1))
        assert await asyncio.create_task(see(node, lambda s: s.get(KEPT, "a", 1))) is None
        await node.transact(lambda tx: tx.put(KEPT, thing("a", 1, "new")))
        found = await asyncio.create_task(see(node, lambda s: s.get(KEPT, "a", 1)))
        assert found.note == "new"

    live(url, 1, story)
