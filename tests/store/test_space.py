"""A disk that fills up: writes end while there is room to remove, reads go on, writing comes back by itself."""

from __future__ import annotations

import asyncio
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from serein.store.errors import StoreFull, StoreUnavailable
from serein.store.interface import Store, Transaction
from serein.store.space import LOOK_EVERY_S, Space
from serein.store.sqlite.engine import SqliteStore
from serein.store.tables import BytesTable
from tests.store.things import RAW, THINGS, run, thing

MB = 1024 * 1024
NOTES = BytesTable("kernel.notes")


class Disk:
    """A disk with as much free as is said, and a clock."""

    def __init__(self, free: int, size: int = 1000 * MB) -> None:
        self.free, self.size, self.now = free, size, 0.0

    def statvfs(self, path: Any, /) -> Any:
        return SimpleNamespace(f_bavail=self.free, f_frsize=1, f_blocks=self.size)

    def space(self, least: int | None = None) -> Space:
        return Space(Path("/"), least, statvfs=self.statvfs, now=lambda: self.now)


@pytest.mark.parametrize(
    ("size", "least", "short", "enough"),
    [
        (100_000 * MB, None, 200 * MB - 1, 200 * MB),
        (100 * MB, None, 5 * MB - 1, 5 * MB),
        (100 * MB, 7, 6, 7),
        (100 * MB, 0, -1, 0),
    ],
)
def test_how_much_is_left_free(size: int, least: int | None, short: int, enough: int) -> None:
    assert Disk(short, size).space(least).short
    assert not Disk(enough, size).space(least).short


def test_the_disk_is_asked_now_and_then() -> None:
    disk = Disk(10)
    space = disk.space(5)
    space.check()
    disk.free = 4
    space.check()
    disk.now += LOOK_EVERY_S
    with pytest.raises(StoreFull):
        space.check()
    disk.free = 5
    disk.now += LOOK_EVERY_S
    space.check()


def test_only_what_removes_is_written_while_room_is_short(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path)
    disk = Disk(10)
    store._space = space = disk.space(5)
    store._files._check_room = space.check

    def fill(tx: Transaction) -> None:
        for number in range(10):
            tx.put(THINGS, thing("a", number))
            tx.put_bytes(RAW, (number,), b"x" * 10_000)

    def grow(tx: Transaction) -> None:
        tx.put(THINGS, thing("b", 1))

    def grow_in_bytes(tx: Transaction) -> None:
        tx.put_bytes(RAW, (0,), b"y" * 20_000)

    def remove_one_and_put_two(tx: Transaction) -> None:
        tx.delete(THINGS, "a", 1)
        tx.put_bytes(RAW, ("note", 1), b"x" * 5000)
        tx.put_bytes(RAW, ("note", 2), b"x")

    def remove(tx: Transaction) -> None:
        tx.delete(THINGS, "a", 1)
        tx.delete_range(RAW, (), start=(8,))
        # What a removal leaves to be remembered: garbage to collect, a record of the change.
        tx.put_bytes(RAW, ("note", 1), b"a removed")
        tx.put(THINGS, thing("c", 1))

    def move(tx: Transaction) -> None:
        found = tx.get(RAW, 0)
        assert found is not None
        tx.delete(RAW, 0)
        tx.put_bytes(RAW, (100,), found)

    async def story(_: Store) -> None:
        await store.transact(fill)
        blob = await store.blobs.write(b"x")
        disk.free, disk.now = 4, disk.now + LOOK_EVERY_S
        for refused in (grow, grow_in_bytes, remove_one_and_put_two):
            with pytest.raises(StoreFull):
                await store.transact(refused)
        with pytest.raises(StoreFull):
            await store.blobs.write(b"y")
        with pytest.raises(StoreFull):
            await store.blobs.concatenate([blob])
        assert await store.blobs.read(blob) == b"x"
        assert store.snapshot().count(THINGS) == 10
        assert store.snapshot().get(THINGS, "a", 1) is not None
        assert store.room() is not None
        # In one batch with what is refused, the rest is kept.
        results = await asyncio.gather(
            *[store.transact(one) for one in (grow, remove, grow, move)], return_exceptions=True
        )
        assert [type(result).__name__ for result in results] == [
            "StoreFull", "NoneType", "StoreFull", "NoneType",
        ]  # fmt: skip
        await store.transact(lambda tx: tx.put_bytes(NOTES, (1,), b"the house's own"))
        assert await store.blobs.delete(blob)
        assert store.snapshot().get(THINGS, "b", 1) is None
        assert store.snapshot().get(THINGS, "a", 1) is None
        assert store.snapshot().get(RAW, 100) is not None
        disk.free, disk.now = 5, disk.now + LOOK_EVERY_S
        await store.transact(grow)
        await store.blobs.write(b"again")

    run(store, story)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 24 MB in memory, where the machine lets us mount one."""
    where = tmp_path / "disk"
    where.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", str(where)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        pytest.skip("there is no mount command")
    if done.returncode:
        pytest.skip(f"no disk can be mounted here: {done.stderr.strip()}")
    try:
        yield where
    finally:
        subprocess.run(["umount", "-l", str(where)], check=True)


@pytest.mark.parametrize("keep_free", [0, 4 * MB])
def test_a_real_disk_that_fills_up(small_disk: Path, keep_free: int) -> None:
    """With room kept free and without: what was acknowledged is there, and there is a way back."""
    # The log is never longer than the room that is kept, however late the thread that copies it comes.
    store = SqliteStore(
        small_disk / "data", checkpoint_pages=200, pause_pages=400, free_bytes_min=keep_free
    )
    filler = small_disk / "theirs"

    async def story(_: Store) -> None:
        kept: dict[int, bytes] = {}
        blobs: list[Any] = []
        full = 0
        for number in range(400):
            value = os.urandom(100_000)
            try:
                if number % 4 == 0:
                    blobs.append((await store.blobs.write(value), value))
                else:
                    await store.transact(
                        lambda tx, number=number, value=value: tx.put_bytes(RAW, (number,), value)
                    )
                    kept[number] = value
            except StoreUnavailable:
                full += 1
                store._space._look_at = 0.0  # time passes
        assert full > 50
        look = store.snapshot()
        assert {key[0]: value for key, value in look.scan(RAW)} == kept
        for blob, value in blobs:
            assert await store.blobs.read(blob) == value
        if keep_free:
            # The room that was kept is enough to remove.
            store._space._look_at = 0.0
            await store.transact(lambda tx: tx.delete_range(RAW, ()))
        for blob, _ in blobs:
            await store.blobs.delete(blob)
        store._space._look_at = 0.0
        await store.transact(lambda tx: tx.delete_range(RAW, ()))
        await store.transact(lambda tx: tx.put_bytes(RAW, (1,), b"again"))
        assert store.snapshot().get(RAW, 1) == b"again"
        assert await store.blobs.read(await store.blobs.write(b"again")) == b"again"
        # Somebody else fills it, to the last byte.
        with filler.open("wb") as file:
            try:
                while True:
                    file.write(bytes(MB))
            except OSError:
                pass
        store._space._look_at = 0.0
        with pytest.raises(StoreUnavailable):
            await store.blobs.write(bytes(MB))
        with pytest.raises(StoreUnavailable):
            await store.transact(lambda tx: tx.put_bytes(RAW, (2,), bytes(10 * MB)))
        assert store.snapshot().get(RAW, 1) == b"again"
        filler.unlink()
        store._space._look_at = 0.0
        await store.transact(lambda tx: tx.put_bytes(RAW, (2,), bytes(MB)))

    run(store, story)

    async def again(store: Store) -> None:
        assert [key for key, _ in store.snapshot().scan(RAW)] == [(1,), (2,)]

    run(SqliteStore(small_disk / "data"), again)
