"""Whether the size of a table matters: `python benchmarks/run.py --only ddb_sizes --items 10000000`.

Two tables, of 10,000 items and of `--items`, are filled in process (twenty items to a partition key), then served, and the same
operations are sent to both in turns, with keys drawn from the whole table. Filling takes about ten minutes for ten million items.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

import run
from botocore.credentials import Credentials
from cases.dynamodb import call
from compare import line
from ends import Case, End
from replay import wrk

from serein.assembly import Config, House
from serein.engines.expressions.values import item_size
from serein.kernel.calls import Call, Scope, root_of
from serein.services.dynamodb.records import ITEMS, TABLES
from serein.services.dynamodb.rules.keys import item_key
from serein.services.dynamodb.rules.rows import encode_row
from serein.services.dynamodb.rules.segments import spread

SMALL = 10_000
TO_A_PARTITION = 20
AT_ONCE = 5_000
REQUESTS = 2_000
ACCOUNT = "000000000000"


def item(partition: int, number: int) -> dict[str, Any]:
    """An item of about 120 bytes."""
    return {
        "pk": {"S": f"user#{partition:07d}"},
        "sk": {"S": f"order#{number:04d}"},
        "total": {"N": "42.5"},
        "note": {"S": "x" * 64},
    }


def items_in_order(count: int) -> Iterator[dict[str, Any]]:
    """All items, in the order in which they lie."""
    partitions = range(-(-count // TO_A_PARTITION))
    for partition in sorted(partitions, key=lambda p: spread(f"user#{p:07d}")):
        for number in range(TO_A_PARTITION):
            if partition * TO_A_PARTITION + number < count:
                yield item(partition, number)


async def fill(data: Path, tables: dict[str, int]) -> None:
    """Make the tables, with so many items each."""
    house = House(Config(data=data))
    await house.open()
    scope = Scope(account=ACCOUNT, region="us-east-1", request_id="fill")
    for name, count in tables.items():
        create = {
            "TableName": name,
            "BillingMode": "PAY_PER_REQUEST",
            "KeySchema": [
                {"AttributeName": "pk", "KeyType": "HASH"},
                {"AttributeName": "sk", "KeyType": "RANGE"},
            ],
            "AttributeDefinitions": [
                {"AttributeName": "pk", "AttributeType": "S"},
                {"AttributeName": "sk", "AttributeType": "S"},
            ],
        }
        await house.dispatch.call(Call("dynamodb", "CreateTable", create, root_of(ACCOUNT), scope))
        table = house.store.snapshot().get(TABLES, ACCOUNT, "us-east-1", name)
        assert table is not None
        started, rest = time.perf_counter(), items_in_order(count)
        while some := [one for one, _ in zip(rest, range(AT_ONCE), strict=False)]:

            def put(tx: Any, some: list[dict[str, Any]] = some, table: Any = table) -> None:
                for one in some:
                    place = (table.id, *item_key(table, one))
                    tx.put_bytes(ITEMS, place, encode_row(one, item_size(one)))

            await house.store.transact(put)
        print(f"# {name}: {count} items in {time.perf_counter() - started:.0f} s", flush=True)
    await house.stop()


def requests(end: End, table: str, count: int) -> Case:
    """The operations, on keys from anywhere in the table."""
    chance = random.Random(1)
    places = [
        (chance.randrange(count // TO_A_PARTITION), chance.randrange(TO_A_PARTITION))
        for _ in range(REQUESTS)
    ]

    def key(p: int, s: int) -> dict[str, Any]:
        whole = item(p, s)
        return {"pk": whole["pk"], "sk": whole["sk"]}

    update = {
        "UpdateExpression": "SET hits = if_not_exists(hits, :z) + :o",
        "ExpressionAttributeValues": {":z": {"N": "0"}, ":o": {"N": "1"}},
    }
    query = "pk = :p AND begins_with(sk, :s)"
    return {
        "get": [call(end, "GetItem", {"TableName": table, "Key": key(*at)}) for at in places],
        "put": [call(end, "PutItem", {"TableName": table, "Item": item(*at)}) for at in places],
        "update": [
            call(end, "UpdateItem", {"TableName": table, "Key": key(*at), **update})
            for at in places
        ],
        "query20": [
            call(
                end,
                "Query",
                {
                    "TableName": table,
                    "KeyConditionExpression": query,
                    "ExpressionAttributeValues": {":p": item(p, 0)["pk"], ":s": {"S": "order#"}},
                },
            )
            for p, _ in places
        ],
    }


def main() -> None:
    """Fill, serve, measure both tables in turns."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--items", type=int, default=1_000_000)
    parser.add_argument("--seconds", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--conns", type=int, default=16)
    given = parser.parse_args()
    tables = {"small": SMALL, "large": given.items}
    with tempfile.TemporaryDirectory(dir=os.environ.get("SEREIN_BENCH_DIR")) as folder:
        asyncio.run(fill(Path(folder), tables))
        port = run.free_port()
        command = [sys.executable, "-m", "serein.cli.main", "up", "--port", str(port)]
        with run.running([*command, "--data", folder], f"http://127.0.0.1:{port}") as url:
            keys = run.user_of(url)
            credentials = Credentials(keys["AWS_ACCESS_KEY_ID"], keys["AWS_SECRET_ACCESS_KEY"])
            end = End(url, credentials)
            cases = {name: requests(end, name, count) for name, count in tables.items()}
            for label in cases["small"]:
                print(line(label, compared(url, label, cases, given)), flush=True)


def compared(
    url: str, label: str, cases: dict[str, Case], given: Any
) -> dict[str, dict[str, float] | None]:
    """The medians for one operation on each table, measured in turns."""
    runs: dict[str, list[dict[str, float]]] = {name: [] for name in cases}
    for _ in range(given.rounds):
        for name, case in cases.items():
            result = wrk(url, case[label], given.seconds, given.conns)
            if result:
                runs[name].append(result)
    return {
        name: {key: sorted(one[key] for one in some)[len(some) // 2] for key in some[0]}
        if some
        else None
        for name, some in runs.items()
    }


if __name__ == "__main__":
    main()
