"""Listing uploads under way and their parts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from serein.kernel.operations import Read, operation
from serein.services.s3.access import bucket_of, find_bucket, object_of
from serein.services.s3.model import (
    ListMultipartUploadsRequest,
    ListPartsRequest,
)
from serein.services.s3.operations.multipart import find_upload
from serein.services.s3.records import PARTS, UPLOADS, Upload
from serein.services.s3.rules import checksums, listing
from serein.services.s3.rules.owners import canonical_id, owner


def _initiator(upload: Upload) -> dict[str, str]:
    if upload.initiator.endswith(":root"):
        return {"ID": canonical_id(upload.initiator.split(":")[4])}
    return {"ID": upload.initiator}


@operation(
    "ListParts",
    on=object_of,
    action="s3:ListMultipartUploadParts",
    ignores=("RequestPayer",),
    unvalidated=True,
)
def list_parts(read: Read, request: ListPartsRequest) -> dict[str, Any]:
    """The parts of an upload. https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListParts.html"""
    find_bucket(read, request)
    upload = find_upload(read, request)
    most = listing.page_size(request.get("MaxParts"), "max-parts")
    marker = int(request.get("PartNumberMarker") or 0)
    parts = list(read.scan(PARTS, (upload.id,), start=(marker + 1,), limit=most + 1))
    page = parts[:most]
    answer: dict[str, Any] = {
        "Bucket": upload.bucket,
        "Key": upload.key,
        "UploadId": upload.id,
        "PartNumberMarker": marker,
        "NextPartNumberMarker": page[-1].number if page else 0,
        "MaxParts": most,
        "IsTruncated": len(parts) > len(page),
        "Initiator": _initiator(upload),
        "Owner": owner(upload.template.owner),
        "StorageClass": upload.template.storage_class,
        "Parts": [
            {
                "PartNumber": part.number,
                "LastModified": part.modified_at,
                "ETag": f'"{part.etag}"',
                "Size": part.size,
                **(
                    {checksums.MEMBERS[name]: value for name, value in part.checksums.items()}
                    if upload.checksum_algorithm
                    else {}
                ),
            }
            for part in page
        ]
        or None,
    }
    if upload.checksum_algorithm:
        answer["ChecksumAlgorithm"] = upload.checksum_algorithm
        answer["ChecksumType"] = upload.checksum_type
    return answer


@operation(
    "ListMultipartUploads",
    on=bucket_of,
    action="s3:ListBucketMultipartUploads",
    ignores=("RequestPayer",),
    unvalidated=True,
)
def list_multipart_uploads(read: Read, request: ListMultipartUploadsRequest) -> dict[str, Any]:
    """Uploads under way. https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListMultipartUploads.html"""
    bucket = find_bucket(read, request)
    encode = listing.encoder(request.get("EncodingType"))
    key_marker, id_marker = request.get("KeyMarker") or "", request.get("UploadIdMarker") or ""
    most = listing.page_size(request.get("MaxUploads"), "max-uploads")
    uploads, prefixes, is_truncated = _page(read, request, most)
    answer: dict[str, Any] = {
        "Bucket": bucket.name,
        "KeyMarker": encode(key_marker),
        "UploadIdMarker": id_marker if key_marker else "",
        "MaxUploads": most,
        "IsTruncated": is_truncated,
        "EncodingType": request.get("EncodingType"),
        "NextKeyMarker": encode(uploads[-1].key) if uploads else "",
        "NextUploadIdMarker": uploads[-1].id if uploads else "",
    }
    for member in ("Prefix", "Delimiter"):
        if request.get(member):
            answer[member] = encode(request[member])
    if prefixes:
        answer["CommonPrefixes"] = [{"Prefix": encode(prefix)} for prefix in prefixes]
    if uploads:
        answer["Uploads"] = [
            {
                "UploadId": upload.id,
                "Key": encode(upload.key),
                "Initiated": upload.initiated_at,
                "StorageClass": upload.template.storage_class,
                "Owner": owner(upload.template.owner),
                "Initiator": _initiator(upload),
                "ChecksumAlgorithm": upload.checksum_algorithm or None,
                "ChecksumType": upload.checksum_type or None,
            }
            for upload in uploads
        ]
    return answer


def _page(
    read: Read, request: Mapping[str, Any], most: int
) -> tuple[list[Upload], list[str], bool]:
    """Uploads and common prefixes behind the markers, and whether there are more."""
    prefix, delimiter = request.get("Prefix") or "", request.get("Delimiter") or ""
    key_marker, id_marker = request.get("KeyMarker") or "", request.get("UploadIdMarker") or ""
    uploads: list[Upload] = []
    prefixes: list[str] = []
    for upload in read.scan(UPLOADS, (request["Bucket"],), start=(prefix,) if prefix else ()):
        if not upload.key.startswith(prefix):
            break
        if upload.key < key_marker or (
            upload.key == key_marker and (not id_marker or upload.id <= id_marker)
        ):
            continue
        at = upload.key.find(delimiter, len(prefix)) if delimiter else -1
        rolled = upload.key[: at + len(delimiter)] if at >= 0 else ""
        if rolled and (rolled <= key_marker or (prefixes and prefixes[-1] == rolled)):
            continue
        if len(uploads) + len(prefixes) == most:
            return uploads, prefixes, True
        if rolled:
            prefixes.append(rolled)
        else:
            uploads.append(upload)
    return uploads, prefixes, False
