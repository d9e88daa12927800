"""What a PostgreSQL-compatible distributed database does differently: conflicts at any statement, COMMIT included, and no LISTEN.

On ordinary PostgreSQL: the failures are the server's own (`RAISE … ERRCODE 40001`), in place of one statement after the other.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from serein.store.interface import Transaction
from serein.store.postgresql import wire
from serein.store.postgresql.habit import Habit
from serein.store.postgresql.lane import Lane
from serein.store.postgresql.store import PostgresStore
from serein.store.postgresql.wire import Connection, Statement
from tests.store.postgresql.server import PostgresServer
from tests.store.postgresql.test_store import PLAIN, live, see
from tests.store.things import KEPT, RAW, thing

if TYPE_CHECKING:
    from psycopg.pq.abc import PGresult

FAIL: Statement = (b"DO $$ BEGIN RAISE EXCEPTION 'as if' USING ERRCODE = '40001'; END $$", ())


class Failing:
    """Stands in for a connection, and puts a failure in the place of its statements number `at`."""

    def __init__(self, connection: Connection, at: Callable[[int], bool]) -> None:
        self._connection = connection
        self._at = at
        self.count = 0

    def _spoilt(self, statements: Sequence[Statement]) -> list[Statement]:
        made = []
        for statement in statements:
            made.append(FAIL if self._at(self.count) else statement)
            self.count += 1
        return made

    def ask(self, statements: Sequence[Statement]) -> list[PGresult]:
        return self._connection.ask(self._spoilt(statements))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)


def spoil(lane: Lane, at: Callable[[int], bool]) -> Failing:
    """Let the lane of a node meet failures."""
    assert lane.connection is not None
    failing = Failing(lane.connection, at)
    lane.connection = failing  # type: ignore[assignment]
    return failing


def add(key: str) -> Callable[[Transaction], int]:
    """A function that reads, writes and counts on."""

    def run(tx: Transaction) -> int:
        found = tx.get(PLAIN, key, 0)
        number = int(found.note) + 1 if found else 1
        tx.put(PLAIN, thing(key, 0, str(number)))
        return number

    return run


def some(tx: Transaction) -> list[int]:
    """Another, of ranges."""
    numbers = [one.number for one in tx.scan(PLAIN, ("many",), limit=3)]
    tx.put_bytes(RAW, ("seen", len(numbers)), b"")
    tx.put(KEPT, thing("kept", len(numbers)))
    for number in numbers[:1]:
        tx.delete(PLAIN, "many", number)
    return numbers


async def story_of(node: PostgresStore) -> list[Any]:
    """Some batches; what they answered and what is stored in the end."""
    answers: list[Any] = []
    for _ in range(2):
        futures: list[asyncio.Future[Any]] = [node.transact(add("a")) for _ in range(3)]
        futures += [node.transact(some), node.transact(add("b"))]
        answers += await asyncio.gather(*futures)
    answers += await see(
        node, lambda s: [(one.group, one.number, one.note) for one in s.scan(PLAIN)]
    )
    return answers


class Beside(Habit):
    """Side by side, always."""

    def __init__(self) -> None:
        super().__init__()
        self.beside = True

    def ended(self, spared_s: float, functions: int) -> None:
        pass


async def begin(node: PostgresStore) -> None:
    def fill(tx: Transaction) -> None:
        tx.delete_range(PLAIN, ())
        tx.delete_range(RAW, ())
        tx.delete_range(KEPT, ())
        for number in range(6):
            tx.put(PLAIN, thing("many", number))

    # How many statements there are is not to depend on how long the ones before took.
    node._lane._habit = Beside()
    await node.transact(fill)
    # From here on tables are there, and nothing that is measured depends on what was there before.
    await node.transact(some)
    await node.transact(fill)


def test_a_conflict_at_any_statement_runs_the_batch_again(url: str) -> None:
    async def story(node: PostgresStore) -> None:
        await begin(node)
        watched = spoil(node._lane, lambda count: False)
        expected = await story_of(node)
        assert node._lane.connection is watched
        count = watched.count
        assert count > 12
        for at in range(count):
            node._lane.connection = watched._connection
            await begin(node)
            failing = spoil(node._lane, lambda number, at=at: number == at)  # type: ignore[misc]
            assert await story_of(node) == expected, f"statement {at} failed"
            assert failing.count > count, "nothing ran again"
        node._lane.connection = watched._connection

    live(url, 1, story)


def test_conflicts_of_readers_are_tried_again(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Under SERIALIZABLE everywhere, a reader may have to begin anew, too."""

    async def story(node: PostgresStore) -> None:
        await node.transact(lambda tx: tx.put(PLAIN, thing("a", 1)))
        spoilt: list[int] = []

        class Now(Failing):
            def _spoilt(self, statements: Sequence[Statement]) -> list[Statement]:
                if len(spoilt) % 3 == 2:
                    spoilt.append(0)
                    return list(statements)
                spoilt.append(1)
                return [*statements[:-1], FAIL]

        lend = node.lend
        monkeypatch.setattr(node, "lend", lambda: Now(lend(), lambda _: False))
        monkeypatch.setattr(node, "take_back", give_back(node))
        for _ in range(4):
            assert (await see(node, lambda s: s.get(PLAIN, "a", 1))) == thing("a", 1)
        assert sum(spoilt) >= 8

    live(url, 1, story)


def give_back(node: PostgresStore) -> Callable[[Any], None]:
    """Hand the true connection back, with what it owes."""
    true = PostgresStore.take_back

    def take_back(one: Any) -> None:
        connection = one._connection
        connection.owed = one.__dict__.pop("owed", connection.owed)
        true(node, connection)

    return take_back


@pytest.mark.parametrize("often", [3, 7])
def test_three_nodes_with_conflicts_at_commit(server: PostgresServer, url: str, often: int) -> None:
    """The server itself refuses some commits, at COMMIT: a deferred trigger, as when a distributed database validates."""
    schema = url.rpartition("serein_schema=")[2]

    async def story(*nodes: PostgresStore) -> None:
        await nodes[0].transact(add("sum"))
        server.sql(f"""
            CREATE SEQUENCE "{schema}".tries;
            CREATE FUNCTION "{schema}".refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
            IF nextval('"{schema}".tries') % {often} <> 0 THEN
            RAISE EXCEPTION 'restart transaction' USING ERRCODE = '40001'; END IF; RETURN NULL; END $$;
            CREATE CONSTRAINT TRIGGER refuse AFTER UPDATE ON "{schema}"."t_{PLAIN.name}"
            DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION "{schema}".refuse()""")

        async def work(node: PostgresStore) -> list[int]:
            return [await node.transact(add("sum")) for _ in range(6)]

        given = await asyncio.gather(*[work(node) for node in nodes for _ in range(2)])
        assert sorted(number for numbers in given for number in numbers) == list(range(2, 38))

    live(url, 3, story)


def test_without_listen_nodes_look_by_themselves(url: str) -> None:
    async def story(one: PostgresStore, other: PostgresStore) -> None:
        woken = asyncio.Event()
        heard: list[str] = []
        one.bell.on_ring = heard.append
        one.bell.on_everybody = woken.set
        for _ in range(2):
            woken.clear()
            other.bell.ring("arn:of:a:queue")
            await asyncio.wait_for(woken.wait(), 5)
        assert not heard

    live(f"{url}&serein_listen=off", 2, story)


def test_a_database_that_does_not_know_listen(
    url: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """It says so (0A000, as CockroachDB does), and the node goes over to looking."""
    true = Connection.ask

    def ask(self: Connection, statements: Sequence[Statement]) -> list[PGresult]:
        if statements and statements[0][0].startswith(b"LISTEN"):
            raise wire.Refused("unimplemented", "0A000")
        return true(self, statements)

    monkeypatch.setattr(Connection, "ask", ask)

    async def story(one: PostgresStore, other: PostgresStore) -> None:
        woken = asyncio.Event()
        one.bell.on_everybody = woken.set
        other.bell.ring("arn:of:a:queue")
        await asyncio.wait_for(woken.wait(), 5)

    live(url, 2, story)
    assert "has no LISTEN/NOTIFY" in caplog.text


def test_nothing_is_used_that_others_do_not_have() -> None:
    """Plain SQL: see "Other databases" in docs/postgresql.md."""
    folder = Path(wire.__file__).parent
    source = "\n".join(path.read_text() for path in sorted(folder.glob("*.py"))).lower()
    for word in ("nextval", "serial primary", "create sequence", "advisory_lock", "for update", "for share", "create trigger",
                 "references ", "create temp", "lo_create", "copy ("):  # fmt: skip
        assert word not in source, word
