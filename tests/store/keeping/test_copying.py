"""Copies between stores: everything arrives, verified; what cannot be copied is refused before anything is touched."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from serein.store.blobs import BlobId
from serein.store.errors import StoreDamaged, StoreError, StoreFormatTooNew
from serein.store.interface import Store
from serein.store.keeping.addresses import opened_source, opened_store
from serein.store.keeping.copying import copy_store
from serein.store.memory import MemoryStore
from serein.store.sqlite.engine import SqliteStore
from serein.store.tables import Table
from tests.store.keeping.filled import (
    FORMED,
    NOTES,
    OLD_RAW,
    RAW_CHANGED,
    Note,
    everything,
    fill,
    pieces,
)


def test_everything_arrives(tmp_path: Path) -> None:
    async def story() -> None:
        async with opened_store(str(tmp_path / "a")) as source:
            await fill(source, rows=3000)
            await source.transact(lambda tx: tx.put_bytes(OLD_RAW, ("old",), b"form 1"))
        async with opened_store(str(tmp_path / "a")) as source:
            await source.transact(lambda tx: tx.put_bytes(RAW_CHANGED, ("new",), b"form 2"))
            before = await everything(source)
        async with (
            opened_source(str(tmp_path / "a")) as given,
            opened_store(str(tmp_path / "b")) as target,
        ):
            copied = await copy_store(given, target)
            assert await everything(target) == before
            assert (copied.rows, copied.blobs) == (3000 + 3000 + 3 + 2, 3)
            # Records keep their form, whoever reads them.
            found = await target.survey(lambda snapshot: snapshot.get(FORMED, "1"))
            assert found is not None
            changed = await target.survey(lambda snapshot: dict(snapshot.scan(RAW_CHANGED)))
            assert changed == {("new",): b"form 2", ("old",): b"form 1!"}
            older = Table("keeping.formed", Note, key=lambda note: (note.name,), version=2)
            with pytest.raises(StoreFormatTooNew):
                await target.survey(lambda snapshot: snapshot.get(older, "1"))

    asyncio.run(story())


@pytest.mark.parametrize("kinds", ["ms", "sm", "mm"])
def test_between_engines(tmp_path: Path, kinds: str) -> None:
    def made(kind: str, name: str) -> Store:
        return MemoryStore() if kind == "m" else SqliteStore(tmp_path / name)

    async def story() -> None:
        source, target = made(kinds[0], "a"), made(kinds[1], "b")
        await source.open()
        await target.open()
        await fill(source)
        await copy_store(source, target)
        assert await everything(target) == await everything(source)
        await source.close()
        await target.close()

    asyncio.run(story())


def test_of_a_store_in_use_one_state_is_copied(tmp_path: Path) -> None:
    async def story() -> None:
        store = SqliteStore(tmp_path / "a")
        await store.open()
        await fill(store)
        busy = True

        async def write() -> int:
            count = 0
            while busy:
                count += 1
                # Two rows that are always written together.
                pair = (
                    Note(name="pair", number=0, blob=str(count)),
                    Note(name="pair", number=1, blob=str(count)),
                )
                await store.transact(lambda tx, pair=pair: [tx.put(NOTES, one) for one in pair])  # type: ignore[misc]
            return count

        writing = asyncio.ensure_future(write())
        async with (
            opened_source(str(tmp_path / "a")) as given,
            opened_store(str(tmp_path / "b")) as target,
        ):
            await copy_store(given, target)
            found = await target.survey(lambda s: [note.blob for note in s.scan(NOTES, ("pair",))])
        busy = False
        assert await writing > 0
        assert len(set(found)) <= 1
        await store.close()

    asyncio.run(story())


def test_a_target_that_holds_anything_is_refused(tmp_path: Path) -> None:
    async def story() -> None:
        for name in ("a", "b"):
            async with opened_store(str(tmp_path / name)) as store:
                await fill(store, rows=1, blobs=0)
        async with (
            opened_source(str(tmp_path / "a")) as given,
            opened_store(str(tmp_path / "b")) as target,
        ):
            with pytest.raises(StoreError, match="the target is not empty"):
                await copy_store(given, target)

    asyncio.run(story())


def test_a_damaged_blob_is_not_copied(tmp_path: Path) -> None:
    async def story() -> None:
        async with opened_store(str(tmp_path / "a")) as store:
            blob = (await fill(store))[2]
        path = tmp_path / "a" / "blobs" / blob[:2] / blob
        content = bytearray(path.read_bytes())
        content[1000] ^= 1
        path.write_bytes(content)
        async with (
            opened_source(str(tmp_path / "a")) as given,
            opened_store(str(tmp_path / "b")) as target,
        ):
            with pytest.raises(StoreDamaged, match=f"blob {blob} is damaged"):
                await copy_store(given, target)

    asyncio.run(story())


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        ("mysql://x", "is no kind of store"),
        ("{tmp}/nothing", "holds no data of Serein"),
    ],
)
def test_what_is_no_store_is_said_in_one_line(tmp_path: Path, address: str, reason: str) -> None:
    async def story() -> None:
        async with opened_source(address.format(tmp=tmp_path)):
            pass

    with pytest.raises(StoreError, match=reason):
        asyncio.run(story())
    assert list(tmp_path.iterdir()) == []


def test_a_foreign_database_is_refused(tmp_path: Path) -> None:
    (tmp_path / "store.sqlite").write_bytes(b"not a database at all" * 1000)

    async def story() -> None:
        async with opened_source(str(tmp_path)):
            pass

    with pytest.raises(StoreDamaged):
        asyncio.run(story())


def test_a_blob_under_a_given_id(make_store_of_both: Store) -> None:
    async def story() -> None:
        store = make_store_of_both
        await store.open()
        blob = BlobId("0123456789abcdef" * 2)
        for content in ((b"one", b"two"), (b"three",)):
            await store.blobs.write_under(blob, pieces(*content))
            assert await store.blobs.read(blob) == b"".join(content)
        await store.close()

    asyncio.run(story())
