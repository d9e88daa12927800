"""Exports go to their buckets: data files of some megabytes, then the manifests.

https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/S3DataExport.Output.html
"""

from __future__ import annotations

import base64
import gzip
import hashlib
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import orjson
from msgspec.structs import replace

from serein.base.errors import AwsError
from serein.kernel.operations import Context, Tx
from serein.services.dynamodb.operations.exports import export_description, export_folder
from serein.services.dynamodb.recovery_records import BACKUP_ROWS, EXPORTS, Export
from serein.services.dynamodb.rules.copying import EXPORT_BELL, drop_rows
from serein.services.dynamodb.rules.increments import ROWS_AT_ONCE, Window, changes, gather
from serein.services.dynamodb.rules.item_formats import ion_line
from serein.services.dynamodb.rules.journal import micros
from serein.services.dynamodb.rules.keys import key_of
from serein.services.dynamodb.rules.rows import HEADER, decode_row, row_size

FILE_BYTES = 16 * 1024 * 1024
"""Of lines in one data file, before packing."""


async def export(cx: Context) -> None:
    """Write the exports whose rows are gathered, one after the other."""
    while True:
        waiter = cx.listen(EXPORT_BELL)
        under_way = [one for one in cx.read().scan(EXPORTS) if one.status == "IN_PROGRESS"]
        for found in under_way:
            if found.staged or found.from_at is not None:
                await _run(cx, found)
        await cx.wait_for_ring(EXPORT_BELL, until=cx.clock.now() + 3600, waiter=waiter)


async def _run(cx: Context, export: Export) -> None:
    try:
        writer = Writer(cx, export)
        if export.from_at is None:
            await writer.write(_lines(cx, export))
        else:
            window = await _gathered(cx, export)
            await writer.write(_changed_lines(cx, export, window))
        ended = replace(
            export,
            status="COMPLETED",
            count=writer.count,
            bytes=writer.bytes,
            ended_at=cx.clock.now(),
            manifest=f"{writer.folder}manifest-summary.json",
        )
        await writer.write_manifests(ended)
    except AwsError as error:
        failure = f"S3{error.code}", error.message
        ended = replace(export, status="FAILED", failure=failure, ended_at=cx.clock.now())
    await cx.transact(_end, ended)


def _end(tx: Tx, export: Export) -> None:
    tx.put(EXPORTS, export)
    drop_rows(tx, export.id)
    if export.from_at is not None:
        drop_rows(tx, f"{export.id}/later")


async def _gathered(cx: Context, export: Export) -> Window:
    """Begun anew after a crash: what is gathered twice is the same."""
    assert export.from_at is not None
    await cx.transact(_forget_rows, export.id)
    window = Window(
        id=export.id,
        table_id=export.table.id,
        begin=micros(export.from_at),
        until=micros(export.as_of),
    )
    while not window.whole:
        window = await cx.transact(gather, window)
    return window


def _forget_rows(tx: Tx, id: str) -> None:
    tx.delete_range(BACKUP_ROWS, (id,))
    tx.delete_range(BACKUP_ROWS, (f"{id}/later",))


async def _lines(cx: Context, export: Export) -> AsyncIterator[tuple[bytes, int]]:
    """The lines of a full export, with the items' sizes."""
    is_ion = export.request.get("ExportFormat") == "ION"
    after: tuple[str, str] | None = None
    while True:
        rows = list(
            cx.read().scan(
                BACKUP_ROWS,
                (export.id,),
                start=after or (),
                start_after=after is not None,
                limit=ROWS_AT_ONCE,
            )
        )
        for _, row in rows:
            if is_ion:
                yield ion_line({"Item": decode_row(row)}), row_size(row)
            else:
                yield b'{"Item":' + row[HEADER:] + b"}\n", row_size(row)
        if len(rows) < ROWS_AT_ONCE:
            return
        after = str(rows[-1][0][1]), str(rows[-1][0][2])


async def _changed_lines(
    cx: Context, export: Export, window: Window
) -> AsyncIterator[tuple[bytes, int]]:
    """The lines of an incremental export. What came and went within the window leaves none."""
    is_ion = export.request.get("ExportFormat") == "ION"
    given = export.request["IncrementalExportSpecification"]
    with_old = given.get("ExportViewType", "NEW_AND_OLD_IMAGES") == "NEW_AND_OLD_IMAGES"
    after: tuple[str, str] | None = None
    while True:
        found = list(changes(cx.read(), window, after))
        for _, when, old, new in found:
            if not old and not new:
                continue
            present = decode_row(new or old)
            line: dict[str, Any] = {
                "Metadata": {"WriteTimestampMicros": {"N": str(when)}},
                "Keys": key_of(export.table, present),
            }
            if old and with_old:
                line["OldImage"] = decode_row(old)
            if new:
                line["NewImage"] = present
            packed = ion_line(line) if is_ion else orjson.dumps(line) + b"\n"
            yield packed, row_size(new or old)
        if len(found) < ROWS_AT_ONCE:
            return
        after = found[-1][0]


class Writer:
    """Puts the objects of one export, in the name of who asked for it."""

    def __init__(self, cx: Context, export: Export) -> None:
        self._cx = cx.acting(export.principal, account=export.account, region=export.region)
        self._export = export
        self.folder = f"{export_folder(export.request)}{export.id}/"
        ending = "ion" if export.request.get("ExportFormat") == "ION" else "json"
        self._ending = f"{ending}.gz"
        self._files: list[dict[str, Any]] = []
        self.count = self.bytes = 0

    async def _put(self, key: str, body: bytes) -> dict[str, Any]:
        given = self._export.request
        params: dict[str, Any] = {"Bucket": given["S3Bucket"], "Key": key, "Body": body}
        if given.get("S3SseAlgorithm") == "KMS":
            params["ServerSideEncryption"] = "aws:kms"
            if given.get("S3SseKmsKeyId"):
                params["SSEKMSKeyId"] = given["S3SseKmsKeyId"]
        elif given.get("S3SseAlgorithm"):
            params["ServerSideEncryption"] = "AES256"
        return await self._cx.call(self._cx.make_call("s3", "PutObject", params))

    async def write(self, lines: AsyncIterator[tuple[bytes, int]]) -> None:
        """Put `_started` and the data files; at least one, even if it is empty."""
        await self._put(f"{self.folder}_started", b"")
        held: list[bytes] = []
        size = count = 0
        async for line, item_bytes in lines:
            held.append(line)
            size += len(line)
            count += 1
            self.bytes += item_bytes
            if size >= FILE_BYTES:
                await self._put_file(held, count)
                held, size, count = [], 0, 0
        if held or not self._files:
            await self._put_file(held, count)

    async def _put_file(self, lines: list[bytes], count: int) -> None:
        body = gzip.compress(b"".join(lines), compresslevel=6, mtime=0)
        key = f"{self.folder}data/{self._cx.new_id().replace('-', '')[:26]}.{self._ending}"
        answer = await self._put(key, body)
        self.count += count
        md5 = hashlib.md5(body, usedforsecurity=False).digest()
        self._files.append(
            {
                "itemCount": count,
                "md5Checksum": base64.b64encode(md5).decode(),
                "etag": str(answer.get("ETag", "")).strip('"'),
                "dataFileS3Key": key,
            }
        )

    async def write_manifests(self, export: Export) -> None:
        """Put the two manifests and their checksums."""
        files = b"".join(orjson.dumps(one) + b"\n" for one in self._files)
        summary = orjson.dumps(self._summary(export))
        for name, body in (("manifest-files", files), ("manifest-summary", summary)):
            await self._put(f"{self.folder}{name}.json", body)
            md5 = hashlib.md5(body, usedforsecurity=False).digest()
            await self._put(f"{self.folder}{name}.md5", base64.b64encode(md5))

    def _summary(self, export: Export) -> dict[str, Any]:
        told = export_description(export)
        summary: dict[str, Any] = {
            "version": "2020-06-30" if export.from_at is None else "2023-08-01",
            "exportArn": export.arn,
            "startTime": _iso(export.started_at),
            "endTime": _iso(export.ended_at or export.started_at),
            "tableArn": export.table.arn,
            "tableId": export.table.id,
        }
        if export.from_at is None:
            summary["exportTime"] = _iso(export.as_of)
        else:
            summary["exportFromTime"] = _iso(export.from_at)
            summary["exportToTime"] = _iso(export.as_of)
        summary |= {
            "s3Bucket": told["S3Bucket"],
            "s3Prefix": told.get("S3Prefix"),
            "s3SseAlgorithm": told["S3SseAlgorithm"],
            "s3SseKmsKeyId": told.get("S3SseKmsKeyId"),
            "manifestFilesS3Key": f"{self.folder}manifest-files.json",
            "billedSizeBytes": export.bytes,
            "itemCount": export.count,
            "outputFormat": told["ExportFormat"],
        }
        if export.from_at is not None:
            summary["outputView"] = told["IncrementalExportSpecification"]["ExportViewType"]
        summary["exportType"] = told["ExportType"]
        return summary


def _iso(when: float) -> str:
    return datetime.fromtimestamp(when, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"
