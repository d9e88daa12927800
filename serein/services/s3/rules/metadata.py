"""What a write says of its object besides its bytes: headers, metadata, tags, class, encryption, lock.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/UsingMetadata.html
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import parse_qsl

from serein.services.s3.records import Bucket
from serein.services.s3.rules.errors import invalid_argument, refusal

METADATA_BYTES_MAX = 2048
TAGS_MAX = 10
BUCKET_TAGS_MAX = 50
HEADERS = (
    "CacheControl",
    "ContentDisposition",
    "ContentEncoding",
    "ContentLanguage",
    "ContentType",
    "Expires",
    "WebsiteRedirectLocation",
)
DEFAULT_TYPE = "binary/octet-stream"
STORAGE_CLASSES = frozenset(
    {
        "STANDARD",
        "REDUCED_REDUNDANCY",
        "STANDARD_IA",
        "ONEZONE_IA",
        "INTELLIGENT_TIERING",
        "GLACIER",
        "DEEP_ARCHIVE",
        "GLACIER_IR",
    }
)
_TAG_TEXT = re.compile(r"[\w\s+\-=._:/@]*", re.UNICODE)


def headers_of(request: Mapping[str, Any]) -> dict[str, str]:
    """The system metadata that a write carries (`aws-chunked` is no encoding of the object)."""
    headers = {name: _text(request[name]) for name in HEADERS if request.get(name) is not None}
    headers.setdefault("ContentType", DEFAULT_TYPE)
    encoding = headers.get("ContentEncoding")
    if encoding is not None:
        kept = [e.strip() for e in encoding.split(",") if e.strip() and e.strip() != "aws-chunked"]
        if kept:
            headers["ContentEncoding"] = ",".join(kept)
        else:
            del headers["ContentEncoding"]
    return headers


def _text(value: Any) -> str:
    return str(value) if not isinstance(value, float) else repr(value)


def metadata_of(request: Mapping[str, Any]) -> dict[str, str]:
    """User metadata, names in lower case. Raises MetadataTooLarge beyond 2 KB."""
    metadata = {name.lower(): value for name, value in (request.get("Metadata") or {}).items()}
    size = sum(len(name.encode()) + len(value.encode()) for name, value in metadata.items())
    if size > METADATA_BYTES_MAX:
        raise refusal("MetadataTooLarge", Size=size, MaxSizeAllowed=METADATA_BYTES_MAX)
    return metadata


def storage_class_of(request: Mapping[str, Any]) -> str:
    """The storage class asked for. Raises InvalidStorageClass."""
    name: str = request.get("StorageClass") or "STANDARD"
    if name not in STORAGE_CLASSES:
        raise refusal("InvalidStorageClass", StorageClassRequested=name)
    return name


def tags_in_header(header: str | None) -> dict[str, str]:
    """The tags of x-amz-tagging (`a=1&b=2`)."""
    if not header:
        return {}
    pairs = parse_qsl(header, keep_blank_values=True)
    if len(dict(pairs)) != len(pairs):
        raise invalid_argument(
            "The header 'x-amz-tagging' shall be encoded as UTF-8 then URLEncoded URL query parameters without "
            "tag name duplicates.",
            "x-amz-tagging",
            header,
        )
    return checked_tags([{"Key": key, "Value": value} for key, value in pairs], TAGS_MAX)


def checked_tags(tags: Sequence[Mapping[str, str]], count_max: int) -> dict[str, str]:
    """Tags as a dict. Raises for too many, doubled or ill-formed ones.

    https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-tagging.html
    """
    if len(tags) > count_max:
        where = "Object tags" if count_max == TAGS_MAX else "Bucket tag count"
        raise refusal("BadRequest", f"{where} cannot be greater than {count_max}")
    out: dict[str, str] = {}
    for tag in tags:
        key, value = tag.get("Key", ""), tag.get("Value", "")
        if key.lower().startswith("aws:"):
            raise refusal("InvalidTag", "Your TagKey cannot be prefixed with aws:", TagKey=key)
        if key in out:
            raise refusal(
                "InvalidTag", "Cannot provide multiple Tags with the same key", TagKey=key
            )
        if not 1 <= len(key) <= 128 or not _TAG_TEXT.fullmatch(key):
            raise refusal("InvalidTag", "The TagKey you have provided is invalid", TagKey=key)
        if len(value) > 256 or not _TAG_TEXT.fullmatch(value):
            raise refusal(
                "InvalidTag",
                "The TagValue you have provided is invalid",
                TagKey=key,
                TagValue=value,
            )
        out[key] = value
    return out


def encryption_of(request: Mapping[str, Any], default: Mapping[str, Any] | None) -> tuple[str, str]:
    """Algorithm and KMS key id of a write; the bucket's default where it says nothing. Raises for unknown ones."""
    algorithm, key = request.get("ServerSideEncryption"), request.get("SSEKMSKeyId") or ""
    if algorithm is None:
        if default is None:
            return "AES256", ""
        return str(default["SSEAlgorithm"]), str(default.get("KMSMasterKeyID", ""))
    if algorithm not in ("AES256", "aws:kms", "aws:kms:dsse"):
        raise refusal(
            "InvalidEncryptionAlgorithmError",
            ArgumentName="x-amz-server-side-encryption",
            ArgumentValue=algorithm,
        )
    return algorithm, key


def check_acl(request: Mapping[str, Any], bucket: Bucket) -> None:
    """With ownership enforced (the default) an ACL may only say what is so anyway.

    https://docs.aws.amazon.com/AmazonS3/latest/userguide/about-object-ownership.html
    """
    grants = any(
        request.get(f"Grant{name}")
        for name in ("FullControl", "Read", "ReadACP", "Write", "WriteACP")
    )
    canned = request.get("ACL")
    if bucket.ownership != "BucketOwnerEnforced":
        return
    if grants or canned not in (None, "bucket-owner-full-control", "private"):
        raise refusal("AccessControlListNotSupported", "The bucket does not allow ACLs")


def lock_of(
    request: Mapping[str, Any], bucket: Bucket, default: Mapping[str, Any] | None, now: float
) -> tuple[str, float, str]:
    """Retention mode, its end and the legal hold of a new version.

    https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-lock.html
    """
    mode, until = request.get("ObjectLockMode"), request.get("ObjectLockRetainUntilDate")
    hold: str = request.get("ObjectLockLegalHoldStatus") or ""
    if (mode or until or hold) and not bucket.object_lock:
        raise refusal("InvalidRequest", "Bucket is missing Object Lock Configuration")
    if bool(mode) != bool(until):
        raise refusal(
            "InvalidArgument",
            "x-amz-object-lock-retain-until-date and x-amz-object-lock-mode must both be supplied",
            ArgumentName=_LOCK_MODE if not mode else _LOCK_UNTIL,
        )
    if mode and mode not in ("GOVERNANCE", "COMPLIANCE"):
        raise invalid_argument("Unknown wormMode directive.", _LOCK_MODE, mode)
    if hold not in ("", "ON", "OFF"):
        raise invalid_argument(
            "Legal Hold must be either of 'ON' or 'OFF'", "x-amz-object-lock-legal-hold", hold
        )
    if until is not None:
        if until <= now:
            raise invalid_argument(
                "The retain until date must be in the future!", _LOCK_UNTIL, until
            )
        return str(mode), float(until), hold
    if default and bucket.object_lock:
        days = default.get("Days") or 365 * int(default.get("Years", 0))
        return str(default["Mode"]), now + 86400 * int(days), hold
    return "", 0.0, hold


_LOCK_MODE = "x-amz-object-lock-mode"
_LOCK_UNTIL = "x-amz-object-lock-retain-until-date"
