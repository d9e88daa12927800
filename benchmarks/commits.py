"""What a durable write costs, and whether a table's size matters: `python -m benchmarks.commits [--dir D] [--items N]`.

    commits    1, 16 and 256 callers, each of whom puts one row and waits until it is on disk before the next;
               for each the latency's median and 99th hundredth, and puts a second
    size       a get, a range of 20, and a put (durable, 16 at once) in a table of 10,000 rows and in one of `--items`

On the sqlite store, in one process, without HTTP: the store's own share. The disk is that of `--dir` (default: /tmp's).
`python benchmarks/run.py --only ddb_put --conns 256` has the whole way.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import statistics
import sys
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from time import perf_counter, process_time

import uvloop

from serein.store.interface import Store, Transaction
from serein.store.sqlite.engine import SqliteStore
from serein.store.tables import BytesTable

ITEMS = BytesTable("bench.items")
VALUE = b"x" * 300
SMALL = 10_000
FILL_AT_ONCE = 5_000
CALLERS = (1, 16, 256)
SAMPLES = 3_000


def key_of(number: int) -> tuple[str, str, str]:
    """A key as DynamoDB's items have, 30 to a partition."""
    return ("bench-table", f"user#{number // 30:06}", f"order#{number:09}")


def put(number: int) -> Callable[[Transaction], None]:
    """A transaction that looks at a row and puts it."""

    def change(tx: Transaction) -> None:
        tx.get(ITEMS, *key_of(number))
        tx.put_bytes(ITEMS, key_of(number), VALUE)

    return change


async def fill(store: Store, count: int) -> None:
    """Rows 0 to `count`, in key order within each transaction."""
    for start in range(0, count, FILL_AT_ONCE):

        def change(tx: Transaction, start: int = start) -> None:
            for number in range(start, min(start + FILL_AT_ONCE, count)):
                tx.put_bytes(ITEMS, key_of(number), VALUE)

        await store.transact(change)


async def commits(directory: Path, seconds: float) -> None:
    """Callers that wait for their answers."""
    store = SqliteStore(directory / "commits")
    await store.open()
    await fill(store, SMALL)
    for callers in CALLERS:
        took: list[float] = []
        until = perf_counter() + seconds
        chance = random.Random(callers)

        async def call(until: float = until, took: list[float] = took) -> None:
            while (started := perf_counter()) < until:
                await store.transact(put(chance.randrange(SMALL)))
                took.append(perf_counter() - started)

        cpu = process_time()
        await asyncio.gather(*[call() for _ in range(callers)])
        cpu = process_time() - cpu
        took.sort()
        sys.stdout.write(
            f"commits {callers:4} callers: {len(took) / seconds:8.0f}/s  "
            f"p50 {took[len(took) // 2] * 1e3:6.2f} ms  p99 {took[len(took) * 99 // 100] * 1e3:6.2f} ms  "
            f"cpu {cpu / len(took) * 1e6:5.0f} us a put\n"
        )
    await store.close()


async def median_us(work: Callable[[], Awaitable[object]], times: int) -> float:
    """The median of one call's time."""
    found = []
    for _ in range(times):
        started = perf_counter()
        await work()
        found.append((perf_counter() - started) * 1e6)
    return statistics.median(found)


async def size(directory: Path, count: int) -> None:
    """The same work in a table of `count` rows."""
    store = SqliteStore(directory / f"size-{count}")
    await store.open()
    started = perf_counter()
    await fill(store, count)
    filled_s = perf_counter() - started
    chance = random.Random(count)

    async def get() -> None:
        assert store.snapshot().get(ITEMS, *key_of(chance.randrange(count))) == VALUE

    async def walk() -> None:
        prefix = key_of(chance.randrange(count))[:2]
        list(store.snapshot().scan_values(ITEMS, prefix, limit=20))

    async def puts() -> None:
        await asyncio.gather(*[store.transact(put(chance.randrange(count))) for _ in range(16)])

    lines = (
        ("get", await median_us(get, SAMPLES)),
        ("range of 20", await median_us(walk, SAMPLES)),
        ("16 puts, durable", await median_us(puts, SAMPLES // 16)),
    )
    await store.close()
    for what, cost in lines:
        sys.stdout.write(f"size {count:9} rows: {what:18} {cost:9.1f} us\n")
    sys.stdout.write(f"size {count:9} rows: filled in {filled_s:.1f} s\n")


async def main() -> None:
    """What was asked for."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--only", default="commits,size")
    parser.add_argument("--dir")
    parser.add_argument("--items", type=int, default=300_000)
    parser.add_argument("--seconds", type=float, default=3.0)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=given.dir) as directory:
        if "commits" in given.only:
            await commits(Path(directory), given.seconds)
        if "size" in given.only:
            for count in (SMALL, given.items):
                await size(Path(directory), count)


if __name__ == "__main__":
    uvloop.run(main())
