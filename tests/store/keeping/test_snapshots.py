"""Snapshots of a data directory: consistent while it is in use, whole or not there, and nothing is lost by going back."""

from __future__ import annotations

import asyncio
import os
import shutil
from pathlib import Path

import pytest

from serein.store.errors import StoreError, StoreLocked
from serein.store.interface import Transaction
from serein.store.keeping import cloning, restoring, snapshots
from serein.store.keeping.addresses import opened_store
from serein.store.keeping.differences import differences
from serein.store.keeping.sources import look_into
from serein.store.sqlite.engine import SqliteStore
from tests.store.keeping.filled import FORMED, NOTES, Everything, Note, everything, fill


def _nothing_missing(directory: Path) -> list[str]:
    return []


def _state(directory: Path) -> Everything:
    async def look() -> Everything:
        async with opened_store(str(directory)) as store:
            return await everything(store)

    return asyncio.run(look())


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A data directory with something in it."""

    async def make() -> None:
        async with opened_store(str(tmp_path / "data")) as store:
            await fill(store)

    asyncio.run(make())
    return tmp_path / "data"


def _change(data: Path) -> None:
    async def change() -> None:
        async with opened_store(str(data)) as store:
            blob = await store.blobs.write(b"newer")
            found = await store.survey(lambda s: s.get(FORMED, "1"))
            assert found is not None

            def write(tx: Transaction) -> None:
                tx.put(NOTES, Note(name="later"))
                tx.delete(NOTES, "n0", 0)
                tx.put(FORMED, Note(name="1", blob=blob))

            await store.transact(write)
            await store.blobs.delete(found.blob)  # type: ignore[arg-type]

    asyncio.run(change())


def test_going_back_and_forth(data: Path) -> None:
    before = _state(data)
    about = snapshots.save(data, "before", 100.0, _nothing_missing)
    assert (about.name, about.taken_at, about.blobs) == ("before", 100.0, 3)
    _change(data)
    after = _state(data)
    restoring.restore(data, "before", 200.0, "after")
    assert _state(data)[0] == before[0]
    # Blobs of both states are there; what nobody points at is the sweeper's.
    assert _state(data)[1].items() >= before[1].items()
    restoring.restore(data, "after", 300.0, "again")
    assert _state(data)[0] == after[0]
    assert _state(data)[1].items() >= after[1].items()
    assert [about.name for about in snapshots.list_snapshots(data)] == ["before", "after", "again"]


def test_blobs_are_shared_not_copied(data: Path) -> None:
    snapshots.save(data, "one", 1.0, _nothing_missing)
    blobs = [path for path in (data / "blobs").glob("??/*") if path.is_file()]
    assert len(blobs) == 3
    for path in blobs:
        kept = data / "snapshots" / "one" / path.relative_to(data)
        assert os.path.samefile(path, kept)


def test_a_snapshot_does_not_change_with_the_original(data: Path) -> None:
    snapshots.save(data, "one", 1.0, _nothing_missing)
    kept = _state(data / "snapshots" / "one")
    _change(data)
    assert _state(data / "snapshots" / "one") == kept


def test_a_branch_is_a_data_directory_of_its_own(data: Path, tmp_path: Path) -> None:
    before = _state(data)
    snapshots.save(data, "one", 1.0, _nothing_missing)
    snapshots.branch(data, "one", tmp_path / "branch")
    _change(tmp_path / "branch")
    assert _state(data) == before
    assert _state(tmp_path / "branch") != before
    with pytest.raises(StoreError, match="is not empty"):
        snapshots.branch(data, "one", tmp_path / "branch")


def test_taken_while_it_is_written_to(data: Path) -> None:
    """Two rows that are always written together are the same in every snapshot, and so is the blob that they point at."""

    async def story() -> None:
        store = SqliteStore(data)
        await store.open()
        busy = True

        async def write() -> None:
            count = 0
            while busy:
                count += 1
                blob = await store.blobs.write(str(count).encode())
                pair = [Note(name="pair", number=number, blob=blob) for number in (0, 1)]
                await store.transact(lambda tx, pair=pair: [tx.put(NOTES, one) for one in pair])  # type: ignore[misc]

        writing = asyncio.ensure_future(write())
        for number in range(5):
            await asyncio.to_thread(
                snapshots.save, data, f"s{number}", float(number), _nothing_missing
            )
        busy = False
        await writing
        await store.close()

    asyncio.run(story())
    for number in range(5):
        folder = data / "snapshots" / f"s{number}"
        found = look_into(folder, lambda s: [note.blob for note in s.scan(NOTES, ("pair",))])
        assert len(set(found)) <= 1
        for blob in found:
            assert (folder / "blobs" / blob[:2] / blob).is_file()


def test_with_shared_blocks(data: Path, tmp_path: Path) -> None:
    """The way of file systems that can clone files, with a clone that copies: file and log together are one state."""

    def clone(source: int, target: int) -> None:
        with open(source, "rb", closefd=False) as given, open(target, "wb", closefd=False) as taken:
            given.seek(0)
            shutil.copyfileobj(given, taken)

    async def story() -> None:
        store = SqliteStore(data)
        await store.open()
        await store.transact(lambda tx: tx.put(NOTES, Note(name="in the log")))
        assert (data / "store.sqlite-wal").stat().st_size > 0
        (tmp_path / "cloned").mkdir()
        await asyncio.to_thread(
            cloning.clone_tables, data, tmp_path / "cloned" / "store.sqlite", clone
        )
        await store.transact(lambda tx: tx.put(NOTES, Note(name="later")))
        await store.close()

    asyncio.run(story())
    assert [path.name for path in (tmp_path / "cloned").iterdir()] == ["store.sqlite"]
    names = look_into(tmp_path / "cloned", lambda s: {note.name for note in s.scan(NOTES)})
    assert "in the log" in names
    assert "later" not in names


def test_not_restored_while_in_use(data: Path) -> None:
    snapshots.save(data, "one", 1.0, _nothing_missing)

    async def story() -> None:
        async with opened_store(str(data)):
            with pytest.raises(StoreLocked, match="in use"):
                await asyncio.to_thread(restoring.restore, data, "one", 2.0, "kept")

    asyncio.run(story())
    assert [about.name for about in snapshots.list_snapshots(data)] == ["one"]


def test_blobs_that_go_while_they_are_linked_are_looked_for_again(data: Path) -> None:
    looks = iter([["gone"], ["gone"], []])
    snapshots.save(data, "one", 1.0, lambda _: next(looks))
    assert [about.name for about in snapshots.list_snapshots(data)] == ["one"]
    with pytest.raises(StoreError, match="removed faster"):
        snapshots.save(data, "two", 2.0, lambda _: ["gone"])
    assert sorted(os.listdir(data / "snapshots")) == ["one"]


@pytest.mark.parametrize("name", ["", "../up", ".hidden", "a b", "x" * 101, "a/b"])
def test_names_that_are_none(data: Path, name: str) -> None:
    with pytest.raises(StoreError, match="cannot name a snapshot"):
        snapshots.save(data, name, 1.0, _nothing_missing)


def test_a_name_is_given_once(data: Path) -> None:
    snapshots.save(data, "one", 1.0, _nothing_missing)
    with pytest.raises(StoreError, match="choose another name"):
        snapshots.save(data, "one", 2.0, _nothing_missing)
    snapshots.delete(data, "one")
    snapshots.save(data, "one", 3.0, _nothing_missing)
    with pytest.raises(StoreError, match=r"no snapshot two .*there: one"):
        snapshots.delete(data, "two")


def test_differences_are_found(data: Path) -> None:
    snapshots.save(data, "one", 1.0, _nothing_missing)
    _change(data)
    found = look_into(
        data / "snapshots" / "one",
        lambda old: look_into(data, lambda new: list(differences(old, new))),
    )
    assert [(c.table, c.key, c.before is None, c.after is None) for c in found] == [
        ("keeping.formed", ("1",), False, False),
        ("keeping.notes", ("later", 0), True, False),
        ("keeping.notes", ("n0", 0), False, True),
    ]
