"""The doctor's look at a store."""

from __future__ import annotations

import asyncio
import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

from serein.assembly import blob_holders
from serein.assembly.stores import blobs_at
from serein.cli.doctor_findings import Finding
from serein.cli.keeping import bytes_text
from serein.kernel.missing_blobs import BlobFindings, check_blobs
from serein.store.errors import StoreDamaged, StoreError, StoreFormatTooNew
from serein.store.keeping.addresses import opened_store
from serein.store.keeping.checks import TableFindings, check_file, check_tables
from serein.store.keeping.copying import sums_of
from serein.store.keeping.snapshots import list_snapshots
from serein.store.keeping.sources import Folder, connect, is_in_use

FREE_BYTES_MIN = 1_000_000_000
FREE_SHARE_MIN = 0.05
SYNCS = 20
SYNC_S_TOO_QUICK = 0.000_02
SYNC_S_SLOW = 0.02
NETWORK_FILE_SYSTEMS = ("nfs", "cifs", "smb", "9p", "fuse.sshfs", "ceph", "glusterfs")
MEMORY_FILE_SYSTEMS = ("tmpfs", "ramfs")
NEWER = "use the Serein that wrote it, or go back to a snapshot or backup of before"
RESTORE = "restore the last backup (serein restore) or snapshot (serein snapshot restore)"


def directory(data: Path, *, reads: bool) -> Iterator[Finding]:
    """Everything about a data directory; `reads`: every record and every byte."""
    if not (data / "store.sqlite").exists():
        yield Finding("ok", f"{data} holds no data yet; `serein up` makes it")
        yield from _disk(_nearest(data))
        return
    try:
        connect(data).close(True)
    except StoreDamaged as error:
        yield Finding("bad", str(error), f"{RESTORE}, or choose another directory with --data")
        return
    except StoreError as error:
        yield Finding("bad", str(error), NEWER if isinstance(error, StoreFormatTooNew) else "")
        return
    yield _owner(data)
    yield from _rights(data)
    if reads:
        yield from _tables(data)
        yield from _blobs(data)
    yield from _snapshots(data)
    yield from _disk(data)


def _owner(data: Path) -> Finding:
    try:
        used = is_in_use(data)
    except OSError as error:
        return Finding(
            "bad",
            f"{data}/lock cannot be opened: {error.strerror}",
            f"give the directory to the user who runs Serein: chown -R $USER {data}",
        )
    return Finding("ok", f"{data} is {'in use by a running Serein' if used else 'not in use'}")


def _rights(data: Path) -> Iterator[Finding]:
    for path in (data, data / "store.sqlite"):
        mode = path.stat().st_mode
        if mode & 0o077:
            yield Finding(
                "warn",
                f"{path} can be read by others; it holds secret access keys",
                f"chmod go= {path}",
            )
    if not os.access(data, os.W_OK):
        yield Finding("bad", f"{data} cannot be written to", f"chown -R $USER {data}")


def _tables(data: Path) -> Iterator[Finding]:
    problems = check_file(data)
    if problems:
        yield Finding("bad", f"store.sqlite is damaged: {problems[0]}", RESTORE)
        return
    findings: TableFindings = asyncio.run(_survey(data))
    for damaged in findings.damaged:
        yield Finding("bad", damaged, RESTORE)
    if not findings.damaged:
        yield Finding(
            "ok",
            f"{findings.records} records in {findings.tables} tables, {bytes_text(findings.bytes)}, all as written",
        )


async def _survey(data: Path) -> TableFindings:
    folder = Folder(data)
    try:
        return await folder.survey(check_tables)
    finally:
        folder.close()


def _blobs(data: Path) -> Iterator[Finding]:
    async def look() -> BlobFindings:
        folder = Folder(data)
        try:
            return await check_blobs(folder, blob_holders(), reads=True)
        finally:
            folder.close()

    try:
        findings = asyncio.run(look())
    except StoreError as error:
        yield Finding("bad", f"the blobs cannot be compared with the records: {error}", RESTORE)
        return
    for missing in findings.missing:
        yield Finding("bad", f"missing: {missing}", RESTORE)
    for damaged in findings.damaged:
        yield Finding("bad", damaged, RESTORE)
    if not findings.missing and not findings.damaged:
        yield Finding("ok", f"{findings.named} blobs, all there and as written")
    if findings.orphans:
        yield Finding("ok", f"{findings.orphans} blobs that nothing needs; Serein sweeps them")


def _snapshots(data: Path) -> Iterator[Finding]:
    found = list_snapshots(data)
    if found:
        size = sum(about.table_bytes for about in found if not about.shared)
        yield Finding("ok", f"{len(found)} snapshots, their tables {bytes_text(size)}")
    broken_off = list((data / "snapshots").glob(".making-*"))
    if broken_off:
        yield Finding(
            "warn",
            "a snapshot was broken off while it was being taken",
            f"rm -r {' '.join(map(str, broken_off))}",
        )


def _disk(folder: Path) -> Iterator[Finding]:
    usage = shutil.disk_usage(folder)
    free = f"{bytes_text(usage.free)} free of {bytes_text(usage.total)}"
    if usage.free < FREE_BYTES_MIN or usage.free < usage.total * FREE_SHARE_MIN:
        yield Finding(
            "bad" if usage.free < FREE_BYTES_MIN // 10 else "warn",
            f"the disk of {folder} is nearly full: {free}",
            "make room: when none is left writes are refused",
        )
    else:
        yield Finding("ok", free)
    kind = file_system_of(folder)
    if kind.startswith(NETWORK_FILE_SYSTEMS):
        yield Finding(
            "bad",
            f"{folder} is on a network file system ({kind}); the store needs shared memory and locks that these lack",
            "keep the data on a local disk, or in PostgreSQL (--store)",
        )
    elif kind in MEMORY_FILE_SYSTEMS:
        yield Finding(
            "warn",
            f"{folder} is in memory ({kind}): a restart of the machine loses everything",
            "choose a directory on a disk with --data",
        )
    yield from _syncs(folder, kind)


def _syncs(folder: Path, kind: str) -> Iterator[Finding]:
    """Whether a sync waits for the disk: what was acknowledged rests on it."""
    path = folder / f".doctor-{os.getpid()}"
    times = []
    try:
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        yield Finding("bad", f"nothing can be written in {folder}: {error.strerror}")
        return
    try:
        for number in range(SYNCS):
            os.pwrite(fd, os.urandom(4096), number * 4096)
            started = time.perf_counter()
            os.fsync(fd)
            times.append(time.perf_counter() - started)
    except OSError as error:
        yield Finding("bad", f"the disk of {folder} refuses to sync: {error.strerror}")
        return
    finally:
        os.close(fd)
        os.unlink(path)
    median_s = sorted(times)[SYNCS // 2]
    said = f"a sync takes {median_s * 1000:.2f} ms ({kind or 'unknown file system'})"
    if median_s < SYNC_S_TOO_QUICK and kind not in MEMORY_FILE_SYSTEMS:
        yield Finding(
            "warn",
            f"{said}: so quick that nothing waits for a disk; a power cut may lose what was acknowledged",
            "look for `nobarrier`, `eatmydata`, or a virtual disk with cache=unsafe",
        )
    elif median_s > SYNC_S_SLOW:
        yield Finding("warn", f"{said}, which every write waits for", "use a faster disk (an SSD)")
    else:
        yield Finding("ok", said)


def file_system_of(folder: Path) -> str:
    """The kind of file system a folder is on, as mount(8) names it; "" where that cannot be told."""
    try:
        lines = Path("/proc/self/mounts").read_text().splitlines()
    except OSError:
        return ""
    resolved = str(folder.resolve())
    best = ("", "")
    for line in lines:
        _, where, kind, *_ = line.split(" ")
        where = where.replace("\\040", " ")
        inside = resolved == where or resolved.startswith(where.rstrip("/") + "/")
        if inside and len(where) >= len(best[0]):
            best = (where, kind)
    return best[1]


def _nearest(folder: Path) -> Path:
    """The folder, or the nearest one above that is there."""
    folder = folder.absolute()
    while not folder.exists():
        folder = folder.parent
    return folder


async def database(url: str, bucket: str | None) -> list[Finding]:
    """A look at a database that nodes share: whether it can be reached, and every record of it."""
    try:
        async with opened_store(url, blobs_at(bucket)) as store:
            sums = await store.survey(sums_of)
            rows = sum(one.rows for one in sums.values())
            size = sum(one.bytes for one in sums.values())
            found = [
                Finding(
                    "ok",
                    f"{rows} records in {len(sums)} tables, {bytes_text(size)}, all as written",
                )
            ]
        # Opened anew: within one look at a database a table is either records or bytes.
        async with opened_store(url, blobs_at(bucket)) as store:
            blobs = await check_blobs(store, blob_holders())
            found += [Finding("bad", f"missing: {one}", RESTORE) for one in blobs.missing]
            found += [Finding("bad", one, RESTORE) for one in blobs.damaged]
            if not blobs.missing and not blobs.damaged:
                found.append(Finding("ok", f"{blobs.named} blobs, all there"))
            return found
    except StoreError as error:
        return [Finding("bad", str(error))]
