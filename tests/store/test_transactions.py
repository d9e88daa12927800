"""What both engines promise: atomic, serialisable, durable before answered, readers on one consistent state."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from serein.store.errors import StaleSnapshot, StoreError
from serein.store.interface import Snapshot, Store, StoreUnavailable, Transaction
from serein.store.tables import BytesTable, Table
from tests.store.things import KEPT, RAW, THINGS, Thing, run, thing

MakeStore = Callable[[], Store]


def test_what_was_put_is_read_after_the_answer(make_store: MakeStore) -> None:
    async def story(store: Store) -> None:
        await store.transact(lambda tx: tx.put(THINGS, thing("a", 1, "x")))
        assert store.snapshot().get(THINGS, "a", 1) == thing("a", 1, "x")
        assert store.snapshot().get(THINGS, "a", 2) is None
        await store.transact(lambda tx: tx.put_bytes(RAW, ("k", 1), b"\x00raw"))
        assert store.snapshot().get(RAW, "k", 1) == b"\x00raw"

    run(make_store(), story)


def test_rows_that_were_told_of_are_read_as_any(make_store: MakeStore) -> None:
    """`expect` is for speed alone: whoever tells more, less or something else reads the same."""
    keys = [("k", number) for number in range(100)]
    long = ("k" * 5000, 1)

    def write(tx: Transaction) -> None:
        tx.expect(RAW, (key for key in [*keys, long]))
        for key in [*keys[::2], long]:
            assert tx.get(RAW, *key) is None
            tx.put_bytes(RAW, key, str(key[1]).encode())

    def change(tx: Transaction) -> None:
        tx.expect(RAW, iter(keys[:50]))
        assert tx.get(RAW, *keys[10]) == b"10"
        tx.put_bytes(RAW, keys[12], b"new")
        assert tx.get(RAW, *keys[12]) == b"new"
        assert [tx.delete(RAW, *key) for key in keys[:4]] == [True, False, True, False]
        assert tx.get(RAW, *keys[0]) is None

    async def story(store: Store) -> None:
        await store.transact(write)
        await store.transact(change)
        snapshot = store.snapshot()
        snapshot.expect(RAW, iter([*keys, long]))
        found = [snapshot.get(RAW, *key) for key in reversed(keys)][::-1]
        expected = [str(number).encode() if number % 2 == 0 else None for number in range(100)]
        expected[:4], expected[12] = [None] * 4, b"new"
        assert found == expected
        assert snapshot.get(RAW, *long) == b"1"
        assert snapshot.get(RAW, *keys[12]) == b"new"
        await store.transact(lambda tx: tx.put_bytes(RAW, keys[13], b"later"))
        later = store.snapshot()
        assert [later.get(RAW, *key) for key in keys[12:14]] == [b"new", b"later"]

    run(make_store(), story)


def test_a_transaction_reads_its_own_writes(make_store: MakeStore) -> None:
    def change(tx: Transaction) -> None:
        assert list(tx.scan(THINGS)) == []
        tx.put(THINGS, thing("a", 1))
        tx.put(KEPT, thing("a", 1))
        assert tx.get(THINGS, "a", 1) == thing("a", 1)
        assert tx.get(KEPT, "a", 1) == thing("a", 1)
        assert tx.count(THINGS) == 1
        assert tx.delete(THINGS, "a", 1)
        assert not tx.delete(THINGS, "a", 1)
        assert tx.get(THINGS, "a", 1) is None
        tx.put(KEPT, thing("a", 1, "again"))
        got = tx.get(KEPT, "a", 1)
        assert got is not None
        assert got.note == "again"
        assert tx.delete_range(KEPT, ("a",)) == 1
        assert tx.get(KEPT, "a", 1) is None

    async def story(store: Store) -> None:
        await store.transact(change)

    run(make_store(), story)


def test_one_that_raises_undoes_only_itself(make_store: MakeStore) -> None:
    def failing(tx: Transaction) -> None:
        tx.put(THINGS, thing("bad", 1))
        tx.delete(THINGS, "good", 1)
        tx.put(KEPT, thing("good", 1, "bad"))
        assert tx.get(KEPT, "good", 1) == thing("good", 1, "bad")
        raise ValueError("no")

    async def story(store: Store) -> None:
        def good(number: int) -> Callable[[Transaction], None]:
            def put(tx: Transaction) -> None:
                tx.put(THINGS, thing("good", number))
                tx.put(KEPT, thing("good", number))

            return put

        futures: list[asyncio.Future[Any]] = [store.transact(failing)]
        for number in range(3):
            futures += [store.transact(good(number)), store.transact(failing)]
        done = await asyncio.gather(*futures, return_exceptions=True)
        assert [type(one).__name__ for one in done] == ["ValueError", "NoneType"] * 3 + [
            "ValueError"
        ]
        look = store.snapshot()
        assert [one.number for one in look.scan(THINGS, ("good",))] == [0, 1, 2]
        assert look.count(THINGS, ("bad",)) == 0
        assert look.get(KEPT, "good", 1) == thing("good", 1)

    run(make_store(), story)


def test_a_table_made_by_an_undone_transaction_can_be_made_again(make_store: MakeStore) -> None:
    fresh = BytesTable("test.fresh")

    def failing(tx: Transaction) -> None:
        tx.put_bytes(fresh, ("a",), b"1")
        raise ValueError

    async def story(store: Store) -> None:
        with pytest.raises(ValueError):
            await store.transact(failing)
        both = [
            store.transact(lambda tx: tx.put(THINGS, thing("a", 1))),
            store.transact(failing),
            store.transact(lambda tx: tx.put_bytes(fresh, ("a",), b"2")),
        ]
        await asyncio.gather(*both, return_exceptions=True)
        assert store.snapshot().get(fresh, "a") == b"2"

    run(make_store(), story)


def test_callbacks_run_after_the_commit_in_order(make_store: MakeStore) -> None:
    async def story(store: Store) -> None:
        seen: list[str] = []

        def change(name: str, fail: bool = False) -> Callable[[Transaction], None]:
            def put(tx: Transaction) -> None:
                tx.put(THINGS, thing(name, 1))
                tx.after_commit(lambda: seen.append(f"{name} {store.snapshot().count(THINGS)}"))
                if fail:
                    raise ValueError

            return put

        futures = [
            store.transact(change("a")),
            store.transact(change("b", True)),
            store.transact(change("c")),
        ]
        await asyncio.gather(*futures, return_exceptions=True)
        # In one batch, unless the machine is so slow that it was cut in two.
        assert seen in (["a 2", "c 2"], ["a 1", "c 2"])

    run(make_store(), story)


def test_a_kept_snapshot_refuses_once_it_is_old(make_store: MakeStore) -> None:
    async def story(store: Store) -> None:
        for number in range(100):
            await store.transact(lambda tx, number=number: tx.put(THINGS, thing("a", number)))
        kept = store.snapshot()
        walking = kept.scan(THINGS)
        next(walking)
        assert store.snapshot() is kept
        await store.transact(lambda tx: tx.count(THINGS))
        assert kept.count(THINGS) == 100
        await store.transact(lambda tx: tx.put(THINGS, thing("a", 200)))
        for use in (
            lambda: kept.get(THINGS, "a", 1),
            lambda: list(walking),
            lambda: kept.count(THINGS),
            lambda: kept.table_version(THINGS),
        ):
            with pytest.raises(StaleSnapshot):
                use()
        assert store.snapshot().version > kept.version

    run(make_store(), story)


def test_a_transaction_is_over_when_its_function_is(make_store: MakeStore) -> None:
    async def story(store: Store) -> None:
        kept = await store.transact(lambda tx: tx)
        for use in (
            lambda: kept.get(THINGS, "a", 1),
            lambda: kept.put(THINGS, thing("a", 1)),
            lambda: kept.delete(THINGS, "a", 1),
        ):
            with pytest.raises(StoreError):
                use()
        with pytest.raises(StoreError, match="through the transaction"):
            await store.transact(lambda tx: store.snapshot())

    run(make_store(), story)


def test_a_look_waits_only_for_writes_that_it_could_have_seen(make_store: MakeStore) -> None:
    async def story(store: Store) -> None:
        order: list[str] = []
        for name, fn in (
            ("look before", lambda tx: tx.count(THINGS)),
            ("write", lambda tx: tx.put(THINGS, thing("a", 1))),
            ("look after", lambda tx: tx.count(THINGS)),
        ):
            future = store.transact(fn)
            future.add_done_callback(
                lambda done, name=name: order.append(f"{name} {done.result()}")
            )
        await future
        await asyncio.sleep(0)
        assert order == ["look before 0", "write None", "look after 1"]

    run(make_store(), story)


def test_a_scan_is_live_inside_a_transaction(make_store: MakeStore) -> None:
    def fill(tx: Transaction) -> None:
        for number in range(0, 200, 2):
            tx.put(THINGS, thing("a", number))

    def walk(tx: Transaction) -> list[int]:
        seen = []
        for one in tx.scan(THINGS, ("a",)):
            seen.append(one.number)
            if one.number == 10:
                tx.put(THINGS, thing("a", 11))
                tx.put(THINGS, thing("a", 9))
                tx.delete(THINGS, "a", 12)
            if one.number == 198:
                tx.put(THINGS, thing("a", 300))
        return seen

    def empty(tx: Transaction) -> int:
        for one in tx.scan(THINGS, ("a",), reverse=True, limit=1000):
            tx.delete(THINGS, one.group, one.number)
        return tx.count(THINGS)

    async def story(store: Store) -> None:
        await store.transact(fill)
        seen = await store.transact(walk)
        assert seen == sorted({*range(0, 200, 2), 11, 300} - {12})
        assert await store.transact(empty) == 0

    run(make_store(), story)


def test_table_versions_change_with_writes_and_only_then(make_store: MakeStore) -> None:
    async def story(store: Store) -> None:
        def version() -> int:
            return store.snapshot().table_version(THINGS)

        seen = [version()]
        await store.transact(lambda tx: tx.put(THINGS, thing("a", 1)))
        seen.append(version())
        await store.transact(lambda tx: tx.put(KEPT, thing("a", 1)))
        assert version() == seen[-1]
        inside: list[int] = []

        def change(tx: Transaction) -> None:
            inside.append(tx.table_version(THINGS))
            tx.put(THINGS, thing("a", 2))
            inside.append(tx.table_version(THINGS))
            tx.put(THINGS, thing("a", 3))
            inside.append(tx.table_version(THINGS))
            raise ValueError

        with pytest.raises(ValueError):
            await store.transact(change)
        assert inside[0] == seen[-1]
        assert version() == seen[-1]
        await store.transact(lambda tx: tx.put(THINGS, thing("a", 1)))
        assert version() not in {*seen, *inside}
        assert len(set(inside)) == 3

    run(make_store(), story)


def test_cached_records_are_exact(make_store: MakeStore) -> None:
    async def story(store: Store) -> None:
        await store.transact(lambda tx: tx.put(KEPT, thing("a", 1, "old")))

        def note(view: Snapshot) -> str | None:
            one = view.get(KEPT, "a", 1)
            return one.note if one else None

        assert note(store.snapshot()) == "old"
        assert store.snapshot().get(KEPT, "a", 1) is store.snapshot().get(KEPT, "a", 1)
        assert store.snapshot().get(KEPT, "none", 1) is None
        results = [
            store.transact(note),
            store.transact(lambda tx: tx.put(KEPT, thing("a", 1, "new"))),
            store.transact(note),
            store.transact(lambda tx: tx.delete_range(KEPT, ("a",))),
            store.transact(note),
            store.transact(lambda tx: tx.put(KEPT, thing("none", 1, "last"))),
        ]
        assert await asyncio.gather(*results) == ["old", None, "new", 1, None, None]
        assert note(store.snapshot()) is None
        assert store.snapshot().get(KEPT, "none", 1) == thing("none", 1, "last")

    run(make_store(), story)


def test_a_cancelled_caller_is_skipped(make_store: MakeStore) -> None:
    async def story(store: Store) -> None:
        future = store.transact(lambda tx: tx.put(THINGS, thing("a", 1)))
        future.cancel()
        await store.transact(lambda tx: tx.put(THINGS, thing("a", 2)))
        assert [one.number for one in store.snapshot().scan(THINGS)] == [2]

    run(make_store(), story)


def test_closing_finishes_what_is_under_way(make_store: MakeStore) -> None:
    async def story(store: Store) -> asyncio.Future[int]:
        return store.transact(lambda tx: (tx.put(THINGS, thing("a", 1)), 7)[1])

    store = make_store()
    assert run(store, story).result() == 7
    with pytest.raises(StoreUnavailable):
        store.transact(lambda tx: None)
    with pytest.raises(StoreUnavailable):
        store.snapshot()


def test_records_are_migrated_as_they_are_read(make_store: MakeStore) -> None:
    class Old(msgspec.Struct, frozen=True, kw_only=True):
        name: str

    class Middle(msgspec.Struct, frozen=True, kw_only=True):
        title: str

    class New(msgspec.Struct, frozen=True, kw_only=True):
        title: str
        length: int

    old = Table("test.forms", Old, key=lambda one: (one.name,))
    middle = Table(
        "test.forms", Middle, key=lambda one: (one.title,), version=2,
        migrations={1: lambda fields: {"title": fields["name"]}},
    )  # fmt: skip
    new = Table(
        "test.forms", New, key=lambda one: (one.title,), version=3,
        migrations={
            1: lambda fields: {"title": fields["name"]},
            2: lambda fields: {**fields, "length": len(fields["title"])},
        },
    )  # fmt: skip

    async def first(store: Store) -> None:
        await store.transact(lambda tx: tx.put(old, Old(name="one")))

    async def second(store: Store) -> None:
        assert store.snapshot().get(middle, "one") == Middle(title="one")
        await store.transact(lambda tx: tx.put(middle, Middle(title="three")))

    async def third(store: Store) -> None:
        found = list(store.snapshot().scan(new))
        assert found == [New(title="one", length=3), New(title="three", length=5)]
        await store.transact(lambda tx: tx.put(new, found[0]))
        assert store.snapshot().get(new, "one") == found[0]

    async def newer(store: Store) -> None:
        with pytest.raises(StoreError, match="newer Serein"):
            store.snapshot().get(old, "one")

    store = make_store()
    for story in (first, second, third, newer):
        run(store, story)


def test_two_tables_cannot_share_a_name(make_store: MakeStore) -> None:
    async def story(store: Store) -> None:
        store.snapshot().get(THINGS, "a", 1)
        with pytest.raises(StoreError, match="two tables"):
            store.snapshot().get(Table("test.things", Thing, key=lambda one: (one.note,)), "a")

    run(make_store(), story)


@pytest.mark.parametrize("name", ["", 'a"b', "a b", "ä", "x" * 101])
def test_names_of_tables(name: str) -> None:
    with pytest.raises(ValueError, match="not a table name"):
        BytesTable(name)
