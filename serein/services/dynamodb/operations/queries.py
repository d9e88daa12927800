"""Query and Scan: pages of rows of a table or index."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from serein.engines.expressions.errors import ValidationException
from serein.engines.expressions.values import Item, key_text
from serein.kernel.operations import Read, operation
from serein.services.dynamodb.access import find_index, find_table, table_or_index_of
from serein.services.dynamodb.model import QueryInput, ScanInput
from serein.services.dynamodb.records import INDEX_ROWS, ITEMS, Index, TableRecord
from serein.services.dynamodb.rules.capacity import add_capacity, read_units
from serein.services.dynamodb.rules.ranges import (
    Range,
    bound_range,
    hash_text,
    last_key,
    query_range,
    row_key_parts,
    start_key_parts,
)
from serein.services.dynamodb.rules.rows import decode_row, row_size, splice_page
from serein.services.dynamodb.rules.segments import Segment, buckets_of, in_segment, is_whole
from serein.services.dynamodb.rules.selection import (
    Selection,
    check_filter_attributes,
    check_index_serves,
    parse_query,
    parse_scan,
)

Request = Mapping[str, Any]
Answer = dict[str, Any]

PAGE_BYTES_MAX = 1024 * 1024
SKIPPED_MAX = 50_000
SMALL_LIMIT = 64


@operation("Query", on=table_or_index_of)
def query(read: Read, request: QueryInput) -> Answer:
    """The rows of one hash key, in the order of their sort keys."""
    selection = parse_query(request)
    table = find_table(read, request["TableName"])
    index = find_index(table, request["IndexName"]) if "IndexName" in request else None
    keyed: TableRecord | Index = table if index is None else index
    bound = bound_range(keyed, selection.terms)
    check_filter_attributes(selection, keyed)
    prefix: tuple[str, ...] = (keyed.id, hash_text(keyed, bound.hash_value))
    if bound.equal:
        prefix += tuple(key_text(value) for value in bound.equal)
    rows = query_range(prefix, bound.sort)
    forward = request.get("ScanIndexForward", True)
    if request.get("ExclusiveStartKey"):
        start = start_key_parts(table, index, request["ExclusiveStartKey"])
        fixed = len(prefix) - 1
        rest = start[fixed:]
        if start[:fixed] != prefix[1:]:
            raise ValidationException(
                "The provided starting key is outside query boundaries based on provided conditions"
            )
        if not rows.holds(rest):
            raise ValidationException(
                "The provided starting key does not match the range key predicate"
            )
        rows = rows.after(rest, forward=forward)
    page = _Page(read, table, index, selection, request)
    page.fill(_rows(read, rows, index, forward, request.get("Limit", 0)))
    return page.answer()


@operation("Scan", on=table_or_index_of)
def scan(read: Read, request: ScanInput) -> Answer:
    """All rows, or those of one segment."""
    selection = parse_scan(request)
    segment = _segment(request)
    table = find_table(read, request["TableName"])
    index = find_index(table, request["IndexName"]) if "IndexName" in request else None
    keyed: TableRecord | Index = table if index is None else index
    rows = Range((keyed.id,))
    if segment is not None and keyed.spread:
        first, behind = buckets_of(segment)
        rows = Range((keyed.id,), start=(first,), stop=(behind,))
    if request.get("ExclusiveStartKey"):
        start = start_key_parts(table, index, request["ExclusiveStartKey"])
        if segment is not None and not in_segment(start[0][keyed.spread :], segment):
            raise ValidationException(
                "The provided starting key is invalid: Invalid ExclusiveStartKey. Please use "
                f"ExclusiveStartKey with correct Segment. TotalSegments: {segment[1]} "
                f"Segment: {segment[0]}"
            )
        rows = rows.after(start, forward=True)
    page = _Page(read, table, index, selection, request)
    if segment is None or (keyed.spread and is_whole(segment)):
        page.fill(_rows(read, rows, index, True, request.get("Limit", 0)))
    else:
        page.fill(page.of_segment(rows, segment))
    return page.answer()


def _rows(
    read: Read, rows: Range, index: Index | None, forward: bool, limit: int
) -> Iterator[bytes]:
    return read.snapshot.scan_values(
        ITEMS if index is None else INDEX_ROWS,
        rows.prefix,
        start=rows.start,
        start_after=rows.start_after,
        stop=rows.stop,
        stop_after=rows.stop_after,
        reverse=not forward,
        # A small Limit is worth telling the store: it then fetches no more than will be looked at.
        limit=limit if 0 < limit <= SMALL_LIMIT else None,
    )


def _segment(request: Request) -> Segment | None:
    segment, total = request.get("Segment"), request.get("TotalSegments")
    if segment is None and total is None:
        return None
    if total is None:
        raise ValidationException(
            "The TotalSegments parameter is required but was not present in the request when "
            "Segment parameter is present"
        )
    if segment is None:
        raise ValidationException(
            "The Segment parameter is required but was not present in the request when parameter "
            "TotalSegments is present"
        )
    if segment >= total:
        raise ValidationException(
            "The Segment parameter is zero-based and must be less than parameter TotalSegments: "
            f"Segment: {segment} is not less than TotalSegments: {total}"
        )
    return (segment, total) if total > 1 else None


class _Page(msgspec.Struct):
    """Gathers one page: at most Limit rows looked at, at most 1 MB of them."""

    read: Read
    table: TableRecord
    index: Index | None
    selection: Selection
    request: Request
    items: list[Any] = []
    count: int = 0
    scanned: int = 0
    bytes_read: int = 0
    fetched_units: float = 0.0
    fetched_bytes: int = 0
    last: bytes | None = None
    """The row that the page ends with, if it ends before the range does."""

    def fill(self, rows: Iterator[bytes]) -> None:
        """Take rows until the page is full or the range is at its end."""
        selection = self.selection
        consistent = self.request.get("ConsistentRead", False)
        complete = self.index is not None and check_index_serves(
            self.index, self.table, selection, consistent=consistent
        )
        if selection.filter is None and selection.projection is None and not complete:
            self._fill_plainly(rows)
            return
        limit = self.request.get("Limit", 0)
        counting = selection.select == "COUNT"
        previous: bytes | None = None
        for row in rows:
            size = row_size(row)
            full = self.bytes_read + size > PAGE_BYTES_MAX or self.fetched_bytes > PAGE_BYTES_MAX
            if full and previous is not None:
                self.last = previous
                return
            self.bytes_read += size
            self.scanned += 1
            previous = row
            self._take(row, complete, counting)
            if self.scanned == limit:
                self.last = row
                return

    def _fill_plainly(self, rows: Iterator[bytes]) -> None:
        """As `fill`, where rows are answered as they are."""
        page = splice_page(
            rows,
            rows_max=self.request.get("Limit", 0),
            bytes_max=PAGE_BYTES_MAX,
            counting=self.selection.select == "COUNT",
        )
        self.items = page.items
        self.bytes_read += page.bytes_read
        self.scanned = self.count = page.count
        if page.last is not None:
            self.last = page.last

    def of_segment(self, rows: Range, segment: Segment) -> Iterator[bytes]:
        """The rows of a segment; after very many others it ends, and with it the page.

        Others are in the range where the segment ends within a bucket, and in tables from before there were buckets.
        """
        skipped = 0
        keyed: TableRecord | Index = self.table if self.index is None else self.index
        bucket = int(keyed.spread)
        for key, row in self.read.scan(
            ITEMS if self.index is None else INDEX_ROWS,
            rows.prefix,
            start=rows.start,
            start_after=rows.start_after,
            stop=rows.stop,
        ):
            if in_segment(str(key[1])[bucket:], segment):
                yield row
                continue
            skipped += 1
            if skipped == SKIPPED_MAX:
                # A page may be empty, but one request must not walk through a whole large table.
                self.last = row
                return

    def _take(self, row: bytes, complete: bool, counting: bool) -> None:
        item = decode_row(row)
        selection = self.selection
        if complete:
            item = self._completed(item)
        if selection.filter is not None and not selection.filter.test(item, selection.values):
            return
        self.count += 1
        if counting:
            return
        if selection.projection is not None:
            item = selection.projection.project(item)
        self.items.append(item)

    def _completed(self, item: Item) -> Item:
        """The whole item, for a local index that does not project all that is asked for."""
        row = self.read.get(ITEMS, self.table.id, *row_key_parts(self.table, None, item))
        if row is None:
            return item
        # Each fetch from the table is a read of its own.
        consistent = self.request.get("ConsistentRead", False)
        self.fetched_bytes += row_size(row)
        self.fetched_units += read_units(row_size(row), consistent=consistent)
        return decode_row(row)

    def answer(self) -> Answer:
        """The answer of Query and Scan."""
        found: Answer = {"Count": self.count, "ScannedCount": self.scanned}
        if self.selection.select != "COUNT":
            found["Items"] = self.items
        if self.last is not None:
            found["LastEvaluatedKey"] = last_key(self.table, self.index, decode_row(self.last))
        if "ReturnConsumedCapacity" in self.request:
            consistent = self.request.get("ConsistentRead", False)
            units = read_units(self.bytes_read, consistent=consistent)
            if self.fetched_units and self.index is not None:
                by_index = {self.index.name: units}
                add_capacity(
                    found, self.request, self.table, self.fetched_units, index_units=by_index
                )
            else:
                add_capacity(found, self.request, self.table, units, index=self.index)
        return found
