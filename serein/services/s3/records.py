"""What S3 remembers.

An object's latest version stands in OBJECTS (a delete marker too), its older ones in HISTORY, newest first. Short bodies are in
BODIES, longer ones in blobs; blobs that nothing points at any more are in GARBAGE until a worker removes them.
"""

from __future__ import annotations

from typing import Any

import msgspec

from serein.kernel.sweeper import holds
from serein.store.tables import BytesTable, Table

NULL_VERSION = "null"
SEQUENCE_MAX = 2**62


class Bucket(msgspec.Struct, frozen=True, kw_only=True):
    """A bucket. `versioning` is "", "Enabled" or "Suspended"."""

    name: str
    account: str
    region: str
    created_at: float
    location: str = ""
    versioning: str = ""
    object_lock: bool = False
    ownership: str = "BucketOwnerEnforced"

    @property
    def arn(self) -> str:
        return f"arn:aws:s3:::{self.name}"


class Setting(msgspec.Struct, frozen=True, kw_only=True):
    """One of a bucket's configurations, as the API takes and gives it. `id` tells several of a kind apart."""

    bucket: str
    kind: str
    id: str = ""
    value: dict[str, Any]


class PartOf(msgspec.Struct, frozen=True, kw_only=True):
    """One part of an object that was uploaded in parts."""

    number: int
    size: int
    checksums: dict[str, str] = {}


class CustomerSeal(msgspec.Struct, frozen=True, kw_only=True):
    """What is kept of the key that a customer provided: its digest as it is told, and a salted proof of it."""

    md5: str
    salt: bytes
    proof: bytes
    nonce: bytes = b""
    """Of the body in BODIES; blobs have each their own."""


class Piece(msgspec.Struct, frozen=True, kw_only=True):
    """A blob with a stretch of an object's bytes, encrypted where there is a `nonce`."""

    blob: str
    size: int
    nonce: bytes = b""


class StoredObject(msgspec.Struct, frozen=True, kw_only=True):
    """One version of an object, or a delete marker. `sequence` orders the versions of a key."""

    bucket: str
    key: str
    version: str = NULL_VERSION
    sequence: int
    modified_at: float
    owner: str
    is_marker: bool = False
    size: int = 0
    etag: str = ""
    storage_class: str = "STANDARD"
    headers: dict[str, str] = {}
    """System metadata by the API's member name: ContentType, CacheControl …"""
    metadata: dict[str, str] = {}
    tags: dict[str, str] = {}
    checksums: dict[str, str] = {}
    checksum_type: str = ""
    parts: tuple[PartOf, ...] = ()
    pieces: tuple[Piece, ...] = ()
    """Where the bytes are; empty when they are in BODIES."""
    encryption: str = "AES256"
    kms_key: str = ""
    customer: CustomerSeal | None = None
    acl: dict[str, Any] = {}
    restored_until: float = 0.0
    """Until when an archived object can be read."""
    lock_mode: str = ""
    lock_until: float = 0.0
    legal_hold: str = ""
    """"ON", "OFF" once it was set, or ""."""


class Upload(msgspec.Struct, frozen=True, kw_only=True):
    """A multipart upload under way; what it will give its object stands in `template`."""

    bucket: str
    key: str
    id: str
    initiated_at: float
    initiator: str
    checksum_algorithm: str = ""
    checksum_type: str = ""
    template: StoredObject


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """An uploaded part."""

    upload: str
    number: int
    size: int
    etag: str
    modified_at: float
    checksums: dict[str, str] = {}
    blob: str
    nonce: bytes = b""


class Garbage(msgspec.Struct, frozen=True, kw_only=True):
    """A blob to be removed once nobody can be reading it any more."""

    due_at: float
    blob: str


BUCKETS = Table("s3.buckets", Bucket, key=lambda bucket: (bucket.name,), cached=True)
BUCKETS_OF = Table("s3.buckets_of", Bucket, key=lambda bucket: (bucket.account, bucket.name))
SETTINGS = Table(
    "s3.settings",
    Setting,
    key=lambda setting: (setting.bucket, setting.kind, setting.id),
    cached=True,
)
OBJECTS = Table("s3.objects", StoredObject, key=lambda o: (o.bucket, o.key))
HISTORY = Table(
    "s3.history", StoredObject, key=lambda o: (o.bucket, o.key, SEQUENCE_MAX - o.sequence)
)
BODIES = BytesTable("s3.bodies")
UPLOADS = Table("s3.uploads", Upload, key=lambda upload: (upload.bucket, upload.key, upload.id))
PARTS = Table("s3.parts", Part, key=lambda part: (part.upload, part.number))
GARBAGE = Table("s3.garbage", Garbage, key=lambda garbage: (garbage.due_at, garbage.blob))


def _blobs_of(found: StoredObject) -> list[str]:
    return [piece.blob for piece in found.pieces]


HOLDS = (
    holds(OBJECTS, _blobs_of),
    holds(HISTORY, _blobs_of),
    holds(UPLOADS, lambda upload: _blobs_of(upload.template)),
    holds(PARTS, lambda part: (part.blob,)),
    holds(GARBAGE, lambda garbage: (garbage.blob,)),
)
