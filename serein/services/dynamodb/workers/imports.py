"""Imports fill their tables: object by object, in batches, counting what cannot be taken.

An import that a crash cut off begins anew: what is written twice is the same. https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/S3DataImport.Validation.html
"""

from __future__ import annotations

import zlib
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

from msgspec.structs import replace

from serein.base.errors import AwsError
from serein.engines.expressions.values import Item, normalise_item
from serein.kernel.operations import Context, Tx
from serein.services.dynamodb.operations.imports import IMPORT_BELL
from serein.services.dynamodb.records import TABLES, TableRecord
from serein.services.dynamodb.recovery_records import IMPORTS, Import
from serein.services.dynamodb.rules.item_formats import (
    Malformed,
    csv_items,
    ion_items,
    json_item,
    unpacker,
)
from serein.services.dynamodb.rules.keys import check_index_keys, item_key
from serein.services.dynamodb.rules.rows import (
    check_item_size,
    decode_row,
    read_row,
    write_item,
)
from serein.wire.http import Body

ROWS_AT_ONCE = 500
LINE_BYTES_MAX = 4 * 1024 * 1024
ION_BYTES_MAX = 256 * 1024 * 1024


async def fill(cx: Context) -> None:
    """Do the imports under way, one after the other."""
    while True:
        waiter = cx.listen(IMPORT_BELL)
        for found in [one for one in cx.read().scan(IMPORTS) if one.status == "IN_PROGRESS"]:
            await _run(cx, found)
        await cx.wait_for_ring(IMPORT_BELL, until=cx.clock.now() + 3600, waiter=waiter)


async def _run(cx: Context, found: Import) -> None:
    name = found.table_arn.rpartition("/")[2]
    table = cx.read().get(TABLES, found.account, found.region, name)
    if table is None or table.id != found.table_id:
        gone = ("TableDeleted", "The table was deleted while it was being imported into.")
        await cx.transact(_end, replace(found, status="FAILED", failure=gone), cx.clock.now())
        return
    filler = Filler(cx, found, table)
    try:
        await filler.run()
    except (AwsError, zlib.error, EOFError, OSError) as error:
        code = f"S3{error.code}" if isinstance(error, AwsError) else "InvalidInput"
        message = error.message if isinstance(error, AwsError) else str(error)
        ended = replace(filler.found, status="FAILED", failure=(code, message))
        await cx.transact(_end, ended, cx.clock.now())
        return
    await cx.transact(_end, replace(filler.found, status="COMPLETED"), cx.clock.now())


def _end(tx: Tx, found: Import, now: float) -> None:
    tx.put(IMPORTS, replace(found, ended_at=now))
    name = found.table_arn.rpartition("/")[2]
    table = tx.get(TABLES, found.account, found.region, name)
    if table is not None and table.id == found.table_id:
        tx.put(TABLES, replace(table, filling=False))


class Filler:
    """One import under way."""

    def __init__(self, cx: Context, found: Import, table: TableRecord) -> None:
        self._cx = cx
        self._as_owner = cx.acting(found.principal, account=found.account, region=found.region)
        self._table = table
        self._held: list[Item] = []
        self.found = replace(found, processed=0, processed_bytes=0, imported=0, errors=0)

    async def run(self) -> None:
        """Take every object below the prefix."""
        source = self.found.request["S3BucketSource"]
        params = {"Bucket": source["S3Bucket"], "Prefix": source.get("S3KeyPrefix", "")}
        while True:
            page = await self._s3("ListObjectsV2", params)
            for entry in page.get("Contents") or ():
                if not entry["Key"].endswith("/"):
                    await self._take(source["S3Bucket"], entry["Key"])
            if not page.get("IsTruncated"):
                break
            params["ContinuationToken"] = page["NextContinuationToken"]
        await self._flush()

    async def _s3(self, operation: str, params: dict[str, Any]) -> dict[str, Any]:
        owner = self._as_owner
        return await owner.call(owner.make_call("s3", operation, params))

    async def _take(self, bucket: str, key: str) -> None:
        answer = await self._s3("GetObject", {"Bucket": bucket, "Key": key})
        given = self.found.request
        pieces = self._unpacked(answer["Body"], given.get("InputCompressionType", "NONE"))
        kind = given["InputFormat"]
        if kind == "ION":
            await self._take_ion(pieces)
            return
        if kind == "CSV":
            await self._take_csv(pieces)
            return
        async for line in _lines(pieces):
            await self._try(lambda line=line: json_item(line))  # type: ignore[misc]

    async def _unpacked(self, body: Body, compression: str) -> AsyncIterator[bytes]:
        unpack = unpacker(compression)
        async for piece in _pieces(body):
            size = len(piece)
            self.found = replace(self.found, processed_bytes=self.found.processed_bytes + size)
            yield unpack.decompress(piece)

    async def _take_ion(self, pieces: AsyncIterator[bytes]) -> None:
        data = bytearray()
        async for piece in pieces:
            data += piece
            if len(data) > ION_BYTES_MAX:
                raise OSError(f"an Ion object is larger than {ION_BYTES_MAX} bytes")
        items = ion_items(bytes(data))
        while True:
            try:
                item = next(items)
            except StopIteration:
                return
            except Malformed:
                self._count(errors=1)
                return
            await self._try(lambda item=item: item)  # type: ignore[misc]

    async def _take_csv(self, pieces: AsyncIterator[bytes]) -> None:
        given = (self.found.request.get("InputFormatOptions") or {}).get("Csv") or {}
        types = {key.name: key.type for key in self._table.definitions}
        # The reader pulls lines; quoted ones may go over several, so it is fed with all that is there.
        text = bytearray()
        async for piece in pieces:
            text += piece
            if len(text) > ION_BYTES_MAX:
                raise OSError(f"a CSV object is larger than {ION_BYTES_MAX} bytes")
        lines = text.decode("utf-8-sig", "replace").splitlines(keepends=True)
        header = given.get("HeaderList")
        rows: Iterator[Item] = csv_items(lines, header, given.get("Delimiter", ","), types)
        for item in rows:
            await self._try(lambda item=item: item)  # type: ignore[misc]

    async def _try(self, make: Callable[[], Item]) -> None:
        """Take an item, or count it as an error."""
        try:
            item = make()
            check_item_size(normalise_item(item))
            item_key(self._table, item)
            check_index_keys(self._table, item)
        except (Malformed, AwsError, AttributeError, TypeError):
            self._count(processed=1, errors=1)
            return
        self._count(processed=1)
        self._held.append(item)
        if len(self._held) >= ROWS_AT_ONCE:
            await self._flush()

    def _count(self, *, processed: int = 0, errors: int = 0) -> None:
        found = self.found
        self.found = replace(
            found, processed=found.processed + processed, errors=found.errors + errors
        )

    async def _flush(self) -> None:
        items, self._held = self._held, []
        self.found = replace(self.found, imported=self.found.imported + len(items))
        await self._cx.transact(_write, self._table, items, self.found)


def _write(tx: Tx, table: TableRecord, items: list[Item], found: Import) -> None:
    for item in items:
        key = item_key(table, item)
        row = read_row(tx, table, key)
        old = decode_row(row) if row is not None else None
        write_item(tx, table, key, old, item, normalise_item(item))
    tx.put(IMPORTS, found)


async def _pieces(body: Body) -> AsyncIterator[bytes]:
    if isinstance(body, bytes):
        yield body
        return
    async for piece in body:
        yield piece


async def _lines(pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Lines that are not blank, without their ends. Raises OSError for one that has none within some megabytes."""
    rest = b""
    async for piece in pieces:
        *whole, rest = (rest + piece).split(b"\n")
        for line in whole:
            if line.strip():
                yield line
        if len(rest) > LINE_BYTES_MAX:
            raise OSError(f"a line is longer than {LINE_BYTES_MAX} bytes")
    if rest.strip():
        yield rest
