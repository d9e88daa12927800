"""Going back to a snapshot, killed at every step: the old state is there or the restored one, and every snapshot is what it says."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import sys
from pathlib import Path

import apsw
import pytest

from serein.store.errors import StoreError
from serein.store.interface import Transaction
from serein.store.keeping import restoring, snapshots
from serein.store.keeping.addresses import opened_store
from serein.store.keeping.sources import connect
from serein.store.tables import BytesTable
from tests.store.keeping.filled import Everything, everything, fill

MARKS = BytesTable("test.marks")
LEASES = BytesTable("kernel.leases")
STEPS = ("os.rename", "os.link", "os.remove", "os.mkdir", "os.rmdir", "open", "sqlite3.connect")
KILLED = -signal.SIGKILL


def _mark(data: Path, mark: bytes, *, blob: bool = False) -> None:
    async def write() -> None:
        async with opened_store(str(data)) as store:
            if blob:
                await store.blobs.write(mark)
            await store.transact(lambda tx: tx.put_bytes(MARKS, (), mark))

    asyncio.run(write())


def _read(data: Path) -> tuple[bytes | None, Everything]:
    async def look() -> tuple[bytes | None, Everything]:
        async with opened_store(str(data)) as store:
            return store.snapshot().get(MARKS), await everything(store)

    return asyncio.run(look())


def _made(data: Path) -> None:
    async def make() -> None:
        async with opened_store(str(data)) as store:
            await fill(store)

    asyncio.run(make())
    _mark(data, b"old")
    snapshots.save(data, "one", 1.0, lambda _: [])
    _mark(data, b"new", blob=True)


def _restore_and_die(data: Path, step: int) -> int:
    """Restore in a process that is killed at its step number `step`; how it ended (0: there is no such step)."""
    pid = os.fork()
    if pid:
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    count = 0

    def step_by_step(event: str, arguments: object) -> None:
        nonlocal count
        if event in STEPS:
            count += 1
            if count == step:
                os.kill(os.getpid(), signal.SIGKILL)

    try:
        sys.addaudithook(step_by_step)
        restoring.restore(data, "one", 2.0, "kept")
        os._exit(0)
    except BaseException:
        os._exit(1)


def test_killed_at_every_step(tmp_path: Path) -> None:
    found: list[bytes | None] = []
    step = 0
    _made(tmp_path / "template")
    while True:
        step += 1
        data = tmp_path / f"{step}" / "data"
        shutil.copytree(tmp_path / "template", data)
        ended = _restore_and_die(data, step)
        assert ended in (KILLED, 0), step
        restoring.tidy(data)
        mark, rest = _read(data)
        assert mark in (b"old", b"new"), step
        kept = [about.name for about in snapshots.list_snapshots(data)]
        assert kept == (["one", "kept"] if mark == b"old" else ["one"]), step
        left = [path.name for path in (data / "snapshots").iterdir()]
        assert sorted(left) == sorted(kept), step
        assert not list(data.glob("restoring*")), step
        found.append(mark)
        if ended == 0:
            break
        if step % 5:
            continue
        # What is written from now on does not get into what was kept.
        _mark(data, b"later")
        for name, expected in (("one", b"old"), ("kept", b"new")):
            if name in kept:
                branched = tmp_path / f"{step}" / name
                snapshots.branch(data, name, branched)
                assert _read(branched)[0] == expected, (step, name)
                assert rest[1].items() >= _read(branched)[1][1].items() or name == "kept"
    # First the old one at every step, then the restored one.
    assert found == sorted(found, key=lambda mark: mark == b"old")
    assert found.count(b"old") > 2
    assert found.count(b"new") > 10


def test_who_reads_the_old_state_meanwhile_keeps_it_where_it_is(tmp_path: Path) -> None:
    data = tmp_path / "data"
    _made(data)
    writer, reader = apsw.Connection(str(data / "store.sqlite")), connect(data)
    reader.execute("BEGIN")
    reader.execute("SELECT count(*) FROM serein_tables").fetchall()
    writer.execute("CREATE TABLE logged (row BLOB)")
    writer.close()
    with pytest.raises(StoreError, match="is something reading it"):
        restoring.restore(data, "one", 2.0, "kept")
    reader.close(True)
    assert _read(data)[0] == b"new"
    assert [about.name for about in snapshots.list_snapshots(data)] == ["one"]
    restoring.restore(data, "one", 2.0, "kept")
    assert _read(data)[0] == b"old"


def test_what_belonged_to_the_processes_of_then_is_gone(tmp_path: Path) -> None:
    data = tmp_path / "data"

    async def lease() -> None:
        async with opened_store(str(data)) as store:

            def take(tx: Transaction) -> None:
                tx.put_bytes(LEASES, ("courier",), b"somebody who has ended")
                tx.put_bytes(MARKS, (), b"old")

            await store.transact(take)

    asyncio.run(lease())
    snapshots.save(data, "one", 1.0, lambda _: [])
    restoring.restore(data, "one", 2.0, "kept")

    async def look() -> tuple[bytes | None, bytes | None]:
        async with opened_store(str(data)) as store:
            return store.snapshot().get(LEASES, "courier"), store.snapshot().get(MARKS)

    assert asyncio.run(look()) == (None, b"old")


def test_blobs_that_the_sweeper_removed_meanwhile_are_brought_back(tmp_path: Path) -> None:
    data = tmp_path / "data"
    _made(data)
    before = _read(data)[1][1]
    ready = restoring.prepare(data, "one", "kept", 2.0)
    for path in (data / "blobs").glob("[0-9a-f][0-9a-f]/*"):
        path.unlink()
    ready.exchange()
    _, (_, there) = _read(data)
    assert there.items() <= before.items()
    assert there


def test_a_name_that_is_taken_is_refused_before_anything_happens(tmp_path: Path) -> None:
    data = tmp_path / "data"
    _made(data)
    with pytest.raises(StoreError, match="there is a snapshot one already"):
        restoring.restore(data, "one", 2.0, "one")
    with pytest.raises(StoreError, match="cannot name a snapshot"):
        restoring.restore(data, "one", 2.0, "../one")
    assert _read(data)[0] == b"new"
    assert sorted(path.name for path in (data / "snapshots").iterdir()) == ["one"]
