"""A power cut: only what was synced is sure to be on the disk, of the rest any part may be. All that was acknowledged is.

Killing a process cannot show this, since the system still has what the process had written. So SQLite runs over a layer
that notes every write until its file is synced; a cut makes a directory of what was synced and some of the rest.
"""

from __future__ import annotations

import asyncio
import random
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import apsw
import pytest

from serein.store.interface import Store, Transaction
from serein.store.sqlite.engine import SqliteStore
from serein.store.tables import BytesTable
from tests.store.things import run

LEFT, RIGHT = BytesTable("test.left"), BytesTable("test.right")
CUTS = 5


class Disk:
    """What is durable of each file, and the writes since."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.durable: dict[str, bytearray] = {}
        self.pending: dict[str, list[tuple[int, bytes | None]]] = {}
        self.syncs = 0

    def write(self, name: str, offset: int, data: bytes | None) -> None:
        """Bytes at an offset; None truncates there."""
        with self.lock:
            self.pending.setdefault(name, []).append((offset, data))

    def sync(self, name: str) -> None:
        """All of the file's writes are safe now."""
        with self.lock:
            self.syncs += 1
            image = self.durable.setdefault(name, bytearray())
            for offset, data in self.pending.pop(name, ()):
                apply(image, offset, data)

    def cut(self, directory: Path, chance: random.Random) -> None:
        """Leave in `directory` what a power cut at this moment might."""
        directory.mkdir()
        with self.lock:
            for name in self.durable.keys() | self.pending.keys():
                image = bytearray(self.durable.get(name, b""))
                kept = chance.choice([0.0, 0.5, 1.0])
                for offset, data in self.pending.get(name, ()):
                    if chance.random() < kept:
                        torn = data is not None and chance.random() < 0.1
                        apply(image, offset, data[: len(data) // 2] if torn and data else data)
                (directory / Path(name).name).write_bytes(image)


def apply(image: bytearray, offset: int, data: bytes | None) -> None:
    if data is None:
        del image[offset:]
        return
    if len(image) < offset:
        image.extend(bytes(offset - len(image)))
    image[offset : offset + len(data)] = data


class Layer(apsw.VFS):
    """Lets SQLite work as ever, and the disk know."""

    def __init__(self, name: str, disk: Disk) -> None:
        self.disk = disk
        super().__init__(name, base="")

    def xOpen(self, name: Any, flags: list[int]) -> File:
        return File(self.disk, name, flags)

    def xDelete(self, filename: str, syncdir: bool) -> None:
        super().xDelete(filename, syncdir)
        with self.disk.lock:
            self.disk.durable.pop(filename, None)
            self.disk.pending.pop(filename, None)


class File(apsw.VFSFile):
    """One file of it."""

    def __init__(self, disk: Disk, name: Any, flags: list[int]) -> None:
        self.disk = disk
        self.name = name.filename() if isinstance(name, apsw.URIFilename) else str(name)
        super().__init__("", name, flags)

    def xWrite(self, data: bytes, offset: int) -> None:
        self.disk.write(self.name, offset, bytes(data))
        super().xWrite(data, offset)

    def xTruncate(self, size: int) -> None:
        self.disk.write(self.name, size, None)
        super().xTruncate(size)

    def xSync(self, flags: int) -> None:
        super().xSync(flags)
        self.disk.sync(self.name)


@pytest.mark.parametrize("apart", [False, True])
def test_what_was_acknowledged_survives_a_power_cut(tmp_path: Path, apart: bool) -> None:
    disk = Disk()
    layer = Layer(f"power-cut-{apart}", disk)
    chance = random.Random(20261121 + apart)
    acknowledged: set[tuple[int, int]] = set()
    at_cut: list[set[tuple[int, int]]] = []

    async def story(store: Store) -> None:
        assert isinstance(store, SqliteStore)
        if apart:
            store.commit_apart()

        async def write(writer: int) -> None:
            number = 0
            while len(at_cut) < CUTS:
                number += 1
                await store.transact(put(writer, number))
                acknowledged.add((writer, number))

        async def cut() -> None:
            for _ in range(CUTS):
                enough = len(acknowledged) + chance.randrange(100, 250)
                while len(acknowledged) < enough:
                    await asyncio.sleep(0)
                disk.cut(tmp_path / f"cut-{len(at_cut)}", chance)
                at_cut.append(set(acknowledged))

        await asyncio.gather(cut(), *[write(writer) for writer in range(6)])

    def put(writer: int, number: int) -> Callable[[Transaction], None]:
        def change(tx: Transaction) -> None:
            tx.put_bytes(LEFT, (writer, number), b"x" * (number * 37 % 3000))
            tx.put_bytes(RIGHT, (writer, number), b"y")

        return change

    run(
        SqliteStore(tmp_path / "data", checkpoint_pages=60, pause_pages=150, vfs=layer_name(apart)),
        story,
    )
    assert disk.syncs > 50
    for number, expected in enumerate(at_cut):

        async def check(store: Store, expected: set[tuple[int, int]] = expected) -> None:
            look = store.snapshot()
            left = {key for key, _ in look.scan(LEFT)}
            assert left == {key for key, _ in look.scan(RIGHT)}, "half of a transaction"
            assert not expected - left, "acknowledged, and lost"

        run(SqliteStore(tmp_path / f"cut-{number}"), check)
    layer.unregister()


def layer_name(apart: bool) -> str:
    return f"power-cut-{apart}"
