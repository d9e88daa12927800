"""A power cut at every possible point: what was synced is on the disk, of the rest any part may be. All that was
acknowledged is there, nothing is there by half, and no record points at a blob that is not whole.

Killing a process cannot show this, since the system still has what the process had written. So SQLite runs over a layer
that writes down every write and sync, and so do the blobs, with the names of their files; and every acknowledgement is
written down in between. From such a record the disk is made as a cut at any point might leave it: with nothing of what
was not synced, with all of it, with a part and its last write torn. Then the store opens, and is asked.

`SEREIN_CUTS` (default 1) multiplies the number of runs.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import random
import shutil
import tempfile
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import apsw
import msgspec
import pytest

from serein.base.siblings import Siblings
from serein.store.blobs import BlobId
from serein.store.disk import Disk
from serein.store.interface import Store, Transaction
from serein.store.sqlite.engine import SqliteStore
from serein.store.sqlite.shared import SharedSqliteEngine, SharedSqliteStore
from serein.store.tables import BytesTable
from tests.store.things import run

LEFT, RIGHT, POINTERS = BytesTable("test.left"), BytesTable("test.right"), BytesTable("test.blobs")
IN_MEMORY = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
"""What a cut left is opened in memory where that can be: nothing depends on its being durable."""
CHECKPOINT, PAUSE = 12, 40
"""Pages of the log: so few that it is copied into the file, and begun anew, several times in a run."""
RUNS = int(os.environ.get("SEREIN_CUTS", "1"))


class Event(msgspec.Struct, frozen=True):
    """Something that happened on the way to the disk (`file` tells one from another, whatever its name), or `ack` and `unack`."""

    what: str
    file: str = ""
    offset: int = 0
    data: bytes = b""
    target: str = ""


class Record:
    """All events in their order."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.events: list[Event] = []

    def add(self, event: Event) -> None:
        with self.lock:
            self.events.append(event)


class Layer(apsw.VFS):
    """Lets SQLite work as ever, and writes down what it does."""

    def __init__(self, name: str, record: Record) -> None:
        self.record = record
        super().__init__(name, base="")

    def xOpen(self, name: Any, flags: list[int]) -> File:
        return File(self.record, name, flags)

    def xDelete(self, filename: str, syncdir: bool) -> None:
        super().xDelete(filename, syncdir)
        self.record.add(Event("gone", filename))


class File(apsw.VFSFile):
    """One file of it."""

    def __init__(self, record: Record, name: Any, flags: list[int]) -> None:
        self.record = record
        self.name = name.filename() if isinstance(name, apsw.URIFilename) else str(name)
        super().__init__("", name, flags)

    def xWrite(self, data: bytes, offset: int) -> None:
        with self.record.lock:
            self.record.add(Event("write", self.name, offset, bytes(data)))
            super().xWrite(data, offset)

    def xTruncate(self, size: int) -> None:
        with self.record.lock:
            self.record.add(Event("truncate", self.name, size))
            super().xTruncate(size)

    def xSync(self, flags: int) -> None:
        super().xSync(flags)
        self.record.add(Event("sync", self.name))


class RecordingDisk(Disk):
    """The file system under the blobs, written down. A file is its number; names come and go."""

    def __init__(self, record: Record) -> None:
        self.record = record
        self.numbers: dict[int, str] = {}
        self.lengths: dict[int, int] = {}
        self.names: dict[str, str] = {}
        self.made = 0

    def create(self, path: Path) -> int:
        with self.record.lock:
            fd = super().create(path)
            self.made += 1
            self.numbers[fd] = f"#{self.made}"
            self.lengths[fd] = 0
            self.names[str(path)] = self.numbers[fd]
            self.record.add(Event("link", self.numbers[fd], target=str(path)))
            return fd

    def write(self, fd: int, content: memoryview) -> None:
        with self.record.lock:
            self.record.add(Event("write", self.numbers[fd], self.lengths[fd], bytes(content)))
            self.lengths[fd] += len(content)
        super().write(fd, content)

    def sync(self, fd: int) -> None:
        super().sync(fd)
        self.record.add(Event("sync", self.numbers[fd]))

    def rename(self, source: Path, target: Path) -> None:
        with self.record.lock:
            super().rename(source, target)
            number = self.names[str(target)] = self.names.pop(str(source))
            self.record.add(Event("rename", str(source), data=number.encode(), target=str(target)))

    def unlink(self, path: Path) -> None:
        with self.record.lock:
            super().unlink(path)
            self.record.add(Event("unlink", str(path)))

    def make_directory(self, path: Path) -> None:
        with self.record.lock:
            super().make_directory(path)
            self.record.add(Event("mkdir", str(path)))

    def sync_directory(self, path: Path) -> None:
        super().sync_directory(path)
        self.record.add(Event("syncdir", str(path)))


class Platter:
    """What is durable so far, and what is under way. SQLite's own files have their names from the start."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.images: dict[str, bytearray] = {}
        self.pending: dict[str, list[Event]] = {}
        self.names: dict[str, str] = {}
        """Durable names: of a file its number, of a directory ""."""
        self.renames: list[Event] = []
        """Changes of names that may be or not be on the disk."""
        self.acknowledged: set[str] = set()

    def follow(self, event: Event) -> None:
        """Let one event happen."""
        if event.what == "ack":
            self.acknowledged.add(event.file)
        elif event.what == "unack":
            self.acknowledged.discard(event.file)
        elif event.what in ("write", "truncate"):
            self.pending.setdefault(event.file, []).append(event)
        elif event.what == "sync":
            image = self.images.setdefault(event.file, bytearray())
            for one in self.pending.pop(event.file, ()):
                apply(image, one)
        elif event.what == "gone":
            self.images.pop(event.file, None)
            self.pending.pop(event.file, None)
        elif event.what == "syncdir":
            done = [one for one in self.renames if self._is_in(one, event.file)]
            for one in done:
                change(self.names, one)
            self.renames = [one for one in self.renames if one not in done]
        else:
            self.renames.append(event)

    def _is_in(self, one: Event, directory: str) -> bool:
        name = one.target or one.file
        return os.path.dirname(name) == directory

    def leave(self, directory: Path, chance: random.Random, kept: float) -> None:
        """Make the disk as a cut now might leave it; each pending write is there with probability `kept`."""
        directory.mkdir()
        for file in self.images.keys() | self.pending.keys():
            if not file.startswith("#"):
                self._put(directory / Path(file).name, file, chance, kept)
        names = dict(self.names)
        for one in self.renames:
            if chance.random() < kept:
                change(names, one)
        for name, file in sorted(names.items()):
            place = directory / Path(name).relative_to(self.root)
            if not place.parent.is_dir():
                continue
            if not file:
                place.mkdir(exist_ok=True)
            else:
                self._put(place, file, chance, kept)

    def _put(self, place: Path, file: str, chance: random.Random, kept: float) -> None:
        image = bytearray(self.images.get(file, b""))
        there = [one for one in self.pending.get(file, ()) if chance.random() < kept]
        for number, one in enumerate(there):
            # The last write is torn: at any byte, as disks promise whole sectors at best.
            torn = number == len(there) - 1 and one.what == "write" and 0 < kept < 1
            data = one.data[: chance.randrange(len(one.data) + 1)] if torn else one.data
            apply(image, msgspec.structs.replace(one, data=data))
        place.write_bytes(image)


def apply(image: bytearray, event: Event) -> None:
    if event.what == "truncate":
        del image[event.offset :]
        return
    if len(image) < event.offset:
        image.extend(bytes(event.offset - len(image)))
    image[event.offset : event.offset + len(event.data)] = event.data


def change(names: dict[str, str], event: Event) -> None:
    if event.what == "link":
        names[event.target] = event.file
    elif event.what == "mkdir":
        names.setdefault(event.file, "")
    elif event.what == "unlink":
        names.pop(event.file, None)
    elif event.what == "rename":
        # The new name is for the file, whether or not its old name ever got to the disk.
        names.pop(event.file, None)
        names[event.target] = event.data.decode()


AnyStore = SqliteStore | SharedSqliteStore


@contextlib.asynccontextmanager
async def opened(
    directory: Path, name: str, record: Record, processes: int
) -> AsyncIterator[list[AnyStore]]:
    """The stores of one process that is alone, or of several over one directory (here on one loop), over the layer."""
    disk = RecordingDisk(record)
    if processes == 1:
        alone = SqliteStore(
            directory, checkpoint_pages=CHECKPOINT, pause_pages=PAUSE, vfs=name, disk=disk
        )
        await alone.open()
        yield [alone]
        await alone.close()
        return
    directory.mkdir()
    # As `prepare` does before the processes are forked, but over the layer.
    engine = SharedSqliteEngine(directory, vfs=name)
    engine.open()
    engine.close()
    siblings = Siblings(processes)
    seats = [siblings.seat(slot) for slot in range(processes)]
    stores = [
        SharedSqliteStore(
            directory, seat, checkpoint_pages=CHECKPOINT, pause_pages=PAUSE, vfs=name, disk=disk
        )
        for seat in seats
    ]
    for seat, store in zip(seats, stores, strict=True):
        seat.attach(asyncio.get_running_loop())
        await store.open()
    try:
        yield list(stores)
    finally:
        for store in stores:
            await store.close()
        for seat in seats:
            seat.detach()
        siblings.close()


def live(directory: Path, record: Record, seed: int, apart: bool, processes: int) -> None:
    """A short life of a store: three writers of rows and two of blobs, group commits, checkpoints, removals. With several
    processes a writer goes from one to another: what it wrote there it builds on here."""
    name = f"power-cut-{seed}-{apart}-{processes}"
    layer = Layer(name, record)

    async def story(stores: list[AnyStore]) -> None:
        if apart:
            for one in stores:
                one.commit_apart()

        async def rows(writer: int) -> None:
            chance = random.Random(f"{seed} {writer}")
            for number in range(5):
                store = chance.choice(stores)
                size = chance.randrange(6000)

                def put(tx: Transaction, number: int = number, size: int = size) -> None:
                    # The next of its own, wherever it wrote the last.
                    assert tx.count(LEFT, (writer,)) == number
                    tx.put_bytes(LEFT, (writer, number), b"x" * size)
                    tx.put_bytes(RIGHT, (writer, number), b"y")

                await store.transact(put)
                record.add(Event("ack", f"{writer} {number}"))

        async def blobs(writer: int) -> None:
            chance = random.Random(f"{seed} blobs {writer}")
            before: BlobId | None = None
            for number in range(3):
                store = chance.choice(stores)
                content = chance.randbytes(chance.randrange(150_000))

                async def pieces(content: bytes = content) -> Any:
                    yield content[:70_000]
                    yield content[70_000:]

                blob = await store.blobs.write(pieces() if number % 2 else content)
                digest = hashlib.sha256(content).digest()

                def point(
                    tx: Transaction,
                    blob: str = blob,
                    digest: bytes = digest,
                    before: BlobId | None = before,
                ) -> None:
                    tx.put_bytes(POINTERS, (writer, blob), digest)
                    if before is not None:
                        tx.delete(POINTERS, writer, before)

                record.add(Event("unack", f"blob {writer} {before}"))
                await store.transact(point)
                record.add(Event("ack", f"blob {writer} {blob}"))
                if before is not None:
                    await store.blobs.delete(before)
                before = blob

        await asyncio.gather(*[rows(writer) for writer in range(3)], blobs(0), blobs(1))

    async def whole() -> None:
        async with opened(directory, name, record, processes) as stores:
            await story(stores)

    try:
        asyncio.run(whole())
    finally:
        layer.unregister()


def ask(directory: Path, acknowledged: set[str]) -> None:
    """Open what a cut left."""

    async def story(store: Store) -> None:
        look = store.snapshot()
        left = {f"{key[0]} {key[1]}" for key, _ in look.scan(LEFT)}
        assert left == {f"{key[0]} {key[1]}" for key, _ in look.scan(RIGHT)}, (
            "half of a transaction"
        )
        pointed = list(look.scan(POINTERS))
        expected = {one for one in acknowledged if not one.startswith("blob")}
        assert not expected - left, "acknowledged, and lost"
        for key, digest in pointed:
            content = await store.blobs.read(BlobId(str(key[1])))
            assert hashlib.sha256(content).digest() == digest
        there = {f"blob {key[0]} {key[1]}" for key, _ in pointed}
        lost = {one for one in acknowledged if one.startswith("blob")} - there
        assert not lost, "acknowledged, and lost"

    run(SqliteStore(directory), story)


def cuts(
    record: Record, root: Path, seed: int
) -> Iterator[tuple[int, Callable[[Path], None], set[str]]]:
    """Every point of a record, and two ways in which a cut there might go."""
    chance = random.Random(seed)
    platter = Platter(root)
    for number, event in enumerate(record.events):
        platter.follow(event)
        for kept in (0.0, chance.choice([0.2, 0.5, 0.8, 1.0])):
            yield (
                number,
                lambda place, kept=kept: platter.leave(place, chance, kept),
                set(platter.acknowledged),
            )


@pytest.mark.parametrize("seed", range(RUNS))
@pytest.mark.parametrize("apart", [False, True])
@pytest.mark.parametrize("processes", [1, 2, pytest.param(3, marks=pytest.mark.long)])
def test_what_was_acknowledged_survives_a_power_cut(
    tmp_path: Path, processes: int, apart: bool, seed: int
) -> None:
    record = Record()
    root = tmp_path / "data"
    live(root, record, seed, apart, processes)
    assert sum(event.what == "sync" for event in record.events) > 15
    with tempfile.TemporaryDirectory(dir=IN_MEMORY) as scratch:
        place = Path(scratch) / "cut"
        for number, leave, acknowledged in cuts(record, root, seed):
            leave(place)
            try:
                ask(place, acknowledged)
            except BaseException as error:
                what = record.events[number].what
                error.add_note(f"seed {seed}, cut after event {number}: {what}")
                raise
            shutil.rmtree(place)
