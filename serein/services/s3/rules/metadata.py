"""What a write says of its object besides its bytes: headers, metadata, tags, class, encryption, lock.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/UsingMetadata.html
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping, Sequence
from email.utils import formatdate, parsedate_to_datetime
from typing import Any
from urllib.parse import parse_qsl

from serein.services.s3.records import Bucket
from serein.services.s3.rules.errors import invalid_argument, refusal

METADATA_BYTES_MAX = 2048
TAGS_MAX = 10
BUCKET_TAGS_MAX = 50
SYSTEM_TAGS = "System tags cannot be added/updated by requester"
NEW_BUCKET_TAGS = (
    'User-defined tag keys can\'t start with "aws:". This prefix is reserved for system tags. Remove '
    '"aws:" from your tag keys and try again.'
)
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
    return formatdate(value, usegmt=True) if isinstance(value, float | int) else str(value)


def headers_told(headers: Mapping[str, str]) -> dict[str, Any]:
    """The system metadata as members of an answer; Expires is a time there, where it can be read as one."""
    if "Expires" not in headers:
        return {**headers}
    told: dict[str, Any] = {**headers}
    try:
        told["Expires"] = parsedate_to_datetime(headers["Expires"]).timestamp()
    except ValueError:
        del told["Expires"]
    return told


def metadata_of(request: Mapping[str, Any]) -> dict[str, str]:
    """User metadata, names in lower case. Raises MetadataTooLarge beyond 2 KB."""
    metadata = {
        name.lower(): _unicode(value) for name, value in (request.get("Metadata") or {}).items()
    }
    size = sum(len(name.encode()) + len(value.encode()) for name, value in metadata.items())
    if size > METADATA_BYTES_MAX:
        raise refusal("MetadataTooLarge", Size=size, MaxSizeAllowed=METADATA_BYTES_MAX)
    return metadata


def _unicode(value: str) -> str:
    """The text that a header carries: bytes of UTF-8, which HTTP has as latin-1."""
    if value.isascii():
        return value
    try:
        return value.encode("latin-1").decode()
    except UnicodeError:
        return value


def as_told(metadata: dict[str, str]) -> dict[str, str]:
    """User metadata as headers can carry it: what is not ASCII in the encoded words of RFC 2047, as S3 does."""
    if all(value.isascii() and value.isprintable() for value in metadata.values()):
        return metadata
    return {name: _encoded_word(value) for name, value in metadata.items()}


def _encoded_word(value: str) -> str:
    if value.isascii() and all(letter.isprintable() or letter == "\t" for letter in value):
        return value
    if any(ord(letter) < 32 for letter in value):
        return f"=?UTF-8?B?{base64.b64encode(value.encode()).decode()}?="
    word = "".join(
        "_"
        if byte == 32
        else chr(byte)
        if 33 <= byte < 127 and byte not in b"=?_"
        else f"={byte:02X}"
        for byte in value.encode()
    )
    return f"=?UTF-8?Q?{word}?="


def in_latin(value: str) -> str:
    """A system header's value from a form: what HTTP cannot carry becomes a space, as with S3."""
    return "".join(letter if ord(letter) < 256 else " " for letter in value)


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
    malformed = invalid_argument(
        "The header 'x-amz-tagging' shall be encoded as UTF-8 then URLEncoded URL query parameters without "
        "tag name duplicates.",
        "x-amz-tagging",
        header,
    )
    if len(dict(pairs)) != len(pairs):
        raise malformed
    if not all(_TAG_TEXT.fullmatch(text) for pair in pairs for text in pair):
        raise malformed
    return checked_tags([{"Key": key, "Value": value} for key, value in pairs], TAGS_MAX)


def checked_tags(
    tags: Sequence[Mapping[str, str]], count_max: int, *, reserved: str = ""
) -> dict[str, str]:
    """Tags as a dict. Raises for too many, doubled or ill-formed ones; `reserved` words the refusal of `aws:` keys.

    https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-tagging.html
    """
    if len(tags) > count_max:
        where = "Object tags" if count_max == TAGS_MAX else "Bucket tag count"
        raise refusal("BadRequest", f"{where} cannot be greater than {count_max}")
    out: dict[str, str] = {}
    for tag in tags:
        if tag.get("Key") is None or tag.get("Value") is None:
            raise refusal("MalformedXML")
        key, value = tag["Key"], tag["Value"]
        if key.lower().startswith("aws:"):
            if reserved == NEW_BUCKET_TAGS:
                raise refusal("InvalidTag", reserved)
            raise refusal(
                "InvalidTag", reserved or "Your TagKey cannot be prefixed with aws:", TagKey=key
            )
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
