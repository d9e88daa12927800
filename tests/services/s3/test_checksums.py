"""Checksums of objects, against values recorded from AWS for the body `test data..` (test_put_object_checksum)."""

from __future__ import annotations

import base64
import hashlib
import zlib
from typing import Any

import pytest

from serein.services.s3.rules import checksums
from tests.services.s3.words import BUCKET, put, refused

pytestmark = pytest.mark.usefixtures("bucket")
DATA = b"test data.."
KNOWN = {
    "CRC32": "cZWHwQ==",
    "CRC32C": "Pf4upw==",
    "CRC64NVME": "qUVrWYOrIAM=",
    "SHA1": "B++3uSfJMSHWToQMQ1g6lIJY5Eo=",
    "SHA256": "2l26x0trnT0r2AvakoFk2MB7eKVKzYESLMxSAKAzoik=",
}


@pytest.mark.parametrize("name", KNOWN)
def test_known_values(s3: Any, name: str) -> None:
    member = f"Checksum{name}"
    made = put(s3, "k", DATA, ChecksumAlgorithm=name)
    assert made[member] == KNOWN[name]
    assert made["ChecksumType"] == "FULL_OBJECT"
    assert put(s3, "k", DATA, **{member: KNOWN[name]})[member] == KNOWN[name]
    head = s3.head_object(Bucket=BUCKET, Key="k", ChecksumMode="ENABLED")
    assert head[member] == KNOWN[name]
    attributes = s3.get_object_attributes(Bucket=BUCKET, Key="k", ObjectAttributes=["Checksum"])
    assert attributes["Checksum"] == {member: KNOWN[name], "ChecksumType": "FULL_OBJECT"}
    listed = s3.list_objects_v2(Bucket=BUCKET)["Contents"][0]
    assert listed["ChecksumAlgorithm"] == [name]
    assert listed["ChecksumType"] == "FULL_OBJECT"


@pytest.mark.parametrize("name", KNOWN)
def test_wrong_values(s3: Any, name: str) -> None:
    member = f"Checksum{name}"
    bad = refused(put, s3, "k", DATA, **{member: "not base64"})
    assert bad["Code"] == "InvalidRequest"
    assert bad["Message"] == f"Value for x-amz-checksum-{name.lower()} header is invalid."
    other = checksums.checksum(name, b"other")
    wrong = refused(put, s3, "k", DATA, **{member: other})
    assert (wrong["Code"], wrong["Status"]) == ("BadDigest", 400)
    assert wrong["Message"] == f"The {name} you specified did not match the calculated checksum."
    assert refused(s3.head_object, Bucket=BUCKET, Key="k")["Status"] == 404


def test_two_checksums(s3: Any) -> None:
    error = refused(put, s3, "k", ChecksumCRC32="AAAAAA==", ChecksumSHA1=KNOWN["SHA1"])
    assert error["Message"].startswith("Expecting a single x-amz-checksum- header.")


def test_content_md5(s3: Any) -> None:
    """As recorded: test_s3_invalid_content_md5."""
    for text in ("__invalid__", "000", "not base64 encoded checksum", "MTIz"):
        error = refused(put, s3, "k", ContentMD5=text)
        assert (error["Code"], error["Content-MD5"]) == ("InvalidDigest", text)
    given = base64.b64encode(hashlib.md5(b"other").digest()).decode()
    wrong = refused(put, s3, "k", b"something", ContentMD5=given)
    assert wrong["Code"] == "BadDigest"
    assert wrong["ExpectedDigest"] == hashlib.md5(b"other").hexdigest()
    assert wrong["CalculatedDigest"] == "Q3uTDbhLgHnC3YBKcZNrXw=="


def test_full_object_and_composite() -> None:
    first, second = b"a" * 1000, b"b" * 17
    for name in ("CRC32", "CRC32C", "CRC64NVME"):
        parts = [(checksums.checksum(name, part), len(part)) for part in (first, second)]
        assert checksums.full_object(name, parts) == checksums.checksum(name, first + second)
    raw = hashlib.sha256(hashlib.sha256(first).digest() + hashlib.sha256(second).digest()).digest()
    values = [checksums.checksum("SHA256", part) for part in (first, second)]
    assert checksums.composite("SHA256", values) == f"{base64.b64encode(raw).decode()}-2"
    assert base64.b64decode(checksums.checksum("CRC32", first)) == zlib.crc32(first).to_bytes(
        4, "big"
    )
