"""Damage is found on reading, named by table and key, never served, and stays with the record that has it."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import apsw
import pytest
from hypothesis import given
from hypothesis import strategies as st

from serein.store.errors import StoreDamaged, StoreError
from serein.store.interface import Snapshot, Store, Transaction
from serein.store.keys import encode_key
from serein.store.seals import opened_or_none, sealed
from serein.store.sqlite.engine import SqliteStore
from tests.store.things import KEPT, RAW, THINGS, run, thing

KEYS = st.binary(max_size=40)


@given(KEYS, st.binary(max_size=300), st.data())
def test_a_seal_holds_value_and_key(key: bytes, value: bytes, data: st.DataObject) -> None:
    kept = sealed(key, value)
    assert opened_or_none(key, kept) == value
    flipped = bytearray(kept)
    flipped[data.draw(st.integers(0, len(kept) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    assert opened_or_none(key, bytes(flipped)) is None
    assert opened_or_none(key, kept[: data.draw(st.integers(0, len(kept) - 1))]) is None
    other = data.draw(KEYS)
    assert other == key or opened_or_none(other, kept) is None


async def fill(store: Store) -> None:
    def change(tx: Transaction) -> None:
        for number in range(40):
            tx.put(THINGS, thing("a", number, f"note {number}"))
            tx.put(KEPT, thing("a", number, f"note {number}"))
            tx.put_bytes(RAW, ("a", number), b"raw %d" % number)

    await store.transact(change)


def spoil(directory: Path, table: str, number: int, how: Callable[[bytes], bytes]) -> None:
    """Change a stored value behind the store's back."""
    connection = apsw.Connection(str(directory / "store.sqlite"))
    key = encode_key(("a", number))
    row: Any = connection.execute(f'SELECT value FROM "t_{table}" WHERE key = ?', (key,)).fetchone()
    connection.execute(f'UPDATE "t_{table}" SET value = ? WHERE key = ?', (how(row[0]), key))
    connection.close()


def flip(value: bytes) -> bytes:
    return bytes([value[0] ^ 1]) + value[1:]


def test_workers_pass_over_what_is_damaged(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    run(SqliteStore(tmp_path), fill)
    spoil(tmp_path, "test.things", 7, flip)

    async def story(store: Store) -> None:
        for _ in range(3):
            seen = store.snapshot().scan(THINGS, limit=10, skip_damaged=True)
            assert [one.number for one in seen] == [0, 1, 2, 3, 4, 5, 6, 8, 9]

    with caplog.at_level(logging.ERROR):
        run(SqliteStore(tmp_path), story)
    assert caplog.text.count("is damaged") == 1


@pytest.mark.parametrize(
    "how", [flip, lambda value: b"", lambda value: value[:-1], lambda value: value + b"x"]
)
def test_a_damaged_record_is_named_and_the_others_are_served(
    tmp_path: Path, how: Callable[[bytes], bytes], caplog: pytest.LogCaptureFixture
) -> None:
    run(SqliteStore(tmp_path), fill)
    for table in ("test.things", "test.kept", "test.raw"):
        spoil(tmp_path, table, 7, how)

    def looks(view: Snapshot) -> None:
        for table in (THINGS, KEPT, RAW):
            named = rf"table {table.name}, key \('a', 7\): the record is damaged"
            for look in (
                lambda table=table: view.get(table, "a", 7),
                lambda table=table: list(view.scan(table, ("a",))),
            ):
                with pytest.raises(StoreDamaged, match=named):
                    look()
            assert view.get(table, "a", 6) is not None
            assert len(list(view.scan(table, ("a",), stop=(7,)))) == 7
        with pytest.raises(StoreDamaged, match=r"test\.raw"):
            list(view.scan_values(RAW, ("a",)))

    async def story(store: Store) -> None:
        looks(store.snapshot())
        await store.transact(looks)
        await store.survey(looks)
        # What is put anew is whole again.
        await store.transact(lambda tx: tx.put(THINGS, thing("a", 7, "new")))
        assert store.snapshot().get(THINGS, "a", 7) == thing("a", 7, "new")
        assert store.snapshot().count(THINGS) == 40

    with caplog.at_level(logging.ERROR):
        run(SqliteStore(tmp_path), story)
    assert "table test.things, key ('a', 7)" in caplog.text


def test_only_the_transaction_that_met_the_damage_fails(tmp_path: Path) -> None:
    run(SqliteStore(tmp_path), fill)
    spoil(tmp_path, "test.things", 7, flip)

    async def story(store: Store) -> None:
        def change(number: int) -> Callable[[Transaction], None]:
            def run(tx: Transaction) -> None:
                tx.put_bytes(RAW, ("b", number), b"")
                tx.get(THINGS, "a", number)

            return run

        numbers = range(4, 10)
        results = await asyncio.gather(
            *[store.transact(change(number)) for number in numbers], return_exceptions=True
        )
        assert [type(result) for result in results] == [type(None)] * 3 + [StoreDamaged] + [
            type(None)
        ] * 2
        assert [key[1] for key, _ in store.snapshot().scan(RAW, ("b",))] == [4, 5, 6, 8, 9]

    run(SqliteStore(tmp_path), story)


def test_records_that_changed_places_are_found(tmp_path: Path) -> None:
    run(SqliteStore(tmp_path), fill)
    found: list[bytes] = []
    spoil(tmp_path, "test.raw", 3, lambda value: (found.append(value), value)[1])
    spoil(tmp_path, "test.raw", 4, lambda value: found[0])

    async def story(store: Store) -> None:
        assert store.snapshot().get(RAW, "a", 3) == b"raw 3"
        with pytest.raises(StoreDamaged, match=r"\('a', 4\)"):
            store.snapshot().get(RAW, "a", 4)

    run(SqliteStore(tmp_path), story)


def test_whatever_byte_of_the_file_is_damaged_nothing_wrong_is_served(tmp_path: Path) -> None:
    """Bits flipped anywhere: what is answered is what was put, or an error of the store's; the store goes on.

    A damaged page may hide a key (then it is not found): that is for `PRAGMA integrity_check`, not for a read.
    """
    run(SqliteStore(tmp_path / "whole"), fill)
    whole = (tmp_path / "whole/store.sqlite").read_bytes()
    chance = random.Random(20261121)
    told = 0
    for life in range(60):
        directory = tmp_path / str(life)
        directory.mkdir()
        damaged = bytearray(whole)
        for _ in range(chance.choice([1, 1, 20])):
            damaged[chance.randrange(len(damaged))] ^= 1 << chance.randrange(8)
        (directory / "store.sqlite").write_bytes(damaged)

        async def story(store: Store) -> None:
            nonlocal told
            for number in range(40):
                for table in (THINGS, KEPT, RAW):
                    for look in (
                        lambda table=table, number=number: store.snapshot().get(table, "a", number),
                        lambda table=table, number=number: next(
                            store.snapshot().scan(table, ("a",), start=(number,), limit=1), None
                        ),
                    ):
                        try:
                            found: Any = look()
                        except StoreError:
                            told += 1
                            continue
                        if isinstance(found, tuple):
                            key, found = found
                            assert found == b"raw %d" % key[1]
                        elif isinstance(found, bytes):
                            assert found == b"raw %d" % number
                        elif found is not None:
                            assert found.note == f"note {found.number}"

        try:
            run(SqliteStore(directory), story)
        except StoreError:
            told += 1
    assert told > 20
