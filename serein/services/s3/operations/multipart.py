"""Uploads in parts.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/mpuoverview.html
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from serein.base.ids import new_text
from serein.kernel.operations import Context, Read, Tx, operation
from serein.services.s3 import bodies, customer_keys
from serein.services.s3.access import find_bucket, object_of, read_source
from serein.services.s3.bodies import Received
from serein.services.s3.model import (
    AbortMultipartUploadRequest,
    CompleteMultipartUploadRequest,
    CreateMultipartUploadRequest,
    UploadPartCopyRequest,
    UploadPartRequest,
)
from serein.services.s3.operations.copies import find_source
from serein.services.s3.operations.objects import new_object
from serein.services.s3.records import OBJECTS, PARTS, UPLOADS, Part, PartOf, Piece, Upload
from serein.services.s3.request_keys import write_needs
from serein.services.s3.rules import checksums
from serein.services.s3.rules.conditions import check_write
from serein.services.s3.rules.errors import invalid_argument, refusal
from serein.services.s3.rules.names import check_key
from serein.services.s3.rules.ranges import parse_copy_range
from serein.services.s3.versions import described, encryption_told, put_version

PART_BYTES_MIN = 5 * 1024 * 1024
PARTS_MAX = 10_000
_IN_ORDER = "-.0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz"[:64]
_ID_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._"


def find_upload(read: Read, request: Mapping[str, Any]) -> Upload:
    """The upload that a request names. Raises NoSuchUpload."""
    id = request["UploadId"]
    upload = read.get(UPLOADS, request["Bucket"], request["Key"], id)
    if upload is None:
        raise refusal("NoSuchUpload", UploadId=id)
    return upload


def _checksum_type(algorithm: str, asked: str | None) -> str:
    """FULL_OBJECT or COMPOSITE, as allowed for the algorithm."""
    if not algorithm:
        if asked:
            raise refusal(
                "InvalidRequest",
                "The x-amz-checksum-type header can only be used with the x-amz-checksum-algorithm header.",
            )
        return ""
    default = "FULL_OBJECT" if algorithm == "CRC64NVME" else "COMPOSITE"
    chosen = asked or default
    if (algorithm == "CRC64NVME" and chosen == "COMPOSITE") or (
        algorithm.startswith("SHA") and chosen == "FULL_OBJECT"
    ):
        raise refusal(
            "InvalidRequest",
            f"The {chosen} checksum type cannot be used with the {algorithm.lower()} checksum algorithm.",
        )
    return chosen


@operation(
    "CreateMultipartUpload",
    on=object_of,
    action="s3:PutObject",
    needs=[write_needs],
    ignores=("RequestPayer",),
    unvalidated=True,
)
def create_multipart_upload(tx: Tx, request: CreateMultipartUploadRequest) -> dict[str, Any]:
    """Begin an upload. https://docs.aws.amazon.com/AmazonS3/latest/API/API_CreateMultipartUpload.html"""
    bucket = find_bucket(tx, request)
    check_key(request["Key"])
    template = msgspec.structs.replace(
        new_object(tx, bucket, request, None), customer=customer_keys.new_seal(tx, request)
    )
    algorithm = checksums.asked(request)
    kind = _checksum_type(algorithm, request.get("ChecksumType"))
    upload = Upload(
        bucket=bucket.name,
        key=request["Key"],
        id=_new_upload_id(tx),
        initiated_at=tx.now,
        initiator=tx.principal.arn,
        checksum_algorithm=algorithm,
        checksum_type=kind,
        template=template,
    )
    tx.put(UPLOADS, upload)
    answer: dict[str, Any] = {
        "Bucket": bucket.name,
        "Key": upload.key,
        "UploadId": upload.id,
        **described(template, bucket),
    }
    answer.pop("VersionId", None)
    if algorithm:
        answer["ChecksumAlgorithm"] = algorithm
        answer["ChecksumType"] = kind
    return answer


def _new_upload_id(tx: Tx) -> str:
    """Ids begin with the time: S3 lists the uploads of a key in the order in which they were begun."""
    sequence = int(tx.now * 1_000_000)
    first = "".join(_IN_ORDER[sequence >> shift & 63] for shift in range(54, -1, -6))
    return "U" + first + new_text(tx.randomness, _ID_LETTERS, 117)


def _check_number(number: int) -> None:
    if not 1 <= number <= PARTS_MAX:
        raise invalid_argument(
            "Part number must be an integer between 1 and 10000, inclusive", "partNumber", number
        )


@operation(
    "UploadPart",
    on=object_of,
    action="s3:PutObject",
    ignores=("RequestPayer",),
    unvalidated=True,
)
async def upload_part(cx: Context, request: UploadPartRequest) -> dict[str, Any]:
    """Store one part. https://docs.aws.amazon.com/AmazonS3/latest/API/API_UploadPart.html"""
    _check_number(request["PartNumber"])
    read = cx.read()
    find_bucket(read, request)
    upload = find_upload(read, request)
    declared, _ = checksums.declared(request)
    named = declared or checksums.asked(request)
    if upload.checksum_algorithm and named and named != upload.checksum_algorithm:
        raise refusal(
            "InvalidRequest",
            f"Checksum Type mismatch occurred, expected checksum Type: {upload.checksum_algorithm.lower()}, "
            f"actual checksum Type: {named.lower()}",
        )
    received = await bodies.receive(
        cx,
        request,
        algorithm=upload.checksum_algorithm,
        also="" if upload.checksum_algorithm else checksums.DEFAULT,
        inline_bytes_max=-1,
        sealing=customer_keys.sealing_of_part(cx, request, upload.template.customer),
    )
    part = await bodies.store(cx, received, _store_part, request, received)
    answer: dict[str, Any] = {
        "ETag": f'"{part.etag}"',
        **encryption_told(upload.template),
    }
    told = named or upload.checksum_algorithm or checksums.DEFAULT
    answer[checksums.MEMBERS[told]] = part.checksums[told]
    return answer


def _store_part(tx: Tx, request: Mapping[str, Any], received: Received) -> Part:
    upload = find_upload(tx, request)
    before = tx.get(PARTS, upload.id, request["PartNumber"])
    if before is not None:
        bodies.discard_blobs(tx, [before.blob])
    assert received.piece is not None
    part = Part(
        upload=upload.id,
        number=request["PartNumber"],
        size=received.size,
        etag=received.etag,
        modified_at=tx.now,
        checksums=received.checksums,
        blob=received.piece.blob,
        nonce=received.piece.nonce,
    )
    tx.put(PARTS, part)
    return part


@operation(
    "UploadPartCopy",
    on=object_of,
    action="s3:PutObject",
    needs=[read_source],
    ignores=("RequestPayer",),
    unvalidated=True,
)
async def upload_part_copy(cx: Context, request: UploadPartCopyRequest) -> dict[str, Any]:
    """Store a part that is copied from an object. https://docs.aws.amazon.com/AmazonS3/latest/API/API_UploadPartCopy.html"""
    _check_number(request["PartNumber"])
    read = cx.read()
    find_bucket(read, request)
    upload = find_upload(read, request)
    source = find_source(read, request)
    start, end = parse_copy_range(request.get("CopySourceRange"), source.size)
    cipher = customer_keys.cipher_of(read, request, source, "CopySource")
    body = bodies.content(read, source, start, end, cipher)
    received = await bodies.receive(
        cx,
        {"Body": body, "ContentLength": end - start},
        algorithm=upload.checksum_algorithm or checksums.DEFAULT,
        inline_bytes_max=-1,
        sealing=customer_keys.sealing_of_part(cx, request, upload.template.customer),
    )
    part = await bodies.store(cx, received, _store_part, request, received)
    result: dict[str, Any] = {"ETag": f'"{part.etag}"', "LastModified": part.modified_at}
    if upload.checksum_algorithm:
        result |= {checksums.MEMBERS[name]: value for name, value in part.checksums.items()}
    answer: dict[str, Any] = {
        "CopyPartResult": result,
        **encryption_told(upload.template),
    }
    if source.version != "null":
        answer["CopySourceVersionId"] = source.version
    return answer


@operation(
    "CompleteMultipartUpload",
    on=object_of,
    action="s3:PutObject",
    ignores=("RequestPayer",),
    unvalidated=True,
)
def complete_multipart_upload(tx: Tx, request: CompleteMultipartUploadRequest) -> dict[str, Any]:
    """Make the parts an object. https://docs.aws.amazon.com/AmazonS3/latest/API/API_CompleteMultipartUpload.html"""
    bucket = find_bucket(tx, request)
    upload = find_upload(tx, request)
    check_write(request, tx.get(OBJECTS, bucket.name, upload.key), upload.key)
    asked: Any = (request.get("MultipartUpload") or {}).get("Parts") or []
    parts = _chosen(tx, upload, asked)
    sums, kind = _object_checksum(upload, parts)
    _check_object_checksum(request, upload, sums)
    size = sum(part.size for part in parts)
    if request.get("MpuObjectSize") not in (None, size):
        raise refusal(
            "InvalidRequest",
            f"The provided 'x-amz-mp-object-size' header value {request['MpuObjectSize']} does not match what "
            f"was computed: {size}",
        )
    made = msgspec.structs.replace(
        upload.template,
        modified_at=tx.now,
        size=size,
        etag=checksums.multipart_etag([part.etag for part in parts]),
        checksums=sums,
        checksum_type=kind,
        parts=tuple(
            PartOf(
                number=part.number,
                size=part.size,
                checksums=part.checksums if kind == "COMPOSITE" else {},
            )
            for part in parts
        ),
        pieces=tuple(Piece(blob=part.blob, size=part.size, nonce=part.nonce) for part in parts),
    )
    made = put_version(tx, bucket, made, None, "ObjectCreated:CompleteMultipartUpload")
    end_upload(tx, upload, {part.number for part in parts})
    answer: dict[str, Any] = {
        "Location": f"http://{tx.scope.host}/{bucket.name}/{upload.key}",
        "Bucket": bucket.name,
        "Key": upload.key,
        "ETag": f'"{made.etag}"',
        **described(made, bucket),
        **{checksums.MEMBERS[name]: value for name, value in sums.items()},
        "ChecksumType": kind or None,
    }
    if made.version == "null":
        answer.pop("VersionId", None)
    return answer


def _chosen(tx: Tx, upload: Upload, asked: Sequence[Mapping[str, Any]]) -> list[Part]:
    """The stored parts that the caller lists. Raises for what is missing, out of order or too small."""
    if not asked:
        raise refusal("InvalidRequest", "You must specify at least one part")
    parts: list[Part] = []
    for entry in asked:
        number = entry.get("PartNumber", 0)
        if parts and number <= parts[-1].number:
            raise refusal("InvalidPartOrder", UploadId=upload.id)
        part = tx.get(PARTS, upload.id, number)
        etag = str(entry.get("ETag", "")).strip('"')
        if part is None or part.etag != etag:
            raise refusal("InvalidPart", UploadId=upload.id, PartNumber=number, ETag=etag)
        for name, member in checksums.MEMBERS.items():
            given = entry.get(member)
            if (
                given is not None
                and upload.checksum_algorithm
                and given != part.checksums.get(name)
            ):
                raise refusal(
                    "BadDigest",
                    f"The {name.lower()} you specified for part {number} did not match what we received.",
                )
        parts.append(part)
    for part in parts[:-1]:
        if part.size < PART_BYTES_MIN:
            raise refusal(
                "EntityTooSmall",
                ETag=part.etag,
                MinSizeAllowed=PART_BYTES_MIN,
                PartNumber=part.number,
                ProposedSize=part.size,
            )
    return parts


def _object_checksum(upload: Upload, parts: Sequence[Part]) -> tuple[dict[str, str], str]:
    """The object's checksum from its parts', where all have one of the same algorithm."""
    algorithm = upload.checksum_algorithm or checksums.DEFAULT
    if any(algorithm not in part.checksums for part in parts):
        return {}, ""
    if (upload.checksum_type or "FULL_OBJECT") == "COMPOSITE":
        value = checksums.composite(algorithm, (part.checksums[algorithm] for part in parts))
        return {algorithm: value}, "COMPOSITE"
    value = checksums.full_object(
        algorithm, [(part.checksums[algorithm], part.size) for part in parts]
    )
    return {algorithm: value}, "FULL_OBJECT"


def _check_object_checksum(
    request: Mapping[str, Any], upload: Upload, sums: Mapping[str, str]
) -> None:
    kind = request.get("ChecksumType")
    if kind and upload.checksum_type and kind != upload.checksum_type:
        raise refusal(
            "InvalidRequest",
            f"The upload was created using the {upload.checksum_type} checksum mode. The complete request must "
            "use the same checksum mode.",
        )
    for name, member in checksums.MEMBERS.items():
        given = request.get(member)
        if given and given.partition("-")[0] != sums.get(name, "").partition("-")[0]:
            raise checksums.mismatch(name.lower())


def end_upload(tx: Tx, upload: Upload, used: set[int]) -> None:
    """Forget an upload and its parts; the bytes of unused ones go."""
    unused = [p.blob for p in tx.scan(PARTS, (upload.id,)) if p.number not in used]
    bodies.discard_blobs(tx, unused)
    tx.delete_range(PARTS, (upload.id,))
    tx.delete(UPLOADS, upload.bucket, upload.key, upload.id)


@operation("AbortMultipartUpload", on=object_of, ignores=("RequestPayer",), unvalidated=True)
def abort_multipart_upload(tx: Tx, request: AbortMultipartUploadRequest) -> dict[str, Any]:
    """Give an upload up. https://docs.aws.amazon.com/AmazonS3/latest/API/API_AbortMultipartUpload.html"""
    find_bucket(tx, request)
    end_upload(tx, find_upload(tx, request), set())
    return {}
