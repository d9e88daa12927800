"""Parallel scans: segments are fair, share nothing, and read only their own range.

https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Scan.html#Scan.ParallelScan
"""

from __future__ import annotations

from itertools import chain, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from serein.services.dynamodb.records import TABLES
from serein.services.dynamodb.rules.segments import (
    BUCKETS,
    buckets_of,
    in_segment,
    is_whole,
    spread,
)
from tests.services.dynamodb.conftest import PER_REQUEST, definitions, index, schema


def pages(dynamodb, **asked):
    """The items of each page of a Scan."""
    start: dict[str, object] = {}
    while True:
        page = dynamodb.scan(**asked, **start)
        yield page["Items"]
        if "LastEvaluatedKey" not in page:
            return
        start = {"ExclusiveStartKey": page["LastEvaluatedKey"]}


def put_all(dynamodb, table, count, **more):
    for first in range(0, count, 25):
        entries = [
            {"PutRequest": {"Item": {"pk": {"S": f"{n}"}, **more}}}
            for n in range(first, first + 25)
        ]
        dynamodb.batch_write_item(RequestItems={table: entries})


@given(st.text(min_size=1), st.integers(1, 1_000_000))
def test_every_key_belongs_to_one_segment_and_lies_in_its_buckets(text, total):
    bucket = spread(text)[0]
    low, high = 0, total - 1
    while low < high:  # The segments' ranges follow one another.
        middle = (low + high) // 2
        low, high = (low, middle) if bucket < buckets_of((middle, total))[1] else (middle + 1, high)
    near = range(low, min(total, low + 2 + total // BUCKETS))
    mine = [number for number in near if in_segment(text, (number, total))]
    assert len(mine) == 1
    first, behind = buckets_of((mine[0], total))
    assert first <= bucket < behind


@given(st.integers(1, 5000))
def test_whole_segments_meet_at_their_ends(total):
    ranges = [buckets_of((number, total)) for number in range(total)]
    assert all(first < behind for first, behind in ranges)
    for (_, behind), (first, _) in pairwise(ranges):
        assert (first == behind) if is_whole((0, total)) else first <= behind
    assert ord(ranges[-1][1]) - ord(ranges[0][0]) == BUCKETS


@pytest.mark.parametrize("total", [2, 3, 4, 7, 5000])
@pytest.mark.parametrize("spread_rows", [True, False], ids=["by-hash", "by-key"])
def test_segments_have_all_items_once(cloud, dynamodb, simple, total, spread_rows):
    """Also of tables that were made when rows still lay in the order of their keys."""
    if not spread_rows:

        def older(tx):
            table = tx.get(TABLES, cloud.account, "us-east-1", simple)
            tx.put(TABLES, replace(table, spread=False))

        cloud.run(cloud.house.store.transact(older))
    put_all(dynamodb, simple, 200)
    seen: list[list[str]] = []
    for segment in range(total) if total < 10 else ():
        scan = pages(dynamodb, TableName=simple, Segment=segment, TotalSegments=total, Limit=13)
        seen.append([item["pk"]["S"] for page in scan for item in page])
    if total < 10:
        assert sorted(chain(*seen)) == sorted(map(str, range(200)))
        assert min(map(len, seen)) > 200 / total / 2
    else:
        whole = [item["pk"]["S"] for page in pages(dynamodb, TableName=simple) for item in page]
        number = next(n for n in range(total) if in_segment(whole[0], (n, total)))
        scan = pages(dynamodb, TableName=simple, Segment=number, TotalSegments=total)
        assert whole[0] in [item["pk"]["S"] for page in scan for item in page]


def test_items_that_come_meanwhile_move_nobody(dynamodb, simple):
    """What a segment reads does not depend on what the table holds, so its pages fit together."""
    put_all(dynamodb, simple, 100)
    seen = []
    for segment in range(3):
        scan = pages(dynamodb, TableName=simple, Segment=segment, TotalSegments=3, Limit=5)
        for number, page in enumerate(scan):
            dynamodb.put_item(TableName=simple, Item={"pk": {"S": f"new {segment} {number}"}})
            seen += [item["pk"]["S"] for item in page]
    old = [name for name in seen if not name.startswith("new")]
    assert sorted(old) == sorted(map(str, range(100)))
    assert len(set(seen)) == len(seen)


def test_segments_of_indexes(dynamodb):
    """A global index lies in the order of its own partition keys: one value is in one segment, in the order of its sort key."""
    dynamodb.create_table(
        TableName="orders",
        AttributeDefinitions=definitions(pk="S", g="S", n="N"),
        KeySchema=schema("pk"),
        GlobalSecondaryIndexes=[index("by-g", schema("g", "n"))],
        **PER_REQUEST,
    )
    for n in range(60):
        item = {"pk": {"S": f"{n}"}, "g": {"S": f"g{n % 6}"}, "n": {"N": f"{n}"}}
        dynamodb.put_item(TableName="orders", Item=item)
    found: dict[str, list[int]] = {}
    for segment in range(3):
        scan = pages(
            dynamodb,
            TableName="orders",
            IndexName="by-g",
            Segment=segment,
            TotalSegments=3,
            Limit=7,
        )
        for page in scan:
            for item in page:
                found.setdefault(item["g"]["S"], []).append(int(item["n"]["N"]))
    assert found == {f"g{g}": list(range(g, 60, 6)) for g in range(6)}
