"""What is special to this engine: several nodes, transactions that run again, answers that get lost, reads that wait."""

from __future__ import annotations

import asyncio
import secrets
import threading
import time
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from serein.store.errors import StaleSnapshot, StoreError, StoreUnavailable
from serein.store.interface import Snapshot, Transaction
from serein.store.postgresql import rows as rows_module
from serein.store.postgresql.store import PostgresStore
from serein.store.postgresql.tables import HEAD_BYTES
from serein.store.tables import BytesTable, Table
from tests.store.postgresql.server import PostgresServer, binaries_or_none
from tests.store.things import KEPT, RAW, THINGS, Thing, thing

PLAIN = Table("test.plain", Thing, key=lambda one: (one.group, one.number))
Story = Callable[..., Awaitable[None]]


def live(url: str, count: int, story: Story) -> None:
    """Live through `story` with `count` nodes in one process, in a lifted task as the house's own are."""

    async def whole() -> None:
        nodes = [PostgresStore(url) for _ in range(count)]
        for node in nodes:
            await node.open()
        try:
            await asyncio.wait_for(asyncio.create_task(_begin(story, nodes)), 60)
        finally:
            for node in nodes:
                await node.close()

    asyncio.run(whole())


async def _begin(story: Story, nodes: list[PostgresStore]) -> None:
    await story(*nodes)


async def see(node: PostgresStore, look: Callable[[Snapshot], Any]) -> Any:
    """Look at a fresh snapshot: a step of its own."""
    await asyncio.sleep(0)
    return look(node.snapshot())


def test_a_commit_on_one_node_is_seen_on_the_other_by_every_cache(url: str) -> None:
    async def story(one: PostgresStore, other: PostgresStore) -> None:
        for round_ in range(30):
            writer, reader = (one, other) if round_ % 2 else (other, one)
            note = str(round_)
            before = await see(reader, lambda s: (s.table_version(KEPT), s.table_version(THINGS)))
            assert before == await see(
                reader, lambda s: (s.table_version(KEPT), s.table_version(THINGS))
            )
            await writer.transact(lambda tx, note=note: tx.put(KEPT, thing("a", 1, note)))
            after = await see(reader, lambda s: (s.table_version(KEPT), s.table_version(THINGS)))
            assert after[0] != before[0]
            assert after[1] == before[1]
            found = await see(reader, lambda s: s.get(KEPT, "a", 1))
            assert found.note == note
            again = await see(reader, lambda s: s.get(KEPT, "a", 1))
            assert again is found, "it was not cached"
            inside = await reader.transact(lambda tx: tx.get(KEPT, "a", 1))
            assert inside.note == note

    live(url, 2, story)


def test_a_transaction_on_stale_caches_runs_again(url: str) -> None:
    """Node two decides by what it has cached; node one has changed that meanwhile, and node two has not heard of it."""

    async def story(one: PostgresStore, other: PostgresStore) -> None:
        await one.transact(lambda tx: tx.put(KEPT, thing("may", 1, "yes")))
        assert (await see(other, lambda s: s.get(KEPT, "may", 1))).note == "yes"
        await one.transact(lambda tx: tx.put(KEPT, thing("may", 1, "no")))
        runs: list[str] = []

        def act(tx: Transaction) -> bool:
            allowed = tx.get(KEPT, "may", 1)
            assert allowed is not None
            runs.append(allowed.note)
            if allowed.note == "yes":
                tx.put(PLAIN, thing("done", 1))
            else:
                tx.put(PLAIN, thing("refused", 1))
            return allowed.note == "yes"

        assert await other.transact(act) is False
        assert runs[0] == "yes"
        assert runs[-1] == "no"
        assert [one.group for one in await see(one, lambda s: list(s.scan(PLAIN)))] == ["refused"]

    live(url, 2, story)


def test_a_transaction_that_only_looks_at_caches_is_not_answered_from_stale_ones(url: str) -> None:
    async def story(one: PostgresStore, other: PostgresStore) -> None:
        await one.transact(lambda tx: tx.put(KEPT, thing("a", 1, "0")))
        await see(other, lambda s: s.get(KEPT, "a", 1))
        for number in range(1, 20):
            note = str(number)
            await one.transact(lambda tx, note=note: tx.put(KEPT, thing("a", 1, note)))

            def refuse(tx: Transaction) -> None:
                found = tx.get(KEPT, "a", 1)
                assert found is not None
                raise ValueError(found.note)

            with pytest.raises(ValueError, match=f"^{note}$"):
                await other.transact(refuse)

    live(url, 2, story)


def test_versions_of_tables_that_are_not_watched_are_never_equal(url: str) -> None:
    async def story(node: PostgresStore) -> None:
        await node.transact(lambda tx: tx.put(PLAIN, thing("a", 1)))
        names = frozenset([PLAIN.name, KEPT.name])
        seen = [await see(node, lambda s: s.table_versions(names)) for _ in range(3)]
        assert len(set(seen)) == 3
        inside = await node.transact(lambda tx: [tx.table_version(PLAIN) for _ in range(3)])
        assert sorted(set(inside)) == inside

    live(url, 1, story)


def test_increments_on_all_nodes_add_up(url: str) -> None:
    callbacks: list[int] = []

    def add(tx: Transaction) -> None:
        found = tx.get(PLAIN, "sum", 0)
        tx.put(PLAIN, thing("sum", 0, str(int(found.note) + 1 if found else 1)))
        tx.after_commit(lambda: callbacks.append(1))

    async def story(*nodes: PostgresStore) -> None:
        async def work(node: PostgresStore) -> None:
            for _ in range(25):
                await node.transact(add)

        await asyncio.gather(*[work(node) for node in nodes for _ in range(4)])
        assert (await see(nodes[0], lambda s: s.get(PLAIN, "sum", 0))).note == "300"

    live(url, 3, story)
    # However often a function ran, its callbacks ran once.
    assert len(callbacks) == 300


def test_no_write_skew_between_nodes(url: str) -> None:
    """Of two doctors on call one may leave, if the other stays: the classic that snapshots alone get wrong."""

    def leave(tx: Transaction, who: int) -> None:
        if len(list(tx.scan(PLAIN, ("on call",)))) > 1:
            tx.delete(PLAIN, "on call", who)

    async def story(one: PostgresStore, other: PostgresStore) -> None:
        for _ in range(20):

            def arrive(tx: Transaction) -> None:
                for number in (1, 2):
                    tx.put(PLAIN, thing("on call", number))

            await one.transact(arrive)
            await asyncio.gather(
                one.transact(lambda tx: leave(tx, 1)), other.transact(lambda tx: leave(tx, 2))
            )
            assert await see(one, lambda s: s.count(PLAIN, ("on call",))) == 1

    live(url, 2, story)


def test_keys_longer_than_an_index_takes(url: str) -> None:
    prefix = "p" * (HEAD_BYTES + 10)
    names = ["a", prefix, prefix + "a", prefix + "b" + secrets.token_hex(3000), "q", "z" * 5000]
    raw = BytesTable("test.long")

    async def story(one: PostgresStore, other: PostgresStore) -> None:
        await other.transact(lambda tx: tx.put_bytes(raw, ("a",), b"short"))
        assert await see(one, lambda s: s.count(raw)) == 1

        def fill(tx: Transaction) -> None:
            for name in names:
                tx.put_bytes(raw, (name,), name[-1:].encode())
            assert [key[0] for key, _ in tx.scan(raw)] == sorted(names)

        await one.transact(fill)
        for node in (one, other):
            assert [key[0] for key, _ in await see(node, lambda s: list(s.scan(raw)))] == sorted(
                names
            )
            backwards = await see(node, lambda s: list(s.scan(raw, reverse=True, limit=4)))
            assert [key[0] for key, _ in backwards] == sorted(names)[:1:-1]
            assert await see(node, lambda s: s.get(raw, names[3])) == names[3][-1:].encode()
            assert await see(node, lambda s: s.get(raw, names[3] + "x")) is None
            between = await see(
                node, lambda s: list(s.scan(raw, start=(prefix,), start_after=True, stop=("q",)))
            )
            assert [key[0] for key, _ in between] == sorted(names[2:4])
            assert await see(node, lambda s: s.count(raw)) == len(names)

        def change(tx: Transaction) -> None:
            assert tx.delete(raw, names[3])
            assert tx.delete_range(raw, (), start=("q",)) == 2
            tx.put_bytes(raw, (prefix,), b"new")
            assert [key[0] for key, _ in tx.scan(raw)] == sorted(names[:3])

        await other.transact(change)
        assert [key[0] for key, _ in await see(one, lambda s: list(s.scan(raw)))] == sorted(
            names[:3]
        )
        assert await see(one, lambda s: s.get(raw, prefix)) == b"new"

    live(url, 2, story)


def test_long_names_of_tables(url: str) -> None:
    first, second = (BytesTable(f"test.{'x' * 80}.{end}") for end in ("a", "b"))

    async def story(node: PostgresStore) -> None:
        await node.transact(lambda tx: tx.put_bytes(first, ("k",), b"1"))
        await node.transact(lambda tx: tx.put_bytes(second, ("k",), b"2"))
        assert await see(node, lambda s: (s.get(first, "k"), s.get(second, "k"))) == (b"1", b"2")

    live(url, 1, story)


def test_a_large_range_is_removed_by_the_database_and_undone_with_its_function(url: str) -> None:
    many = rows_module.DIRECT_MIN + 500

    def fill(tx: Transaction) -> None:
        for number in range(many):
            tx.put_bytes(RAW, ("many", number), b"x")
        tx.put_bytes(RAW, ("other", 1), b"y")

    def purge(tx: Transaction) -> int:
        tx.put_bytes(RAW, ("many", many), b"mine")
        gone = tx.delete_range(RAW, ("many",))
        assert tx.count(RAW, ("many",)) == 0
        tx.put_bytes(RAW, ("many", 7), b"after")
        assert [value for _, value in tx.scan(RAW, ("many",))] == [b"after"]
        return gone

    def failing(tx: Transaction) -> None:
        purge(tx)
        raise ValueError

    async def story(node: PostgresStore) -> None:
        await node.transact(fill)
        results = await asyncio.gather(
            node.transact(lambda tx: tx.put_bytes(RAW, ("before", 1), b"b")),
            node.transact(failing),
            node.transact(lambda tx: tx.count(RAW, ("many",))),
            node.transact(lambda tx: tx.get(RAW, "before", 1)),
            node.transact(purge),
            node.transact(failing),
            node.transact(lambda tx: tx.put_bytes(RAW, ("before", 2), b"b")),
            node.transact(lambda tx: tx.count(RAW)),
            return_exceptions=True,
        )
        assert isinstance(results[1], ValueError)
        assert results[2:5] == [many, b"b", many + 1]
        assert results[7] == 4
        found = [key for key, _ in await see(node, lambda s: list(s.scan(RAW)))]
        assert found == [("before", 1), ("before", 2), ("many", 7), ("other", 1)]

    live(url, 1, story)


def test_a_snapshot_lasts_for_one_step(url: str) -> None:
    async def story(one: PostgresStore, other: PostgresStore) -> None:
        await one.transact(lambda tx: tx.put(PLAIN, thing("a", 1, "old")))
        await asyncio.sleep(0)
        kept = one.snapshot()
        found = kept.get(PLAIN, "a", 1)
        assert found is not None
        assert one.snapshot() is kept
        # Another node commits, in another thread's time: this step's snapshot goes on showing one state.
        done = threading.Thread(target=put_elsewhere, args=(url, "new"))
        done.start()
        done.join()
        found = kept.get(PLAIN, "a", 1)
        assert found is not None
        assert found.note == "old"
        # Kept over an await it shows what is there now, and with this node's next commit it is over.
        await asyncio.sleep(0)
        found = kept.get(PLAIN, "a", 1)
        assert found is not None
        assert found.note == "new"
        await one.transact(lambda tx: tx.put(PLAIN, thing("a", 2)))
        with pytest.raises(StaleSnapshot):
            kept.get(PLAIN, "a", 1)
        assert (await see(one, lambda s: s.get(PLAIN, "a", 1))).note == "new"

    live(url, 2, story)


def put_elsewhere(url: str, note: str) -> None:
    """A node of its own, for one change."""

    async def change() -> None:
        node = PostgresStore(url)
        await node.open()
        await node.transact(lambda tx: tx.put(PLAIN, thing("a", 1, note)))
        await node.close()

    asyncio.run(change())


def test_reads_of_many_tasks_wait_side_by_side_and_the_loop_goes_on(
    server: PostgresServer, url: str
) -> None:
    async def story(node: PostgresStore) -> None:
        for number in range(40):
            await node.transact(lambda tx, number=number: tx.put(PLAIN, thing("a", number)))

        async def read(number: int) -> int:
            found = node.snapshot().get(PLAIN, "a", number)
            assert found is not None
            return found.number

        # More readers than connections.
        found = await asyncio.gather(*[asyncio.create_task(read(number)) for number in range(40)])
        assert found == list(range(40))

    live(url, 1, story)


def test_a_cancelled_reader_harms_nobody(url: str) -> None:
    async def story(node: PostgresStore) -> None:
        await node.transact(lambda tx: tx.put(PLAIN, thing("a", 1)))

        async def read() -> None:
            node.snapshot().get(PLAIN, "a", 1)

        for _ in range(30):
            tasks = [asyncio.create_task(read()) for _ in range(12)]
            await asyncio.sleep(0.0005)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        for _ in range(20):
            assert (await see(node, lambda s: s.get(PLAIN, "a", 1))).number == 1

    live(url, 1, story)


@pytest.mark.parametrize("end", ["committed", "aborted"])
def test_an_answer_that_was_lost_during_the_commit_is_found_out(
    server: PostgresServer, url: str, end: str
) -> None:
    """The commit takes a while (a deferred trigger sleeps), and the connection breaks meanwhile.

    Cut on our side, the server goes on and commits: then the change was made, once. Cut on the server's, it was not, and
    is made again.
    """
    schema = url.rpartition("serein_schema=")[2]
    runs: list[int] = []

    def add(tx: Transaction) -> None:
        runs.append(1)
        found = tx.get(PLAIN, "sum", 0)
        tx.put(PLAIN, thing("sum", 0, str(int(found.note) + 1 if found else 1)))

    async def story(node: PostgresStore) -> None:
        await node.transact(add)
        runs.clear()
        server.sql(f"""
            CREATE FUNCTION "{schema}".doze() RETURNS trigger LANGUAGE plpgsql AS
            $$ BEGIN PERFORM pg_sleep(0.8); RETURN NULL; END $$;
            CREATE CONSTRAINT TRIGGER doze AFTER UPDATE ON "{schema}"."t_{PLAIN.name}"
            DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION "{schema}".doze()""")
        changing = node.transact(add)
        until = time.monotonic() + 10
        asleep = "SELECT pid FROM pg_stat_activity WHERE wait_event = 'PgSleep'"
        while not (pids := server.sql(asleep)):
            assert time.monotonic() < until
            await asyncio.sleep(0.01)
        if end == "committed":
            assert node._lane.connection is not None
            node._lane.connection._lose(ConnectionError("cut by the test"))
        else:
            server.sql(f"SELECT pg_terminate_backend({pids[0][0]})")
        await changing
        assert (await see(node, lambda s: s.get(PLAIN, "sum", 0))).note == "2"
        assert len(runs) == (1 if end == "committed" else 2)

    live(url, 1, story)


def test_connections_that_were_cut_are_made_again(server: PostgresServer, url: str) -> None:
    async def story(node: PostgresStore) -> None:
        for round_ in range(5):
            await node.transact(lambda tx, r=round_: tx.put(PLAIN, thing("a", r)))
            assert await see(node, lambda s: s.count(PLAIN)) == round_ + 1
            server.sql(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'serein'"
            )
            await asyncio.sleep(0.05)

    live(url, 1, story)


def test_rings_reach_the_other_nodes(server: PostgresServer, url: str) -> None:
    async def story(one: PostgresStore, other: PostgresStore) -> None:
        heard: list[str] = []
        rung = asyncio.Event()

        def on_ring(arn: str) -> None:
            heard.append(arn)
            rung.set()

        one.bell.on_ring = lambda arn: heard.append("an echo of " + arn)
        other.bell.on_ring = on_ring
        for number in range(20):
            rung.clear()
            one.bell.ring(f"arn:{number}")
            await asyncio.wait_for(rung.wait(), 5)
        assert heard == [f"arn:{number}" for number in range(20)]
        everybody = asyncio.Event()
        other.bell.on_everybody = everybody.set
        for number in range(5000):
            one.bell.ring(f"arn:aws:sqs:us-east-1:000000000000:a-queue-with-a-name-{number}")
        await asyncio.wait_for(everybody.wait(), 5)
        # Who was cut off does not know what he missed.
        everybody.clear()
        server.sql(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'LISTEN%'"
        )
        await asyncio.wait_for(everybody.wait(), 10)

    live(url, 2, story)


def test_a_database_that_is_full_or_gone_refuses_and_nothing_hangs(
    server: PostgresServer, url: str
) -> None:
    schema = url.rpartition("serein_schema=")[2]

    async def story(node: PostgresStore) -> None:
        await node.transact(lambda tx: tx.put(PLAIN, thing("a", 1)))
        server.sql(f"""
            CREATE FUNCTION "{schema}".full() RETURNS trigger LANGUAGE plpgsql AS
            $$ BEGIN RAISE EXCEPTION 'no space left' USING ERRCODE = '53100'; END $$;
            CREATE TRIGGER full_ BEFORE INSERT OR UPDATE ON "{schema}"."t_{PLAIN.name}"
            FOR EACH ROW EXECUTE FUNCTION "{schema}".full()""")
        with pytest.raises(StoreUnavailable, match="full"):
            await node.transact(lambda tx: tx.put(PLAIN, thing("a", 2)))
        server.sql(f'DROP TRIGGER full_ ON "{schema}"."t_{PLAIN.name}"')
        await node.transact(lambda tx: tx.put(PLAIN, thing("a", 3)))
        found = await see(node, lambda s: [one.number for one in s.scan(PLAIN)])
        assert found == [1, 3]

    live(url, 1, story)


def test_while_the_database_is_gone_writes_wait_for_a_while_and_are_then_refused() -> None:
    folder = binaries_or_none()
    if folder is None:
        pytest.skip("no PostgreSQL server here")
    server = PostgresServer(folder)

    async def story() -> None:
        server.start()
        patient = PostgresStore(server.url("s"))
        hasty = PostgresStore(server.url("s"), patience_s=0.5)
        await patient.open()
        await hasty.open()
        await patient.transact(lambda tx: tx.put(PLAIN, thing("a", 0)))
        server.crash()
        waiting = [patient.transact(lambda tx: tx.put(PLAIN, thing("a", 1)))]
        refused = [hasty.transact(lambda tx: tx.put(PLAIN, thing("a", 2))) for _ in range(3)]
        for future in refused:
            with pytest.raises(StoreUnavailable, match="could not write"):
                await asyncio.wait_for(future, 10)
        with pytest.raises(StoreUnavailable):
            await asyncio.create_task(see(hasty, lambda s: s.get(PLAIN, "a", 0)))
        await asyncio.to_thread(server.start)
        await asyncio.wait_for(asyncio.gather(*waiting), 15)
        await asyncio.wait_for(hasty.transact(lambda tx: tx.put(PLAIN, thing("a", 3))), 10)
        found = asyncio.create_task(see(hasty, lambda s: [one.number for one in s.scan(PLAIN)]))
        assert await found == [0, 1, 3]
        await patient.close()
        await hasty.close()

    try:
        asyncio.run(asyncio.wait_for(story(), 60))
    finally:
        server.stop()


def test_inside_a_transaction_the_store_is_not_asked(url: str) -> None:
    async def story(node: PostgresStore) -> None:
        with pytest.raises(StoreError, match="through the transaction"):
            await node.transact(lambda tx: node.snapshot())
        assert await node.survey(lambda snapshot: snapshot.count(PLAIN)) == 0

    live(url, 1, story)
