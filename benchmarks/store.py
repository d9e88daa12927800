"""What the store costs: `python -m benchmarks.store [DIRECTORY]`, microseconds, medians.

Point reads and ranges in a held snapshot, a transaction's function in an open batch, and batches of puts from the first
call to the last durable answer.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from time import perf_counter

import msgspec
import uvloop

from serein.store.interface import Store, Transaction
from serein.store.memory import MemoryStore
from serein.store.sqlite.engine import SqliteStore
from serein.store.tables import BytesTable, Table

ROWS = 20_000
ROUNDS = 15


class Item(msgspec.Struct, frozen=True, kw_only=True):
    """A record of some fields."""

    table: str
    user: str
    order: str
    note: str
    count: int


def key_of(item: Item) -> tuple[str, str, str]:
    """Three strings."""
    return (item.table, item.user, item.order)


ITEMS = Table("bench.items", Item, key=key_of)
CACHED = Table("bench.cached", Item, key=key_of, cached=True)
JSON = BytesTable("bench.json")
VALUE = b"x" * 300
TABLE = "arn:aws:dynamodb:us-east-1:000000000000:table/orders"


def item(number: int) -> Item:
    """The nth record."""
    return Item(
        table=TABLE,
        user=f"user{number % 1000:05}",
        order=f"order{number:08}",
        note="n" * 200,
        count=1,
    )


def microseconds(work: Callable[[], object], times: int) -> float:
    """The median over rounds of one call's time."""
    found = []
    for _ in range(ROUNDS):
        started = perf_counter()
        for _ in range(times):
            work()
        found.append((perf_counter() - started) / times * 1e6)
    return statistics.median(found)


async def batches(store: Store, size: int) -> float:
    """From the first transact to the last answer, for `size` puts at once."""

    def put(number: int) -> Callable[[Transaction], None]:
        key = key_of(item(number))
        return lambda tx: tx.put_bytes(JSON, key, VALUE)

    found = []
    for round_ in range(ROUNDS * 20):
        puts = [put(round_ * size + number) for number in range(size)]
        started = perf_counter()
        for future in [store.transact(one) for one in puts]:
            await future
        found.append((perf_counter() - started) * 1e6)
    return statistics.median(found)


async def measure(name: str, store: Store) -> None:
    """One engine."""
    await store.open()
    for start in range(0, ROWS, 2000):

        def fill(tx: Transaction, start: int = start) -> None:
            for number in range(start, start + 2000):
                one = item(number)
                tx.put(ITEMS, one)
                tx.put(CACHED, one)
                tx.put_bytes(JSON, key_of(one), VALUE)

        await store.transact(fill)
    key = key_of(item(777))
    prefix = key[:2]
    look = store.snapshot()
    one = item(555)
    lines = {
        "snapshot()": microseconds(store.snapshot, 2000),
        "get bytes": microseconds(lambda: look.get(JSON, *key), 2000),
        "get record": microseconds(lambda: look.get(ITEMS, *key), 2000),
        "get cached": microseconds(lambda: look.get(CACHED, *key), 2000),
        "range of 20, values": microseconds(
            lambda: list(look.scan_values(JSON, prefix, limit=20)), 200
        ),
        "range of 20, keys and values": microseconds(
            lambda: list(look.scan(JSON, prefix, limit=20)), 200
        ),
        "range of 20, records": microseconds(lambda: list(look.scan(ITEMS, prefix, limit=20)), 200),
    }

    def inside(tx: Transaction) -> None:
        lines["tx get bytes"] = microseconds(lambda: tx.get(JSON, *key), 200)
        lines["tx put bytes"] = microseconds(lambda: tx.put_bytes(JSON, key, VALUE), 200)
        lines["tx put record"] = microseconds(lambda: tx.put(ITEMS, one), 200)

    await store.transact(inside)
    for size in (1, 16, 64):
        lines[f"batch of {size}, durable"] = await batches(store, size)
    await store.close()
    for what, cost in lines.items():
        sys.stdout.write(f"{name:16} {what:32} {cost:9.2f}\n")


async def main() -> None:
    """All engines."""
    await measure("memory", MemoryStore())
    with tempfile.TemporaryDirectory(dir=sys.argv[1] if len(sys.argv) > 1 else None) as directory:
        await measure("sqlite", SqliteStore(Path(directory) / "inline"))
        apart = SqliteStore(Path(directory) / "apart")
        apart.commit_apart()
        await measure("sqlite, thread", apart)


if __name__ == "__main__":
    uvloop.run(main())
