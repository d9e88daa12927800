"""Versions of an object: a new one put, one removed, the next one promoted; and who is told of it.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/versioning-workflows.html
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

import msgspec
import orjson

from serein.kernel import targets
from serein.kernel.calls import service_principal
from serein.kernel.operations import Read, Tx
from serein.services.s3 import bodies
from serein.services.s3.access import version_or_none
from serein.services.s3.records import (
    HISTORY,
    NULL_VERSION,
    OBJECTS,
    SETTINGS,
    Bucket,
    Setting,
    StoredObject,
)
from serein.services.s3.rules import acls, events
from serein.services.s3.rules.errors import refusal

PRINCIPAL = "s3.amazonaws.com"


def setting_or_none(read: Read, bucket: str, kind: str, id: str = "") -> dict[str, Any] | None:
    """One of a bucket's configurations, as it was put."""
    found = read.get(SETTINGS, bucket, kind, id)
    return found.value if found is not None else None


def put_version(
    tx: Tx, bucket: Bucket, made: StoredObject, data: bytes | None, event: str
) -> StoredObject:
    """Make `made` the latest version of its key; its version id and sequence are given here."""
    current = tx.get(OBJECTS, made.bucket, made.key)
    sequence = next_sequence(tx, current)
    version = new_version_id(tx, sequence) if bucket.versioning == "Enabled" else NULL_VERSION
    made = msgspec.structs.replace(made, sequence=sequence, version=version)
    _make_room(tx, bucket, made.key, current, made.version)
    tx.put(OBJECTS, made)
    bodies.keep(tx, made, data)
    if bucket.ownership != "BucketOwnerEnforced":
        publish(tx, bucket, made.key, made.acl)
    notify(tx, bucket, made, event)
    return made


def publish(tx: Tx, bucket: Bucket, key: str, acl: Mapping[str, Any]) -> None:
    """Keep the public part of an object's ACL (or that it has none) for the judge of requests."""
    there = tx.get(SETTINGS, bucket.name, "public_object", key)
    if acls.grants_everyone(acl):
        tx.put(SETTINGS, Setting(bucket=bucket.name, kind="public_object", id=key, value={**acl}))
    elif there is not None:
        tx.delete(SETTINGS, bucket.name, "public_object", key)
    else:
        return
    refresh_acl_policy(tx, bucket)


def refresh_acl_policy(tx: Tx, bucket: Bucket) -> None:
    """Keep what the bucket's and its objects' public ACLs grant as a policy, for the door to judge by."""
    statements = acls.statements(setting_or_none(tx, bucket.name, "acl") or {}, bucket.arn)
    for setting in tx.scan(SETTINGS, (bucket.name, "public_object")):
        statements += acls.object_statements(setting.value, f"{bucket.arn}/{setting.id}")
    if not statements:
        tx.delete(SETTINGS, bucket.name, "acl_policy", "")
        return
    text = orjson.dumps({"Version": "2012-10-17", "Statement": statements}).decode()
    tx.put(SETTINGS, Setting(bucket=bucket.name, kind="acl_policy", value={"Policy": text}))


def next_sequence(tx: Tx, current: StoredObject | None) -> int:
    """Microseconds of the time, but always above the current version's."""
    now = int(tx.now * 1_000_000)
    return now if current is None else max(now, current.sequence + 1)


def new_version_id(tx: Tx, sequence: int) -> str:
    """32 characters, as S3's are; opaque to callers."""
    raw = sequence.to_bytes(8, "big") + tx.randomness.token(16)
    return base64.b64encode(raw, b"._").decode()


def _make_room(
    tx: Tx, bucket: Bucket, key: str, current: StoredObject | None, version: str
) -> None:
    """Move the current version into history, or let it go where the new one takes its place."""
    if current is not None:
        if bucket.versioning and current.version != version:
            tx.put(HISTORY, current)
        else:
            bodies.discard(tx, current)
    if version == NULL_VERSION and bucket.versioning:
        for older in tx.scan(HISTORY, (bucket.name, key)):
            if older.version == NULL_VERSION:
                _forget(tx, older)
                break


def _forget(tx: Tx, older: StoredObject) -> None:
    key = HISTORY.key(older)
    tx.delete(HISTORY, *key)
    bodies.discard(tx, older)


def delete_latest(
    tx: Tx, bucket: Bucket, key: str, *, family: str = "ObjectRemoved"
) -> StoredObject | None:
    """A delete without a version: gone in a plain bucket, else covered by a marker. The marker, or None.

    `family` is the kind of event that is told of it.
    """
    current = tx.get(OBJECTS, bucket.name, key)
    if not bucket.versioning:
        if current is not None:
            tx.delete(OBJECTS, bucket.name, key)
            bodies.discard(tx, current)
            notify(tx, bucket, current, f"{family}:Delete")
        return None
    sequence = next_sequence(tx, current)
    marker = StoredObject(
        bucket=bucket.name,
        key=key,
        version=new_version_id(tx, sequence) if bucket.versioning == "Enabled" else NULL_VERSION,
        sequence=sequence,
        modified_at=tx.now,
        owner=bucket.account,
        is_marker=True,
    )
    _make_room(tx, bucket, key, current, marker.version)
    tx.put(OBJECTS, marker)
    notify(tx, bucket, marker, f"{family}:DeleteMarkerCreated")
    return marker


def delete_version(
    tx: Tx,
    bucket: Bucket,
    key: str,
    version: str,
    *,
    bypass: bool = False,
    family: str = "ObjectRemoved",
) -> StoredObject | None:
    """Remove one version for good; the newest of the others becomes the latest. What was removed, or None."""
    found = version_or_none(tx, bucket.name, key, version)
    if found is None:
        return None
    check_lock(tx, found, bypass=bypass)
    current = tx.get(OBJECTS, bucket.name, key)
    if current is not None and current.version == version:
        tx.delete(OBJECTS, bucket.name, key)
        bodies.discard(tx, current)
        newest = next(iter(tx.scan(HISTORY, (bucket.name, key), limit=1)), None)
        if newest is not None:
            tx.delete(HISTORY, *HISTORY.key(newest))
            tx.put(OBJECTS, newest)
    else:
        _forget(tx, found)
    notify(tx, bucket, found, f"{family}:Delete")
    return found


def check_lock(tx: Tx, found: StoredObject, *, bypass: bool) -> None:
    """Raises AccessDenied while a version is under legal hold or retention."""
    governed = found.lock_mode == "GOVERNANCE" and bypass
    if found.legal_hold == "ON" or (found.lock_until > tx.now and not governed):
        raise refusal("AccessDenied", "Access Denied because object protected by object lock.")


def replace_version(tx: Tx, changed: StoredObject) -> None:
    """Store a version whose tags, ACL or lock changed, where it stands."""
    current = tx.get(OBJECTS, changed.bucket, changed.key)
    if current is not None and current.version == changed.version:
        tx.put(OBJECTS, changed)
    else:
        tx.put(HISTORY, changed)


def notify(tx: Tx, bucket: Bucket, found: StoredObject, event: str) -> None:
    """Send the bucket's notifications of `event`, in this transaction."""
    configuration = setting_or_none(tx, bucket.name, "notification")
    if configuration is None:
        return
    for id, target in events.matching(configuration, event, found.key):
        payload = events.record(
            event,
            bucket,
            found,
            id,
            principal=f"AWS:{tx.principal.id}",
            source_ip=tx.scope.source_ip,
            request_id=tx.scope.request_id,
            now=tx.now,
        )
        send(tx, bucket, target, payload)


def send(tx: Tx, bucket: Bucket, target: str, payload: str) -> None:
    """Bring `payload` to a target as S3 on behalf of the bucket."""
    by = service_principal(PRINCIPAL, bucket.account)
    call = targets.deliver(tx, target, payload, by=by, source_arn=bucket.arn)
    if call is not None:
        tx.send(call)


def encryption_told(found: StoredObject) -> dict[str, Any]:
    """How answers say that an object is encrypted."""
    if found.customer is not None:
        return {"SSECustomerAlgorithm": "AES256", "SSECustomerKeyMD5": found.customer.md5}
    told: dict[str, Any] = {"ServerSideEncryption": found.encryption}
    if found.kms_key:
        told["SSEKMSKeyId"] = found.kms_key
    return told


def described(found: StoredObject, bucket: Bucket) -> Mapping[str, Any]:
    """The members that answers about a version share."""
    out = encryption_told(found)
    if found.version != NULL_VERSION or bucket.versioning:
        out["VersionId"] = found.version
    return out
