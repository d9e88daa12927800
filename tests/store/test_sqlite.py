"""What only the sqlite engine can show: one owner, formats, a full disk, the log's length, a crash."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import stat
import subprocess
import sys
import textwrap
import threading
from pathlib import Path

import apsw
import pytest

from serein.store.blobs import BlobId
from serein.store.errors import StoreDamaged, StoreFormatTooNew, StoreLocked
from serein.store.interface import Snapshot, Store, StoreUnavailable, Transaction
from serein.store.sqlite.engine import SqliteStore
from serein.store.tables import BytesTable
from tests.store.things import KEPT, RAW, run, thing


async def nothing(store: Store) -> None:
    """A story in which nothing happens."""


def test_one_directory_has_one_owner(tmp_path: Path) -> None:
    async def story(store: Store) -> None:
        with pytest.raises(StoreLocked, match=f"in use by process {os.getpid()}"):
            await SqliteStore(tmp_path / "data").open()

    run(SqliteStore(tmp_path / "data"), story)
    run(SqliteStore(tmp_path / "data"), nothing)


def test_the_directory_is_its_owners_alone(tmp_path: Path) -> None:
    run(SqliteStore(tmp_path / "data"), nothing)
    assert stat.S_IMODE((tmp_path / "data").stat().st_mode) == 0o700
    assert stat.S_IMODE((tmp_path / "data/store.sqlite").stat().st_mode) == 0o600


def test_blobs_that_were_broken_off_go_when_the_store_opens(tmp_path: Path) -> None:
    async def story(store: Store) -> None:
        blob = await store.blobs.write(b"whole")
        (tmp_path / "data/blobs/incoming" / ("0" * 32)).write_bytes(b"half")
        await store.close()
        await store.open()
        assert await store.blobs.read(blob) == b"whole"
        assert list((tmp_path / "data/blobs/incoming").iterdir()) == []

    run(SqliteStore(tmp_path / "data"), story)


def test_a_newer_format_is_refused(tmp_path: Path) -> None:
    run(SqliteStore(tmp_path / "data"), nothing)
    connection = apsw.Connection(str(tmp_path / "data/store.sqlite"))
    connection.execute("PRAGMA user_version=99")
    connection.close()
    with pytest.raises(StoreFormatTooNew, match="newer Serein"):
        run(SqliteStore(tmp_path / "data"), nothing)


def test_a_file_that_is_none_of_ours_is_refused(tmp_path: Path) -> None:
    (tmp_path / "store.sqlite").write_bytes(b"not a database" * 1000)
    with pytest.raises(StoreDamaged, match="none of Serein's"):
        run(SqliteStore(tmp_path), nothing)
    (tmp_path / "store.sqlite").unlink()
    connection = apsw.Connection(str(tmp_path / "store.sqlite"))
    connection.execute("CREATE TABLE theirs (a)")
    connection.close()
    with pytest.raises(StoreDamaged, match="not one of Serein's"):
        run(SqliteStore(tmp_path), nothing)


@pytest.mark.parametrize("apart", [False, True])
def test_a_full_disk_loses_nothing_acknowledged_and_passes(tmp_path: Path, apart: bool) -> None:
    """`pages_max` makes SQLite answer as on a full disk; deleting frees pages, as on a real one."""

    async def story(store: Store) -> None:
        assert isinstance(store, SqliteStore)
        if apart:
            store.commit_apart()
        kept: set[int] = set()
        failed = 0
        for start in range(0, 400, 8):

            def put(number: int) -> asyncio.Future[None]:
                def change(tx: Transaction) -> None:
                    tx.put(KEPT, thing("a", number))
                    tx.put_bytes(RAW, (number,), b"x" * 3000)

                return store.transact(change)

            numbers = range(start, start + 8)
            results = await asyncio.gather(*map(put, numbers), return_exceptions=True)
            for number, result in zip(numbers, results, strict=True):
                if result is None:
                    kept.add(number)
                else:
                    assert isinstance(result, StoreUnavailable)
                    failed += 1
        assert kept
        assert failed
        look = store.snapshot()
        assert {key[0] for key, _ in look.scan(RAW)} == kept
        assert {one.number for one in look.scan(KEPT)} == kept
        assert all(look.get(KEPT, "a", number) is not None for number in kept)
        await store.transact(lambda tx: tx.delete_range(RAW, ()))
        await store.transact(lambda tx: tx.put_bytes(RAW, (1,), b"again"))
        assert store.snapshot().get(RAW, 1) == b"again"

    run(SqliteStore(tmp_path / "data", pages_max=60), story)


def test_an_io_error_refuses_the_batch_and_the_store_goes_on(tmp_path: Path) -> None:
    """A limit on file sizes makes the log's writes fail for a while."""
    script = """
        import asyncio, resource, signal, sys
        from pathlib import Path
        from serein.store.interface import StoreUnavailable
        from serein.store.sqlite.engine import SqliteStore
        from serein.store.tables import BytesTable

        RAW = BytesTable("test.raw")

        async def main():
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            store = SqliteStore(Path(sys.argv[1]))
            await store.open()
            await store.transact(lambda tx: tx.put_bytes(RAW, (0,), b"first"))
            unlimited = resource.getrlimit(resource.RLIMIT_FSIZE)
            resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, unlimited[1]))
            big = b"x" * 300_000
            both = [
                store.transact(lambda tx: tx.put_bytes(RAW, (1,), b"small")),
                store.transact(lambda tx: tx.put_bytes(RAW, (2,), big)),
            ]
            for result in await asyncio.gather(*both, return_exceptions=True):
                assert isinstance(result, StoreUnavailable), result
            assert store.snapshot().count(RAW) == 1
            resource.setrlimit(resource.RLIMIT_FSIZE, unlimited)
            await store.transact(lambda tx: tx.put_bytes(RAW, (2,), big))
            await store.close()
            await store.open()
            assert [key for key, _ in store.snapshot().scan(RAW)] == [(0,), (2,)]
            await store.close()

        asyncio.run(main())
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script), str(tmp_path / "data")],
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("apart", [False, True])
def test_the_log_stays_short_under_constant_writing(tmp_path: Path, apart: bool) -> None:
    store = SqliteStore(tmp_path / "data", checkpoint_pages=50, pause_pages=200)
    longest = 0

    async def story(same: Store) -> None:
        nonlocal longest
        if apart:
            store.commit_apart()
        for round_ in range(80):
            puts = [
                store.transact(lambda tx, number=number: tx.put_bytes(RAW, (number,), b"x" * 3000))
                for number in range(round_, round_ + 10)
            ]
            store.snapshot().get(RAW, round_)
            await asyncio.gather(*puts)
            longest = max(longest, (tmp_path / "data/store.sqlite-wal").stat().st_size)

    run(store, story)
    assert longest < 400 * 4200
    assert not (tmp_path / "data/store.sqlite-wal").exists()


def test_a_newer_table_is_refused_before_it_is_touched(tmp_path: Path) -> None:
    async def newer(store: Store) -> None:
        await store.transact(lambda tx: tx.put_bytes(BytesTable("test.new", version=2), (1,), b"x"))

    async def older(store: Store) -> None:
        with pytest.raises(StoreFormatTooNew, match=r"test\.new"):
            await store.transact(lambda tx: tx.put_bytes(BytesTable("test.new"), (1,), b"y"))

    run(SqliteStore(tmp_path / "data"), newer)
    run(SqliteStore(tmp_path / "data"), older)


CRASHING = """
    import asyncio, sys
    from pathlib import Path
    from serein.store.sqlite.engine import SqliteStore
    from serein.store.tables import BytesTable

    LEFT, RIGHT = BytesTable("test.left"), BytesTable("test.right")
    BLOBS = BytesTable("test.blobs")

    async def main():
        store = SqliteStore(Path(sys.argv[1]), checkpoint_pages=40, pause_pages=120)
        await store.open()
        if sys.argv[2] == "apart":
            store.commit_apart()

        async def write(writer):
            begin = store.snapshot().count(LEFT, (writer,))
            for number in range(begin, 10**9):
                blob = None
                if number % 7 == 0:
                    blob = await store.blobs.write(b"%d " % number * 9000)

                def change(tx):
                    if blob is not None:
                        tx.put_bytes(BLOBS, (writer, blob), b"%d " % number * 9000)
                    tx.put_bytes(LEFT, (writer, number), b"x" * (number * 37 % 2000))
                    tx.put_bytes(RIGHT, (writer, number), b"y")
                await store.transact(change)
                sys.stdout.write(f"{writer} {number}\\n")
                sys.stdout.flush()

        await asyncio.gather(*[write(writer) for writer in range(8)])

    asyncio.run(main())
"""


@pytest.mark.crash
def test_a_killed_process_leaves_all_that_it_acknowledged(tmp_path: Path) -> None:
    """Killed at random instants while it writes; each life goes on from what the one before it left."""
    chance = random.Random(20261121)
    acknowledged: dict[int, int] = {}
    for life in range(int(os.environ.get("SEREIN_CRASHES", "4"))):
        process = subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(CRASHING), str(tmp_path / "data"),
             "apart" if life % 2 else "inline"],
            stdout=subprocess.PIPE, text=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        )  # fmt: skip
        assert process.stdout is not None
        for _ in range(chance.randrange(200, 1500)):
            line = process.stdout.readline()
            assert line, "the writer ended by itself"
            writer, number = line.split()
            acknowledged[int(writer)] = int(number)
        process.send_signal(signal.SIGKILL)
        for line in process.stdout.read().splitlines(keepends=True):
            if line.endswith("\n"):
                writer, number = line.split()
                acknowledged[int(writer)] = int(number)
        process.wait()

        async def check(store: Store) -> None:
            left, right = BytesTable("test.left"), BytesTable("test.right")
            blobs = BytesTable("test.blobs")
            look = store.snapshot()
            keys = [key for key, _ in look.scan(left)]
            assert keys == [key for key, _ in look.scan(right)], "half of a transaction"
            for writer, number in acknowledged.items():
                assert look.count(left, (writer,)) > number
                assert look.count(blobs, (writer,)) > number // 7
            for key, content in list(look.scan(blobs)):
                assert await store.blobs.read(BlobId(str(key[1]))) == content
            assert list((tmp_path / "data/blobs/incoming").iterdir()) == []

        run(SqliteStore(tmp_path / "data"), check)
    assert sum(acknowledged.values()) > 100


@pytest.mark.parametrize("apart", [False, True])
def test_writing_goes_on_while_a_survey_takes_long(tmp_path: Path, apart: bool) -> None:
    """The log cannot begin anew meanwhile, so it grows past every mark; the survey sees the state that it began with."""
    store = SqliteStore(tmp_path / "data", checkpoint_pages=20, pause_pages=40)
    started, go_on = threading.Event(), threading.Event()

    def look(view: Snapshot) -> list[int]:
        before = view.count(RAW)
        started.set()
        assert go_on.wait(60)
        return [before, view.count(RAW), len(list(view.scan(RAW)))]

    async def story(_: Store) -> None:
        if apart:
            store.commit_apart()
        await store.transact(lambda tx: tx.put_bytes(RAW, (0,), b"x"))
        looking = asyncio.ensure_future(store.survey(look))
        while not started.is_set():
            await asyncio.sleep(0)
        for number in range(1, 120):
            await store.transact(
                lambda tx, number=number: tx.put_bytes(RAW, (number,), b"x" * 3000)
            )
        assert store.snapshot().count(RAW) == 120
        go_on.set()
        assert await looking == [1, 1, 1]
        for number in range(120, 240):
            await store.transact(
                lambda tx, number=number: tx.put_bytes(RAW, (number,), b"x" * 3000)
            )
        assert store.snapshot().count(RAW) == 240

    run(store, story)
