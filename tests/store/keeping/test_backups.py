"""Backups: each is a whole state, further ones bring little, what was damaged or is missing is said and not restored."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serein.store.errors import StoreDamaged, StoreError
from serein.store.interface import Store
from serein.store.keeping.backups import (
    Backup,
    latest_before,
    manifests,
    name_of,
    prune,
    read_manifest,
    restore_backup,
)
from serein.store.keeping.vaults import DirectoryVault
from serein.store.memory import MemoryStore
from tests.store.keeping.filled import NOTES, Everything, Note, everything, fill, put_all

NOON = 1_760_000_000.0


async def _opened() -> Store:
    store = MemoryStore()
    await store.open()
    return store


async def _restored(vault: DirectoryVault, name: str) -> Everything:
    target = await _opened()
    await restore_backup(vault, read_manifest(vault, name), target)
    return await everything(target)


def test_each_is_a_whole_state_and_further_ones_bring_little(tmp_path: Path) -> None:
    async def story() -> None:
        vault = DirectoryVault(tmp_path / "vault")
        store = await _opened()
        await fill(store, rows=2000)
        first = await everything(store)
        one = await Backup(store, vault, NOON).run()
        assert one.blobs_new == 3
        again = await Backup(store, vault, NOON + 60).run()
        assert (again.segments_new, again.blobs_new, again.bytes_new) == (0, 0, 0)
        await store.transact(lambda tx: tx.put(NOTES, Note(name="n3", number=3, blob="changed")))
        await store.blobs.write(b"fourth")
        three = await Backup(store, vault, NOON + 120).run()
        assert (three.segments_new, three.blobs_new) == (1, 1)
        assert await _restored(vault, one.manifest.name) == first
        assert await _restored(vault, three.manifest.name) == await everything(store)

    asyncio.run(story())


def test_a_changed_row_brings_its_segment_alone(tmp_path: Path) -> None:
    async def story() -> None:
        vault = DirectoryVault(tmp_path / "vault")
        store = await _opened()
        rows: dict[tuple[int | str | float | bytes, ...], bytes] = {
            (number,): number.to_bytes(4, "big") * 500 for number in range(5000)
        }
        await store.transact(lambda tx: put_all(tx, rows))
        one = await Backup(store, vault, NOON).run()
        assert one.segments_new > 10
        # A new row in the middle moves all others, but not the cuts between segments.
        await store.transact(lambda tx: put_all(tx, {**rows, (2500, "x"): b"new"}))
        two = await Backup(store, vault, NOON + 1).run()
        assert two.segments_new <= 2
        assert await _restored(vault, two.manifest.name) == await everything(store)

    asyncio.run(story())


_KEYS = st.tuples(
    st.one_of(st.text(max_size=4), st.integers(-(2**70), 2**70), st.binary(max_size=4))
)


@settings(max_examples=25, deadline=None)
@given(states=st.lists(st.dictionaries(_KEYS, st.binary(max_size=50), max_size=20), max_size=3))
def test_any_state_comes_back(
    states: list[dict[tuple[str | int | float | bytes, ...], bytes]],
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    async def story() -> None:
        vault = DirectoryVault(tmp_path_factory.mktemp("vault"))
        store = await _opened()
        expected = []
        for number, rows in enumerate(states):
            await store.transact(lambda tx, rows=rows: put_all(tx, rows))  # type: ignore[misc]
            await Backup(store, vault, NOON + number).run()
            expected.append(await everything(store))
        assert [await _restored(vault, name) for name in manifests(vault)] == expected

    asyncio.run(story())


def test_the_last_before_a_time(tmp_path: Path) -> None:
    async def story() -> None:
        vault = DirectoryVault(tmp_path / "vault")
        store = await _opened()
        for number in range(3):
            await Backup(store, vault, NOON + number * 3600).run()
        assert latest_before(vault, None) == name_of(NOON + 7200)
        assert latest_before(vault, NOON + 7199) == name_of(NOON + 3600)
        with pytest.raises(StoreError, match="no backup from so early"):
            latest_before(vault, NOON - 1)
        with pytest.raises(StoreError, match="holds no backup"):
            latest_before(DirectoryVault(tmp_path / "none"), None)

    asyncio.run(story())


def test_forgetting_keeps_what_the_others_need(tmp_path: Path) -> None:
    async def story() -> None:
        vault = DirectoryVault(tmp_path / "vault")
        store = await _opened()
        blobs = await fill(store)
        await Backup(store, vault, NOON).run()
        await store.blobs.delete(blobs[0])
        await store.transact(lambda tx: tx.delete_range(NOTES, ("n1",)))
        await Backup(store, vault, NOON + 1).run()
        backups, pieces = prune(vault, 1)
        assert (backups, pieces) == (1, 2)
        assert await _restored(vault, name_of(NOON + 1)) == await everything(store)

    asyncio.run(story())


@pytest.mark.parametrize("kind", ["segments", "blobs"])
@pytest.mark.parametrize("harm", ["changed", "gone"])
def test_what_is_damaged_is_not_restored(tmp_path: Path, kind: str, harm: str) -> None:
    async def story() -> None:
        vault = DirectoryVault(tmp_path / "vault")
        store = await _opened()
        await fill(store)
        written = await Backup(store, vault, NOON).run()
        path = max((tmp_path / "vault" / kind).iterdir(), key=lambda path: path.stat().st_size)
        if harm == "gone":
            path.unlink()
        else:
            content = bytearray(path.read_bytes())
            content[len(content) // 2] ^= 1
            path.write_bytes(content)
        with pytest.raises(StoreDamaged, match=path.name):
            await _restored(vault, written.manifest.name)

    asyncio.run(story())


def test_only_into_an_empty_store(tmp_path: Path) -> None:
    async def story() -> None:
        vault = DirectoryVault(tmp_path / "vault")
        store = await _opened()
        await fill(store)
        written = await Backup(store, vault, NOON).run()
        with pytest.raises(StoreError, match="the target is not empty"):
            await restore_backup(vault, written.manifest, store)

    asyncio.run(story())


def test_one_that_broke_off_is_none(tmp_path: Path) -> None:
    class Breaking(DirectoryVault):
        def put(self, name: str, content: bytes) -> None:
            if name.startswith("backups/"):
                raise StoreError("the disk is full")
            super().put(name, content)

    async def story() -> None:
        store = await _opened()
        await fill(store)
        with pytest.raises(StoreError, match="disk is full"):
            await Backup(store, Breaking(tmp_path), NOON).run()
        assert manifests(DirectoryVault(tmp_path)) == []
        again = await Backup(store, DirectoryVault(tmp_path), NOON).run()
        assert again.segments_new == 0

    asyncio.run(story())


def test_a_newer_or_broken_manifest_is_refused(tmp_path: Path) -> None:
    async def story() -> str:
        store = await _opened()
        return (await Backup(store, DirectoryVault(tmp_path), NOON).run()).manifest.name

    name = asyncio.run(story())
    path = tmp_path / "backups" / f"{name}.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "format": 9}))
    with pytest.raises(StoreError, match="newer Serein"):
        read_manifest(DirectoryVault(tmp_path), name)
    path.write_text("{")
    with pytest.raises(StoreDamaged, match="cannot be read"):
        read_manifest(DirectoryVault(tmp_path), name)
