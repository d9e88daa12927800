"""Formats of a data directory: older ones are brought up, all at once; newer and foreign ones are left as they are."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import apsw
import pytest

from serein.store.blob_layout import SUM_BYTES, TRAILER_BYTES
from serein.store.errors import StoreDamaged, StoreError, StoreFormatTooNew
from serein.store.interface import Store, Transaction
from serein.store.seals import SEAL_BYTES
from serein.store.sqlite import formats
from serein.store.sqlite.engine import SqliteStore
from serein.store.tables import BytesTable
from tests.store.things import RAW, THINGS, run, thing

COUNT = 300


def make_first_format(directory: Path) -> list[str]:
    """A directory as the first format had it: rows without seals, blobs without checksums. Gives the blobs' ids."""
    blobs: list[str] = []

    async def fill(store: Store) -> None:
        def change(tx: Transaction) -> None:
            for number in range(COUNT):
                tx.put(THINGS, thing("a", number, "x" * number))
                tx.put_bytes(RAW, (number,), b"raw %d" % number)

        await store.transact(change)
        for number in range(5):
            blobs.append(await store.blobs.write(b"blob %d" % number))

    run(SqliteStore(directory), fill)
    connection = apsw.Connection(str(directory / "store.sqlite"))
    for name in ("test.things", "test.raw"):
        connection.execute(
            f'UPDATE "t_{name}" SET value = substr(value, 1, length(value) - {SEAL_BYTES})'
        )
    connection.execute("PRAGMA user_version=1")
    connection.close()
    for path in (directory / "blobs").glob("??/*"):
        os.truncate(path, path.stat().st_size - SUM_BYTES - TRAILER_BYTES)
    return blobs


def check(blobs: list[str]) -> Callable[[Store], Any]:
    async def story(store: Store) -> None:
        look = store.snapshot()
        assert [one.number for one in look.scan(THINGS)] == list(range(COUNT))
        assert [value for _, value in look.scan(RAW)] == [b"raw %d" % n for n in range(COUNT)]
        read: Any = store.blobs.read
        assert [await read(blob) for blob in blobs] == [b"blob %d" % n for n in range(5)]

    return story


def version_of(directory: Path) -> int:
    connection = apsw.Connection(str(directory / "store.sqlite"), apsw.SQLITE_OPEN_READONLY)
    (found,) = connection.execute("PRAGMA user_version").fetchall()[0]
    connection.close()
    return int(found)  # type: ignore[arg-type]


def test_the_first_format_is_brought_up(tmp_path: Path) -> None:
    blobs = make_first_format(tmp_path)
    assert version_of(tmp_path) == 1
    run(SqliteStore(tmp_path), check(blobs))
    assert version_of(tmp_path) == formats.FORMAT
    run(SqliteStore(tmp_path), check(blobs))


class Stop(BaseException):
    """The process ends here."""


@pytest.mark.parametrize("at", range(0, 4000, 97))
def test_an_upgrade_that_breaks_off_anywhere_can_be_done_again(tmp_path: Path, at: int) -> None:
    """Stopped at some call of ours (as by a kill): the old format is still whole, or the new one is."""
    blobs = make_first_format(tmp_path)
    left = at

    def trace(frame: Any, event: str, _: Any) -> Any:
        nonlocal left
        if "serein/store" in frame.f_code.co_filename:
            left -= 1
            if left == 0:
                raise Stop
        return None

    store = SqliteStore(tmp_path)
    sys.setprofile(trace)
    try:
        store._engine.open()
        store._engine.close()
    except Stop:
        store._engine._lock.release()
    finally:
        sys.setprofile(None)
    run(SqliteStore(tmp_path), check(blobs))


def test_raw_bytes_are_migrated_as_they_are_read(tmp_path: Path) -> None:
    """Rows of every form lie side by side; each is read in the newest one, and an older Serein refuses the table."""
    first = BytesTable("test.forms")
    second = BytesTable("test.forms", version=2, migrations={1: lambda value: value + b" second"})
    fourth = BytesTable(
        "test.forms",
        version=4,
        migrations={1: lambda value: value + b" second", 3: lambda value: value + b" fourth"},
    )

    def put(table: BytesTable, key: str) -> Callable[[Store], Any]:
        async def story(store: Store) -> None:
            await store.transact(lambda tx: tx.put_bytes(table, (key,), key.encode()))

        return story

    async def look(store: Store) -> None:
        expected = [b"a second fourth", b"b fourth", b"c"]
        assert [value for _, value in store.snapshot().scan(fourth)] == expected
        assert list(store.snapshot().scan_values(fourth)) == expected
        assert await store.transact(lambda tx: tx.get(fourth, "a")) == expected[0]

    async def older(store: Store) -> None:
        with pytest.raises(StoreFormatTooNew, match=r"test\.forms"):
            store.snapshot().get(second, "b")

    for story in (put(first, "a"), put(second, "b"), put(fourth, "c"), look, older):
        run(SqliteStore(tmp_path), story)
    connection = apsw.Connection(str(tmp_path / "store.sqlite"))
    connection.execute("UPDATE \"t_test.forms\" SET value = CAST(value || x'00' AS BLOB)")
    connection.close()

    async def damaged(store: Store) -> None:
        with pytest.raises(StoreDamaged, match=r"test\.forms, key"):
            store.snapshot().get(fourth, "a")

    run(SqliteStore(tmp_path), damaged)


def untouched(directory: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(directory)): path.read_bytes()
        for path in directory.rglob("*")
        if path.is_file() and path.name != "lock"
    }


def newer(directory: Path) -> None:
    run(SqliteStore(directory), check_nothing)
    connection = apsw.Connection(str(directory / "store.sqlite"))
    connection.execute("PRAGMA journal_mode=DELETE")
    connection.execute(f"PRAGMA user_version={formats.FORMAT + 1}")
    connection.close()


def foreign(directory: Path) -> None:
    connection = apsw.Connection(str(directory / "store.sqlite"))
    connection.execute("CREATE TABLE theirs (a)")
    connection.execute("PRAGMA application_id=77")
    connection.close()


def nameless(directory: Path) -> None:
    connection = apsw.Connection(str(directory / "store.sqlite"))
    connection.execute("CREATE TABLE theirs (a)")
    connection.close()


def no_database(directory: Path) -> None:
    (directory / "store.sqlite").write_bytes(b"not a database" * 1000)


def short(directory: Path) -> None:
    (directory / "store.sqlite").write_bytes(b"SQLite format 3\0")


def test_a_newer_form_of_a_table_refuses_the_whole_directory(tmp_path: Path) -> None:
    async def story(store: Store) -> None:
        await store.transact(lambda tx: tx.put_bytes(BytesTable("test.new", version=3), (1,), b"x"))

    run(SqliteStore(tmp_path), story)
    before = untouched(tmp_path)
    for forms in ({}, {"test.new": 2}):
        with pytest.raises(StoreFormatTooNew, match=r"table test\.new in form 3.* use that one"):
            run(SqliteStore(tmp_path, forms=forms), check_nothing)
    assert untouched(tmp_path) == before
    run(SqliteStore(tmp_path, forms={"test.new": 3}), check_nothing)


async def check_nothing(store: Store) -> None:
    """Open and close."""


@pytest.mark.parametrize(
    ("make", "error", "said"),
    [
        (newer, StoreFormatTooNew, "newer Serein .* use that one"),
        (foreign, StoreDamaged, "not one of Serein's; choose another directory"),
        (nameless, StoreDamaged, "not one of Serein's; choose another directory"),
        (no_database, StoreDamaged, "damaged or none of Serein's.* Restore it"),
        (short, StoreDamaged, "damaged or none of Serein's"),
    ],
)
def test_what_is_not_for_us_is_left_as_it_is(
    tmp_path: Path, make: Callable[[Path], None], error: type[StoreError], said: str
) -> None:
    make(tmp_path)
    before = untouched(tmp_path)
    with pytest.raises(error, match=said):
        run(SqliteStore(tmp_path), check_nothing)
    assert untouched(tmp_path) == before


def a_directory_in_its_place(directory: Path) -> None:
    (directory / "store.sqlite").mkdir(parents=True)


def a_file_for_the_blobs(directory: Path) -> None:
    directory.mkdir()
    (directory / "blobs").write_bytes(b"")


def a_file(directory: Path) -> None:
    directory.write_bytes(b"theirs")


def a_damaged_file(directory: Path) -> None:
    run(SqliteStore(directory), check_nothing)
    path = directory / "store.sqlite"
    path.write_bytes(path.read_bytes()[:100] + bytes(path.stat().st_size - 100))


@pytest.mark.parametrize(
    "make", [a_directory_in_its_place, a_file_for_the_blobs, a_file, a_damaged_file]
)
def test_what_cannot_be_used_is_said_in_one_line(
    tmp_path: Path, make: Callable[[Path], None]
) -> None:
    directory = tmp_path / "data"
    make(directory)
    for _ in range(2):
        with pytest.raises(StoreError, match="choose another") as caught:
            run(SqliteStore(directory), check_nothing)
        assert "\n" not in str(caught.value)
        assert str(directory) in str(caught.value)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may do everything")
def test_a_directory_without_rights(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(StoreError, match="may read and write"):
        run(SqliteStore(tmp_path / "data"), check_nothing)
