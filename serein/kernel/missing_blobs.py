"""Blobs that records point at and that are not there, or not as they were written: what `serein doctor` asks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from serein.kernel.sweeper import Holds
from serein.store.blobs import BlobId, BlobMissing
from serein.store.errors import StoreDamaged
from serein.store.interface import Snapshot
from serein.store.keeping.copying import blob_ids
from serein.store.keeping.sources import Source


class BlobFindings(msgspec.Struct):
    """What a look at all blobs found. `named` are the blobs that records point at."""

    named: int = 0
    missing: list[str] = []
    """The records that point at nothing, in words."""
    damaged: list[str] = []
    orphans: int = 0


def named_blobs(snapshot: Snapshot, holding: Sequence[Holds]) -> Iterator[tuple[str, str]]:
    """(blob, the record that points at it, as `table key`), for every record that may; some blobs several times."""
    for one in holding:
        for record in snapshot.scan(one.table):
            for blob in one.blobs_of(record):
                if blob:
                    key = "/".join(str(part) for part in one.table.key(record))
                    yield blob, f"{one.table.name} {key}"


async def check_blobs(
    source: Source, holding: Sequence[Holds], *, reads: bool = False
) -> BlobFindings:
    """Compare the blobs that are there with those that one state of the records names.

    With `reads` every byte of the named ones is read and verified; else only their trailers are.
    """
    findings = BlobFindings()
    named = await source.survey(lambda snapshot: dict(named_blobs(snapshot, holding)))
    findings.named = len(named)
    for blob, record in named.items():
        try:
            if reads:
                async for _ in source.blobs.stream(BlobId(blob)):
                    pass
            else:
                await source.blobs.size_bytes(BlobId(blob))
        except BlobMissing:
            findings.missing.append(f"{record} (blob {blob})")
        except StoreDamaged as error:
            findings.damaged.append(f"{record}: {error}")
    async for blob_id in blob_ids(source):
        findings.orphans += blob_id not in named
    return findings
