"""Copying objects."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import msgspec

from serein.kernel.operations import Context, Need, Read, Tx, operation
from serein.services.s3 import bodies, customer_keys
from serein.services.s3.access import (
    PREFIX,
    find_bucket,
    find_object,
    object_of,
    read_source,
    split_copy_source,
)
from serein.services.s3.bodies import Received
from serein.services.s3.model import CopyObjectRequest
from serein.services.s3.operations.objects import check_readable, new_object
from serein.services.s3.records import OBJECTS, Bucket, Piece, StoredObject
from serein.services.s3.request_keys import write_needs
from serein.services.s3.rules import checksums, conditions
from serein.services.s3.rules.conditions import check_write
from serein.services.s3.rules.errors import invalid_argument, refusal
from serein.services.s3.rules.metadata import tags_in_header
from serein.services.s3.rules.names import check_key
from serein.services.s3.versions import described, put_version
from serein.store.blobs import BlobId

COPY_BYTES_MAX = 5 * 1024**3


def find_source(read: Read, request: Mapping[str, Any]) -> StoredObject:
    """The object (version) that a copy names, after its conditions. Raises as GetObject does."""
    bucket, key, version = split_copy_source(request["CopySource"])
    named: dict[str, Any] = {"Bucket": bucket, "Key": key}
    if version is not None:
        named["VersionId"] = version
    expected = request.get("ExpectedSourceBucketOwner")
    if expected:
        named["ExpectedBucketOwner"] = expected
    find_bucket(read, named)
    source = find_object(read, named)
    customer_keys.cipher_of(read, request, source, "CopySource")
    conditions.check_read(request, source, "CopySource")
    check_readable(source, read.now)
    return source


def _check_change(request: Mapping[str, Any], source: StoredObject) -> None:
    same = (source.bucket, source.key) == (request["Bucket"], request["Key"])
    version = split_copy_source(request["CopySource"])[2]
    changed = (
        request.get("MetadataDirective") == "REPLACE"
        or request.get("TaggingDirective") == "REPLACE"
        or any(
            request.get(name)
            for name in (
                "StorageClass",
                "WebsiteRedirectLocation",
                "ServerSideEncryption",
                "SSECustomerAlgorithm",
                "ChecksumAlgorithm",
            )
        )
    )
    if same and not changed and version is None:
        raise refusal(
            "InvalidRequest",
            "This copy request is illegal because it is trying to copy an object to itself without changing "
            "the object's metadata, storage class, website redirect location or encryption attributes.",
        )
    for member in ("MetadataDirective", "TaggingDirective"):
        directive = request.get(member)
        if directive not in (None, "COPY", "REPLACE"):
            header = "metadata" if member[0] == "M" else "tagging"
            raise invalid_argument(
                f"Unknown {header} directive.", f"x-amz-{header}-directive", directive
            )


@operation(
    "CopyObject",
    on=object_of,
    action="s3:PutObject",
    needs=[read_source, write_needs],
    ignores=("RequestPayer",),
    unvalidated=True,
)
async def copy_object(cx: Context, request: CopyObjectRequest) -> dict[str, Any]:
    """A copy within S3, with the source's metadata or new. https://docs.aws.amazon.com/AmazonS3/latest/API/API_CopyObject.html"""
    check_key(request["Key"])
    read = cx.read()
    find_bucket(read, request)
    source = find_source(read, request)
    if source.tags and request.get("TaggingDirective") != "REPLACE":
        _judge_tags(cx, request)
    _check_change(request, source)
    check_write(request, read.get(OBJECTS, request["Bucket"], request["Key"]), request["Key"])
    if source.size > COPY_BYTES_MAX:
        raise refusal(
            "InvalidRequest",
            "The specified copy source is larger than the maximum allowable size for a copy source: 5368709120",
        )
    received = await _take(cx, read, source, request)
    return await bodies.store(cx, received, _store_copy, request, source, received)


def _judge_tags(cx: Context, request: CopyObjectRequest) -> None:
    """Tags are copied by who may read and write them. https://docs.aws.amazon.com/AmazonS3/latest/API/API_CopyObject.html"""
    bucket, key, version = split_copy_source(request["CopySource"])
    action = "s3:GetObjectVersionTagging" if version else "s3:GetObjectTagging"
    cx.judge(Need(action, f"{PREFIX}{bucket}/{key}"))
    cx.judge(Need("s3:PutObjectTagging", f"{PREFIX}{request['Bucket']}/{request['Key']}"))


async def _take(
    cx: Context, read: Read, source: StoredObject, asking: Mapping[str, Any]
) -> Received:
    """The source's bytes once more, as a body of its own."""
    algorithm = checksums.asked(asking)
    cipher = customer_keys.cipher_of(read, asking, source, "CopySource")
    sealing = customer_keys.sealing_of(cx, asking)
    if cipher is not None or sealing is not None:
        body = bodies.content(read, source, 0, source.size, cipher)
        request = {"Body": body, "ContentLength": source.size}
        wanted = algorithm or _algorithm_of(source)
        return await bodies.receive(cx, request, algorithm=wanted, sealing=sealing)
    if not source.pieces:
        content = bodies.content(read, source, 0, source.size)
        assert isinstance(content, bytes)
        wanted = algorithm or next(iter(source.checksums), checksums.DEFAULT)
        md5 = hashlib.md5(content).hexdigest()
        sums = {wanted: checksums.checksum(wanted, content)}
        return Received(source.size, md5, sums, content, None)
    recomputed = algorithm not in ("", *source.checksums) or source.checksum_type == "COMPOSITE"
    if recomputed or "-" in source.etag:
        stream = bodies.content(read, source, 0, source.size)
        request = {"Body": stream, "ContentLength": source.size}
        wanted = algorithm or _algorithm_of(source)
        return await bodies.receive(cx, request, algorithm=wanted, inline_bytes_max=-1)
    blob = await cx.blobs.concatenate([BlobId(piece.blob) for piece in source.pieces])
    piece = Piece(blob=blob, size=source.size)
    return Received(source.size, source.etag, source.checksums, None, piece)


def _algorithm_of(source: StoredObject) -> str:
    return next((name.partition("-")[0] for name in source.checksums), checksums.DEFAULT)


def _store_copy(
    tx: Tx, request: Mapping[str, Any], source: StoredObject, received: Received
) -> dict[str, Any]:
    bucket: Bucket = find_bucket(tx, request)
    check_write(request, tx.get(OBJECTS, bucket.name, request["Key"]), request["Key"])
    made = new_object(tx, bucket, {**request, "Tagging": None}, received)
    if request.get("MetadataDirective") != "REPLACE":
        kept = {k: v for k, v in source.headers.items() if k != "WebsiteRedirectLocation"}
        redirect = request.get("WebsiteRedirectLocation")
        if redirect:
            kept["WebsiteRedirectLocation"] = redirect
        made = msgspec.structs.replace(made, headers=kept, metadata=source.metadata)
    tags = (
        tags_in_header(request.get("Tagging"))
        if request.get("TaggingDirective") == "REPLACE"
        else source.tags
    )
    made = msgspec.structs.replace(made, tags=tags)
    made = put_version(tx, bucket, made, received.data, "ObjectCreated:Copy")
    result: dict[str, Any] = {
        "ETag": f'"{made.etag}"',
        "LastModified": made.modified_at,
        **{checksums.MEMBERS[name]: value for name, value in made.checksums.items()},
        "ChecksumType": made.checksum_type,
    }
    answer: dict[str, Any] = {"CopyObjectResult": result, **described(made, bucket)}
    source_version = split_copy_source(request["CopySource"])[2]
    if source.version != "null" or source_version is not None:
        answer["CopySourceVersionId"] = source.version
    return answer
