"""Several stores over one directory, as worker processes have them (here in one process, on one loop): each sees at once what
the others have committed, and what it remembers never outlives it."""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import TypeVar

import apsw
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serein.base.siblings import Siblings
from serein.store.errors import StoreDamaged, StoreLocked
from serein.store.interface import Snapshot, Store, Transaction
from serein.store.sqlite.engine import SqliteStore
from serein.store.sqlite.lock import DirectoryLock
from serein.store.sqlite.shared import SharedSqliteStore, prepare
from tests.store.things import KEPT, RAW, THINGS, Thing, thing

T = TypeVar("T")
Story = Callable[..., Awaitable[T]]


@contextlib.asynccontextmanager
async def opened(
    directory: Path, count: int = 2, *, apart: bool = False, **sizes: int
) -> AsyncIterator[list[SharedSqliteStore]]:
    """Stores of `count` processes over one directory; `apart`: their commits run on threads."""
    lock = prepare(directory)
    siblings = Siblings(count)
    seats = [siblings.seat(slot) for slot in range(count)]
    stores = [SharedSqliteStore(directory, seat, **sizes) for seat in seats]  # type: ignore[arg-type]
    try:
        for seat, store in zip(seats, stores, strict=True):
            seat.attach(asyncio.get_running_loop())
            await store.open()
            if apart:
                store.commit_apart()
        yield stores
    finally:
        for store in stores:
            await store.close()
        for seat in seats:
            seat.detach()
        siblings.close()
        lock.release()


def live(directory: Path, story: Callable[..., Awaitable[T]], **how: object) -> T:
    """Open stores, live through `story(*stores)`, close them."""

    async def whole() -> T:
        async with opened(directory, **how) as stores:  # type: ignore[arg-type]
            return await story(*stores)

    return asyncio.run(whole())


def put(note: str, table: object = KEPT) -> Callable[[Transaction], None]:
    return lambda tx: tx.put(table, thing("a", 1, note))  # type: ignore[arg-type]


def note_in(view: Snapshot) -> str | None:
    found = view.get(KEPT, "a", 1)
    return None if found is None else found.note


@pytest.fixture(params=[False, True], ids=["inline", "apart"])
def apart(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


def test_each_sees_at_once_what_the_other_committed(tmp_path: Path, apart: bool) -> None:
    async def story(one: Store, other: Store) -> None:
        # A table that the reader knew as absent, too.
        assert note_in(other.snapshot()) is None
        for turn in range(20):
            writer, reader = (one, other) if turn % 2 else (other, one)
            before = reader.snapshot().table_version(KEPT)
            await writer.transact(put(str(turn)))
            assert note_in(reader.snapshot()) == str(turn)
            assert reader.snapshot().table_version(KEPT) != before
            assert list(reader.snapshot().scan(KEPT, ("a",))) == [thing("a", 1, str(turn))]

    live(tmp_path / "data", story, apart=apart)


def test_what_was_not_written_to_keeps_its_version(tmp_path: Path) -> None:
    async def story(one: Store, other: Store) -> None:
        await one.transact(put("here"))
        kept = other.snapshot().table_versions(frozenset([KEPT.name]))
        await one.transact(lambda tx: tx.put(THINGS, thing("b", 1)))
        assert other.snapshot().table_version(THINGS) != 0
        assert other.snapshot().table_versions(frozenset([KEPT.name])) == kept

    live(tmp_path / "data", story)


def test_transactions_see_what_the_others_wrote(tmp_path: Path, apart: bool) -> None:
    def count(tx: Transaction) -> int:
        found = tx.get(KEPT, "counter", 0)
        number = int(found.note) + 1 if found is not None else 1
        tx.put(KEPT, thing("counter", 0, str(number)))
        return number

    async def story(*stores: Store) -> None:
        async def several(store: Store) -> list[int]:
            return [await store.transact(count) for _ in range(60)]

        counts = await asyncio.gather(*[several(store) for store in stores for _ in range(3)])
        assert sorted(n for some in counts for n in some) == list(
            range(1, 60 * 3 * len(stores) + 1)
        )

    live(tmp_path / "data", story, count=3, apart=apart)


def test_a_transaction_that_was_undone_gives_no_version_to_anybody(tmp_path: Path) -> None:
    """Who derived something inside a transaction that failed must not find its stamp again later."""
    seen: list[int] = []

    def undone(tx: Transaction) -> None:
        tx.put(KEPT, thing("a", 1, "never"))
        seen.append(tx.table_version(KEPT))
        raise LookupError

    async def story(one: Store, other: Store) -> None:
        for turn in range(8):
            with pytest.raises(LookupError):
                await one.transact(undone)
            await other.transact(put(str(turn)))
            seen.append(one.snapshot().table_version(KEPT))
        assert len(set(seen)) == len(seen)

    live(tmp_path / "data", story)


def test_a_read_after_an_answer_is_never_behind(tmp_path: Path) -> None:
    """While a process commits on its thread it shows the state before; not any longer once that, or more, is committed."""

    async def story(one: SharedSqliteStore, other: SharedSqliteStore) -> None:
        one.commit_apart()
        last = 0

        async def write(store: Store, times: int, turn: int) -> None:
            nonlocal last
            for number in range(times):
                done = thing("a", 1, f"{turn}.{number}")
                await store.transact(lambda tx, done=done: tx.put(KEPT, done))  # type: ignore[misc]
                last = max(last, order_of(store.snapshot()))

        def order_of(view: Snapshot) -> int:
            found = view.get(THINGS, "order", 0)
            return 0 if found is None else int(found.note)

        async def order(store: Store) -> None:
            nonlocal last
            for _ in range(100):

                def next_one(tx: Transaction) -> int:
                    number = order_of(tx) + 1
                    tx.put(THINGS, thing("order", 0, str(number)))
                    return number

                last = max(last, await store.transact(next_one))
                for each in (one, other):
                    assert order_of(each.snapshot()) >= last

        await asyncio.gather(
            order(one), order(other), order(other), write(one, 100, 1), write(other, 100, 2)
        )

    live(tmp_path / "data", story)


def test_the_log_begins_anew_although_all_read_all_the_time(tmp_path: Path) -> None:
    sizes = {"checkpoint_pages": 40, "pause_pages": 120}
    log = tmp_path / "data" / "store.sqlite-wal"

    async def story(*stores: Store) -> int:
        longest = 0

        async def write(store: Store, group: str) -> None:
            nonlocal longest
            for number in range(250):
                body = f"{group}{number}".encode() * 400
                await store.transact(
                    lambda tx, n=number, b=body: tx.put_bytes(RAW, (group, n), b)  # type: ignore[misc]
                )
                longest = max(longest, log.stat().st_size)
                for each in stores:
                    assert each.snapshot().count(RAW, (group,)) == number + 1

        await asyncio.gather(*[write(store, str(n)) for n, store in enumerate(stores)])
        return longest

    longest = live(tmp_path / "data", story, count=2, **sizes)
    # 500 commits of at least four pages each would be more than 8 MB.
    assert longest < 3 * 120 * 4200


def test_a_turn_goes_to_whoever_waits_longest(tmp_path: Path) -> None:
    async def story(*stores: Store) -> None:
        order: list[int] = []
        ends = asyncio.Event()

        async def press(number: int) -> None:
            while not ends.is_set():
                await stores[number].transact(lambda tx: tx.put(THINGS, thing("n", number)))
                order.append(number)

        pressing = [asyncio.ensure_future(press(n)) for n in (0, 1, 2) for _ in range(4)]
        while len(order) < 600:
            await asyncio.sleep(0)
        ends.set()
        await asyncio.gather(*pressing)
        for number in range(3):
            assert order.count(number) > len(order) / 6, order[:60]

    live(tmp_path / "data", story, count=3)


def test_the_directory_belongs_to_all_of_them_and_nobody_else(tmp_path: Path) -> None:
    async def story(one: Store, other: Store) -> None:
        with pytest.raises(StoreLocked):
            await SqliteStore(tmp_path / "data").open()
        with pytest.raises(StoreLocked):
            prepare(tmp_path / "data")
        await one.transact(put("mine"))

    live(tmp_path / "data", story)

    async def alone(store: Store) -> None:
        await store.open()
        assert note_in(store.snapshot()) == "mine"
        await store.transact(put("alone"))
        await store.close()

    asyncio.run(alone(SqliteStore(tmp_path / "data")))

    async def together(one: Store, other: Store) -> None:
        assert note_in(one.snapshot()) == note_in(other.snapshot()) == "alone"

    live(tmp_path / "data", together)


NUMBERS = st.integers(0, 5)
STEP = st.one_of(
    st.tuples(st.just("put"), NUMBERS),
    st.tuples(st.just("delete"), NUMBERS),
    st.tuples(st.just("clear"), NUMBERS),
    st.tuples(st.just("fail"), NUMBERS),
)
ACT = st.tuples(st.integers(0, 2), st.lists(STEP, min_size=1, max_size=4), st.booleans())


@settings(max_examples=40, deadline=None)
@given(acts=st.lists(ACT, max_size=25), apart=st.booleans())
def test_random_histories_are_those_of_one_dict(
    acts: list[tuple[int, list[tuple[str, int]], bool]], apart: bool
) -> None:
    """Whoever acts, all show the same afterwards; batches of several transactions, some of which fail."""

    async def story(*stores: Store) -> None:
        model: dict[int, str] = {}
        waiting: list[asyncio.Future[None]] = []
        for index, (who, steps, wait) in enumerate(acts):

            def act(tx: Transaction, steps: list[tuple[str, int]] = steps, i: int = index) -> None:
                kept = dict(model)
                for what, number in steps:
                    if what == "put":
                        tx.put(KEPT, thing("g", number, str(i)))
                        tx.put(THINGS, thing("g", number, str(i)))
                        model[number] = str(i)
                    elif what == "delete":
                        assert tx.delete(KEPT, "g", number) == (number in model)
                        tx.delete(THINGS, "g", number)
                        model.pop(number, None)
                    elif what == "clear":
                        tx.delete_range(KEPT, ("g",))
                        tx.delete_range(THINGS, ("g",))
                        model.clear()
                    else:
                        model.clear()
                        model.update(kept)
                        raise LookupError
                    check(tx)

            def check(view: Snapshot) -> None:
                expected = [thing("g", n, note) for n, note in sorted(model.items())]
                assert list(view.scan(KEPT, ("g",))) == expected
                assert list(view.scan(THINGS, ("g",))) == expected
                for number in range(6):
                    note = model.get(number)
                    found: Thing | None = None if note is None else thing("g", number, note)
                    assert view.get(KEPT, "g", number) == found

            waiting.append(stores[who].transact(act))
            if wait:
                for error in await asyncio.gather(*waiting, return_exceptions=True):
                    assert error is None or isinstance(error, LookupError), error
                waiting.clear()
                for store in stores:
                    check(store.snapshot())
        for error in await asyncio.gather(*waiting, return_exceptions=True):
            assert error is None or isinstance(error, LookupError), error

    with tempfile.TemporaryDirectory() as folder:
        live(Path(folder) / "data", story, count=3, apart=apart)


def test_what_cannot_be_read_is_told_and_holds_nothing_up(tmp_path: Path) -> None:
    """A damaged row of versions: who asks is told, reader or writer, and it is over when it is mended."""

    async def story(one: SharedSqliteStore, other: SharedSqliteStore) -> None:
        await one.transact(put("before"))
        assert note_in(other.snapshot()) == "before"
        connection = apsw.Connection(str(tmp_path / "data" / "store.sqlite"))
        kept = connection.execute("SELECT row FROM serein_versions").fetchall()
        connection.execute("UPDATE serein_versions SET row = x'c1'")
        with pytest.raises(StoreDamaged):
            other.snapshot()
        with pytest.raises(StoreDamaged):
            await other.transact(put("never"))
        connection.execute("UPDATE serein_versions SET row = ?", kept[0])
        await other.transact(put("after"))
        assert note_in(one.snapshot()) == "after"
        connection.close()

    live(tmp_path / "data", story)


def test_heirs_of_an_owner_that_was_killed_are_waited_for(tmp_path: Path) -> None:
    """They end by themselves; an owner that lives is not waited for."""
    path = tmp_path / "lock"
    first = DirectoryLock(path)
    first.take()
    with pytest.raises(StoreLocked):
        DirectoryLock(path).take()
    # Whoever wrote this number is gone (the largest that Linux gives is less).
    path.write_text("99999999\n")
    with pytest.raises(StoreLocked, match="99999999"):
        DirectoryLock(path, patience_s=0.0).take()
    waiting = threading.Timer(0.2, first.release)
    waiting.start()
    second = DirectoryLock(path)
    second.take()
    second.release()
    waiting.join()
