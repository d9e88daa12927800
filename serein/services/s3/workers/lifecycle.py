"""Lifecycle: expires objects and older versions, removes lone delete markers, gives up stale uploads.

S3 looks once a day; so does this, at midnight UTC of the virtual clock, and once at the start.
https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-lifecycle-mgmt.html
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from serein.base.errors import AwsError
from serein.kernel.operations import Context, Read, Tx
from serein.services.s3.operations.multipart import end_upload
from serein.services.s3.records import (
    BUCKETS,
    HISTORY,
    OBJECTS,
    UPLOADS,
    Bucket,
    StoredObject,
)
from serein.services.s3.rules import lifecycle
from serein.services.s3.rules.lifecycle import DAY_S, Rule
from serein.services.s3.versions import delete_latest, delete_version, setting_or_none

BATCH_MAX = 200
"""Deeds in one transaction."""


class Deed(msgspec.Struct, frozen=True):
    """What is due: "expire" the latest, "remove" a version, or "abort" an upload."""

    kind: str
    key: str
    id: str = ""


async def keep_house(cx: Context) -> None:
    """Run for ever, a round a day."""
    while True:
        now = cx.clock.now()
        for bucket in list(cx.read().scan(BUCKETS)):
            await tidy(cx, bucket.name, now)
        await cx.clock.sleep_until((now // DAY_S + 1) * DAY_S)


async def tidy(cx: Context, name: str, now: float) -> None:
    """One round over one bucket, batch by batch."""
    if not lifecycle.enabled(setting_or_none(cx.read(), name, "lifecycle")):
        return
    batch: list[Deed] = []
    for deed in due_in(cx.read(), name, now):
        batch.append(deed)
        if len(batch) == BATCH_MAX:
            await cx.transact(_do, name, batch, now)
            batch = []
    if batch:
        await cx.transact(_do, name, batch, now)


def due_in(read: Read, name: str, now: float) -> Iterator[Deed]:
    """Everything in a bucket that its rules make due by `now`."""
    rules = lifecycle.enabled(setting_or_none(read, name, "lifecycle"))
    for current in read.scan(OBJECTS, (name,)):
        yield from _due_of_key(read, rules, current, now)
    for upload in read.scan(UPLOADS, (name,)):
        for rule in rules:
            days = (rule.get("AbortIncompleteMultipartUpload") or {}).get("DaysAfterInitiation")
            if days is None or not upload.key.startswith(lifecycle.prefix_of(rule)):
                continue
            if lifecycle.days_after(upload.initiated_at, days) <= now:
                yield Deed("abort", upload.key, upload.id)
                break


def _due_of_key(read: Read, rules: list[Rule], current: StoredObject, now: float) -> Iterator[Deed]:
    older = list(read.scan(HISTORY, (current.bucket, current.key)))
    for rule in rules:
        if not lifecycle.applies(rule, current):
            continue
        expiration = rule.get("Expiration") or {}
        if current.is_marker:
            when = lifecycle.expires_at(rule, current)
            lone = expiration.get("ExpiredObjectDeleteMarker") or (when is not None and when <= now)
            if not older and lone:
                yield Deed("remove", current.key, current.version)
                return
            continue
        when = lifecycle.expires_at(rule, current)
        if when is not None and when <= now:
            yield Deed("expire", current.key, current.version)
            break
    yield from _noncurrent(rules, current, older, now)


def _noncurrent(
    rules: list[Rule], current: StoredObject, older: list[StoredObject], now: float
) -> Iterator[Deed]:
    """Older versions, counted from when the next newer one took their place."""
    newer = current
    for index, version in enumerate(older):
        for rule in rules:
            said = rule.get("NoncurrentVersionExpiration") or {}
            days, kept = said.get("NoncurrentDays"), said.get("NewerNoncurrentVersions") or 0
            if days is None or index < kept or not lifecycle.applies(rule, version):
                continue
            if lifecycle.days_after(newer.modified_at, days) <= now:
                yield Deed("remove", version.key, version.version)
                break
        newer = version


def _do(tx: Tx, name: str, deeds: list[Deed], now: float) -> None:
    """The deeds that still are due: time has passed since they were found."""
    bucket = tx.get(BUCKETS, name)
    if bucket is None:
        return
    for deed in deeds:
        if deed.kind == "abort":
            upload = tx.get(UPLOADS, name, deed.key, deed.id)
            if upload is not None:
                end_upload(tx, upload, set())
        elif deed.kind == "expire":
            _expire(tx, bucket, deed)
        else:
            _remove(tx, bucket, deed)


def _expire(tx: Tx, bucket: Bucket, deed: Deed) -> None:
    current = tx.get(OBJECTS, bucket.name, deed.key)
    if current is None or current.is_marker or current.version != deed.id:
        return
    delete_latest(tx, bucket, deed.key, family="LifecycleExpiration")


def _remove(tx: Tx, bucket: Bucket, deed: Deed) -> None:
    try:
        delete_version(tx, bucket, deed.key, deed.id, family="LifecycleExpiration")
    except AwsError:
        # Locked: retention outlasts lifecycle, https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-lock-managing.html
        return
