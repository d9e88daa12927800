"""Putting, reading and describing objects."""

from __future__ import annotations

from collections.abc import Mapping
from email.utils import formatdate
from typing import Any

from serein.kernel.operations import Context, Read, Tx, operation
from serein.services.s3 import bodies, customer_keys
from serein.services.s3.access import (
    find_bucket,
    find_object,
    object_of,
    versioned,
)
from serein.services.s3.bodies import Received
from serein.services.s3.model import (
    GetObjectAttributesRequest,
    GetObjectRequest,
    HeadObjectRequest,
    PutObjectRequest,
)
from serein.services.s3.records import OBJECTS, Bucket, StoredObject
from serein.services.s3.request_keys import attribute_needs, write_needs
from serein.services.s3.rules import acls, checksums, conditions, lifecycle, metadata, ranges
from serein.services.s3.rules.errors import invalid_argument, refusal
from serein.services.s3.rules.names import check_key
from serein.services.s3.versions import described, put_version, setting_or_none

_RESPONSE_HEADERS = (
    ("ResponseCacheControl", "CacheControl"),
    ("ResponseContentDisposition", "ContentDisposition"),
    ("ResponseContentEncoding", "ContentEncoding"),
    ("ResponseContentLanguage", "ContentLanguage"),
    ("ResponseContentType", "ContentType"),
    ("ResponseExpires", "Expires"),
)


def new_object(
    read: Read, bucket: Bucket, request: Mapping[str, Any], received: Received | None
) -> StoredObject:
    """A version as a write describes it, not yet numbered. Raises what S3 refuses in its headers."""
    encryption = setting_or_none(read, bucket.name, "encryption")
    default = encryption["Rules"][0]["ApplyServerSideEncryptionByDefault"] if encryption else None
    algorithm, kms_key = metadata.encryption_of(request, default)
    lock = setting_or_none(read, bucket.name, "object_lock")
    retention = ((lock or {}).get("Rule") or {}).get("DefaultRetention")
    mode, until, hold = metadata.lock_of(request, bucket, retention, read.now)
    metadata.check_acl(request, bucket)
    customer_keys.check_write(read, request, encryption)
    return StoredObject(
        bucket=bucket.name,
        key=request["Key"],
        sequence=0,
        modified_at=read.now,
        owner=bucket.account,
        size=received.size if received else 0,
        etag=received.etag if received else "",
        storage_class=metadata.storage_class_of(request),
        headers=metadata.headers_of(request),
        metadata=metadata.metadata_of(request),
        tags=metadata.tags_in_header(request.get("Tagging")),
        checksums=received.checksums if received else {},
        checksum_type="FULL_OBJECT" if received else "",
        pieces=(received.piece,) if received and received.piece else (),
        encryption=algorithm,
        kms_key=kms_key,
        customer=received.customer if received else None,
        acl=acls.of_new(request, bucket.account),
        lock_mode=mode,
        lock_until=until,
        legal_hold=hold,
    )


@operation("PutObject", on=object_of, needs=[write_needs], unvalidated=True)
async def put_object(cx: Context, request: PutObjectRequest) -> dict[str, Any]:
    """Store an object. https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutObject.html"""
    check_key(request["Key"])
    body = request.get("Body", b"")
    if not isinstance(body, bytes) or len(body) > bodies.INLINE_BYTES_MAX:
        # What will be refused anyway is refused before its bytes are taken in; a short body costs nothing.
        _check_put(cx.read(), request)
    sealing = customer_keys.sealing_of(cx, request)
    received = await bodies.receive(cx, request, hex_md5=True, sealing=sealing)
    event = getattr(request.get("Body"), "event", "ObjectCreated:Put")
    return await bodies.store(cx, received, store_object, request, received, event)


def _check_put(read: Read, request: Mapping[str, Any]) -> None:
    new_object(read, find_bucket(read, request), request, None)
    if request.get("IfMatch") is not None or request.get("IfNoneMatch") is not None:
        current = read.get(OBJECTS, request["Bucket"], request["Key"])
        conditions.check_write(request, current, request["Key"])


def store_object(
    tx: Tx, request: Mapping[str, Any], received: Received, event: str
) -> dict[str, Any]:
    """The transaction of a write whose body is here; everything is looked at again, for time has passed."""
    bucket = find_bucket(tx, request)
    if request.get("IfMatch") is not None or request.get("IfNoneMatch") is not None:
        current = tx.get(OBJECTS, bucket.name, request["Key"])
        conditions.check_write(request, current, request["Key"])
    made = put_version(tx, bucket, new_object(tx, bucket, request, received), received.data, event)
    answer: dict[str, Any] = {"ETag": f'"{made.etag}"', **described(made, bucket)}
    if made.version == "null":
        answer.pop("VersionId", None)
    answer |= {checksums.MEMBERS[name]: value for name, value in made.checksums.items()}
    answer["ChecksumType"] = made.checksum_type
    _add_expiration(tx, made, answer)
    return answer


@operation("GetObject", on=object_of, action=versioned("GetObject"), unvalidated=True)
def get_object(read: Read, request: GetObjectRequest) -> dict[str, Any]:
    """The object's bytes, or a range of them. https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html"""
    answer, found, start, end = _describe(read, request)
    check_readable(found, read.now)
    cipher = customer_keys.cipher_of(read, request, found)
    answer["Body"] = bodies.content(read, found, start, end, cipher)
    return answer


ARCHIVED = ("GLACIER", "DEEP_ARCHIVE")


def check_readable(found: StoredObject, now: float) -> None:
    """Raises InvalidObjectState for an archived object that is not restored."""
    if found.storage_class in ARCHIVED and found.restored_until <= now:
        raise refusal("InvalidObjectState", StorageClass=found.storage_class)


@operation("HeadObject", on=object_of, action=versioned("GetObject"), unvalidated=True)
def head_object(read: Read, request: HeadObjectRequest) -> dict[str, Any]:
    """What GetObject would say, without the bytes. https://docs.aws.amazon.com/AmazonS3/latest/API/API_HeadObject.html"""
    return _describe(read, request)[0]


def _describe(
    read: Read, request: Mapping[str, Any]
) -> tuple[dict[str, Any], StoredObject, int, int]:
    """The headers of a read, the version, and the range of bytes."""
    bucket = find_bucket(read, request)
    found = find_object(read, request)
    customer_keys.cipher_of(read, request, found)
    conditions.check_read(request, found)
    start, end, partial = 0, found.size, False
    answer: dict[str, Any] = {}
    number = request.get("PartNumber")
    if number is not None:
        start, end, partial = _part_of(found, number, request)
        if found.parts:
            answer["PartsCount"] = len(found.parts)
    else:
        span = ranges.parse_range(request.get("Range"), found.size)
        if span is not None:
            (start, end), partial = span, True
    answer |= {
        "AcceptRanges": "bytes",
        "LastModified": found.modified_at,
        "ContentLength": end - start,
        "ETag": f'"{found.etag}"',
        **metadata.headers_told(found.headers),
        "Metadata": metadata.as_told(found.metadata),
        **described(found, bucket),
    }
    if partial:
        answer["ContentRange"] = f"bytes {start}-{end - 1}/{found.size}"
    if found.storage_class != "STANDARD":
        answer["StorageClass"] = found.storage_class
        if found.storage_class in ARCHIVED and found.restored_until > read.now:
            until = formatdate(found.restored_until, usegmt=True)
            answer["Restore"] = f'ongoing-request="false", expiry-date="{until}"'
    if request.get("VersionId") is None:
        _add_expiration(read, found, answer)
    if found.tags:
        answer["TagCount"] = len(found.tags)
    if request.get("ChecksumMode") == "ENABLED":
        answer |= _checksums_of(found, number, is_whole=end - start == found.size)
    if found.lock_mode:
        answer["ObjectLockMode"] = found.lock_mode
        answer["ObjectLockRetainUntilDate"] = found.lock_until
    if found.legal_hold:
        answer["ObjectLockLegalHoldStatus"] = found.legal_hold
    answer |= _overrides(request)
    return answer, found, start, end


def _checksums_of(found: StoredObject, number: int | None, *, is_whole: bool) -> dict[str, Any]:
    """The checksums of what is read: of the object, or of its part where parts have some; of a range there are none."""
    sums = found.checksums if is_whole else {}
    if number is not None and found.parts:
        sums = next(part.checksums for part in found.parts if part.number == number)
    told: dict[str, Any] = {checksums.MEMBERS[name]: value for name, value in sums.items()}
    if told:
        told["ChecksumType"] = found.checksum_type or None
    return told


def _add_expiration(read: Read, found: StoredObject, answer: dict[str, Any]) -> None:
    """x-amz-expiration, where a lifecycle rule will expire a current version."""
    configuration = setting_or_none(read, found.bucket, "lifecycle")
    if configuration is not None:
        told = lifecycle.expiration_header(lifecycle.enabled(configuration), found)
        if told:
            answer["Expiration"] = told


def _overrides(request: Mapping[str, Any]) -> dict[str, Any]:
    """Headers that the reader asked for in place of the stored ones."""
    return {
        header: request[member]
        for member, header in _RESPONSE_HEADERS
        if request.get(member) is not None
    }


def _part_of(found: StoredObject, number: int, request: Mapping[str, Any]) -> tuple[int, int, bool]:
    """Where part `number` lies in its object."""
    if request.get("Range"):
        raise refusal(
            "InvalidRequest", "Cannot specify both Range header and partNumber query parameter"
        )
    if number < 1 or number > 10_000:
        raise invalid_argument(
            "Part number must be an integer between 1 and 10000, inclusive", "partNumber", number
        )
    if not found.parts:
        if number != 1:
            raise refusal("InvalidPartNumber", PartNumberRequested=number, ActualPartCount=1)
        return 0, found.size, found.size > 0
    start = 0
    for part in found.parts:
        if part.number == number:
            return start, start + part.size, True
        start += part.size
    raise refusal("InvalidPartNumber", PartNumberRequested=number, ActualPartCount=len(found.parts))


@operation(
    "GetObjectAttributes",
    on=object_of,
    action=versioned("GetObjectAttributes"),
    needs=[attribute_needs],
    unvalidated=True,
)
def get_object_attributes(read: Read, request: GetObjectAttributesRequest) -> dict[str, Any]:
    """Chosen facts of an object. https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObjectAttributes.html"""
    bucket = find_bucket(read, request)
    found = find_object(read, request)
    customer_keys.cipher_of(read, request, found)
    wanted = [name.strip() for name in request.get("ObjectAttributes") or ()]
    known = {"ETag", "Checksum", "ObjectParts", "StorageClass", "ObjectSize"}
    if not wanted or not known.issuperset(wanted):
        raise invalid_argument("Invalid attribute name specified.", "x-amz-object-attributes", "")
    answer: dict[str, Any] = {"LastModified": found.modified_at}
    if found.version != "null" or bucket.versioning:
        answer["VersionId"] = found.version
    if "ETag" in wanted:
        answer["ETag"] = found.etag
    if "StorageClass" in wanted:
        answer["StorageClass"] = found.storage_class
    if "ObjectSize" in wanted:
        answer["ObjectSize"] = found.size
    if "Checksum" in wanted and found.checksums:
        answer["Checksum"] = {
            **{checksums.MEMBERS[name]: value for name, value in found.checksums.items()},
            "ChecksumType": found.checksum_type,
        }
    if "ObjectParts" in wanted and found.parts:
        answer["ObjectParts"] = _parts_page(found, request)
    return answer


def _parts_page(found: StoredObject, request: Mapping[str, Any]) -> dict[str, Any]:
    """The parts of an object, a page of them; listed one by one only where they have checksums."""
    if not any(part.checksums for part in found.parts):
        return {"TotalPartsCount": len(found.parts)}
    marker, most = int(request.get("PartNumberMarker") or 0), int(request.get("MaxParts") or 1000)
    later = [part for part in found.parts if part.number > marker]
    page = later[:most]
    return {
        "TotalPartsCount": len(found.parts),
        "PartNumberMarker": str(marker),
        "NextPartNumberMarker": str(page[-1].number if page else 0),
        "MaxParts": most,
        "IsTruncated": len(later) > len(page),
        "Parts": [
            {
                "PartNumber": part.number,
                "Size": part.size,
                **{checksums.MEMBERS[name]: value for name, value in part.checksums.items()},
            }
            for part in page
        ],
    }
