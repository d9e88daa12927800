"""PutObject, GetObject, HeadObject, GetObjectAttributes. Exact members are from recorded answers of AWS (2026-02)."""

from __future__ import annotations

import io
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.cloud import Cloud
from tests.services.s3.words import BUCKET, body, put, refused, told

pytestmark = pytest.mark.usefixtures("bucket")
AN_HOUR = timedelta(hours=1)


def test_put_and_get(s3: Any) -> None:
    made = put(s3, "my-key", b"something", Metadata={"Key": "value"})
    assert told(made) == {
        "ETag": '"437b930db84b8079c2dd804a71936b5f"',
        "ChecksumCRC32": "Cdox+w==",
        "ChecksumType": "FULL_OBJECT",
        "ServerSideEncryption": "AES256",
    }
    got = s3.get_object(Bucket=BUCKET, Key="my-key")
    assert got.pop("Body").read() == b"something"
    assert told(got) == {
        "AcceptRanges": "bytes",
        "ChecksumCRC32": "Cdox+w==",
        "ChecksumType": "FULL_OBJECT",
        "ContentLength": 9,
        "ContentType": "binary/octet-stream",
        "ETag": '"437b930db84b8079c2dd804a71936b5f"',
        "Metadata": {"key": "value"},
        "ServerSideEncryption": "AES256",
    }
    head = s3.head_object(Bucket=BUCKET, Key="my-key")
    assert head["ContentLength"] == 9
    assert "ChecksumCRC32" not in head


def test_missing_things(s3: Any) -> None:
    assert refused(s3.get_object, Bucket=BUCKET, Key="none") | {"Resource": ""} == {
        "Code": "NoSuchKey",
        "Message": "The specified key does not exist.",
        "Key": "none",
        "Status": 404,
        "Resource": "",
    }
    missing = refused(s3.get_object, Bucket="no-such-bucket-here", Key="k")
    assert missing["Code"] == "NoSuchBucket"
    assert missing["BucketName"] == "no-such-bucket-here"
    head = refused(s3.head_object, Bucket=BUCKET, Key="none")
    assert (head["Code"], head["Message"], head["Status"]) == ("404", "Not Found", 404)


@pytest.mark.parametrize(
    "key",
    [
        "a b",
        "a+b",
        "ä/ö—",
        "%41",
        "test@key/",
        "a//b",
        "a/./b",
        "a/../b",
        "👑",
        "x?y&z=1#f",
        "'\"<>&",
    ],
)
def test_keys_of_all_kinds(s3: Any, key: str) -> None:
    put(s3, key, b"kept")
    assert body(s3, key) == b"kept"
    assert [o["Key"] for o in s3.list_objects_v2(Bucket=BUCKET)["Contents"]] == [key]
    s3.copy_object(Bucket=BUCKET, Key="copy", CopySource={"Bucket": BUCKET, "Key": key})
    assert body(s3, "copy") == b"kept"


def test_a_key_too_long(s3: Any) -> None:
    put(s3, "k" * 1024)
    assert refused(put, s3, "k" * 1025)["Code"] == "KeyTooLongError"


def test_system_metadata_and_overrides(s3: Any) -> None:
    expires = datetime(2030, 1, 1, tzinfo=UTC)
    put(
        s3,
        "k",
        CacheControl="no-cache",
        ContentDisposition="attachment",
        ContentEncoding="gzip",
        ContentLanguage="de",
        ContentType="text/plain",
        Expires=expires,
        StorageClass="STANDARD_IA",
        WebsiteRedirectLocation="/other",
        Tagging="a=1&b=2",
    )
    head = s3.head_object(Bucket=BUCKET, Key="k")
    assert head["CacheControl"] == "no-cache"
    assert head["ContentEncoding"] == "gzip"
    assert head["Expires"] == expires
    assert head["StorageClass"] == "STANDARD_IA"
    assert head["WebsiteRedirectLocation"] == "/other"
    assert head["TagCount"] == 2
    got = s3.get_object(
        Bucket=BUCKET, Key="k", ResponseContentType="x/y", ResponseCacheControl="max-age=1"
    )
    assert got["ContentType"] == "x/y"
    assert got["CacheControl"] == "max-age=1"


def test_metadata_beyond_ascii_comes_back_in_encoded_words(cloud: Cloud, s3: Any) -> None:
    """As recorded: test_put_unicode_metadata_with_sig_s3."""
    url = s3.generate_presigned_url("put_object", Params={"Bucket": BUCKET, "Key": "k"})
    value = "non-ascii-%E2%80%94_—_é_".encode().decode("latin-1")
    assert cloud.http("PUT", url, {"x-amz-meta-foo": value}, b"").status in (200, 403)
    put(s3, "q", Metadata={"plain": "a b"})
    assert s3.head_object(Bucket=BUCKET, Key="q")["Metadata"] == {"plain": "a b"}


def test_metadata_too_large(s3: Any) -> None:
    error = refused(put, s3, "k", Metadata={"m": "x" * 2048})
    assert error["Code"] == "MetadataTooLarge"
    assert error["Status"] == 400


@pytest.mark.parametrize(
    ("asked", "status", "content", "span"),
    [
        ("bytes=0-8", 206, b"012345678", "bytes 0-8/10"),
        ("bytes=1-1", 206, b"1", "bytes 1-1/10"),
        ("bytes=1-0", 200, b"0123456789", None),
        ("bytes=1-", 206, b"123456789", "bytes 1-9/10"),
        ("bytes=-1-", 200, b"0123456789", None),
        ("bytes=-2", 206, b"89", "bytes 8-9/10"),
        ("bytes=-15", 206, b"0123456789", "bytes 0-9/10"),
        ("bytes=0-100", 206, b"0123456789", "bytes 0-9/10"),
        ("bytes=0-1,3-4", 200, b"0123456789", None),
    ],
)
def test_ranges(s3: Any, asked: str, status: int, content: bytes, span: str | None) -> None:
    """As recorded: test_get_object_range."""
    put(s3, "k", b"0123456789")
    got = s3.get_object(Bucket=BUCKET, Key="k", Range=asked)
    assert got["Body"].read() == content
    assert got.get("ContentRange") == span
    assert got["ResponseMetadata"]["HTTPStatusCode"] == status
    assert ("ChecksumCRC32" in got) == (len(content) == 10)


def test_a_range_beyond_the_end(s3: Any) -> None:
    put(s3, "k", b"0123456789")
    error = refused(s3.get_object, Bucket=BUCKET, Key="k", Range="bytes=10-")
    assert error["Status"] == 416
    assert error["Code"] == "InvalidRange"
    assert error["ActualObjectSize"] == "10"
    assert error["RangeRequested"] == "bytes=10-"


def test_conditional_reads(s3: Any) -> None:
    """As recorded: test_s3_get_object_preconditions."""
    etag = put(s3, "k", b"data")["ETag"]
    past, future = datetime.now(UTC) - AN_HOUR, datetime.now(UTC) + 24 * AN_HOUR

    def get(**more: Any) -> Any:
        return s3.get_object(Bucket=BUCKET, Key="k", **more)

    failed = refused(get, IfMatch='"other"')
    assert failed["Status"] == 412
    assert failed["Condition"] == "If-Match"
    assert refused(get, IfUnmodifiedSince=past)["Condition"] == "If-Unmodified-Since"
    assert refused(get, IfNoneMatch=etag)["Status"] == 304
    assert refused(get, IfNoneMatch=etag.strip('"'))["Status"] == 304
    modified = get()["LastModified"]
    assert refused(get, IfModifiedSince=modified)["Status"] == 304
    assert get(IfMatch=etag, IfUnmodifiedSince=past)["ContentLength"] == 4
    assert refused(get, IfNoneMatch=etag, IfModifiedSince=past)["Status"] == 304
    assert get(IfModifiedSince=past, IfMatch=etag, IfNoneMatch="x", IfUnmodifiedSince=future)
    head = refused(s3.head_object, Bucket=BUCKET, Key="k", IfMatch='"other"')
    assert (head["Code"], head["Message"]) == ("412", "Precondition Failed")


def test_conditional_writes(s3: Any) -> None:
    """As recorded: TestS3ObjectWritePrecondition."""
    assert refused(put, s3, "k", IfMatch='"e"')["Code"] == "NoSuchKey"
    etag = put(s3, "k", IfNoneMatch="*")["ETag"]
    again = refused(put, s3, "k", IfNoneMatch="*")
    assert (again["Status"], again["Code"]) == (412, "PreconditionFailed")
    assert again["Condition"] == "If-None-Match"
    assert refused(put, s3, "k", IfMatch='"other"')["Condition"] == "If-Match"
    put(s3, "k", b"2", IfMatch=etag)
    bad = refused(put, s3, "k", IfNoneMatch='"x"')
    assert (bad["Code"], bad["Status"], bad["Header"]) == ("NotImplemented", 501, "If-None-Match")
    both = refused(put, s3, "k", IfNoneMatch="*", IfMatch='"x"')
    assert both["Header"] == "If-Match,If-None-Match"
    assert body(s3, "k") == b"2"


@pytest.mark.parametrize("storage_class", ["GLACIER", "DEEP_ARCHIVE"])
def test_archived_objects_cannot_be_read(s3: Any, storage_class: str) -> None:
    put(s3, "k", StorageClass=storage_class)
    error = refused(s3.get_object, Bucket=BUCKET, Key="k")
    assert (error["Code"], error["Status"]) == ("InvalidObjectState", 403)
    assert error["StorageClass"] == storage_class
    assert s3.head_object(Bucket=BUCKET, Key="k")["StorageClass"] == storage_class


def test_an_unknown_storage_class(s3: Any) -> None:
    error = refused(put, s3, "k", StorageClass="SLOW")
    assert error["Code"] == "InvalidStorageClass"
    assert error["StorageClassRequested"] == "SLOW"


def test_encryption_headers(s3: Any) -> None:
    assert put(s3, "k", ServerSideEncryption="aws:kms", SSEKMSKeyId="abc")["SSEKMSKeyId"] == "abc"
    bad = refused(put, s3, "k", ServerSideEncryption="ROT13")
    assert bad["Code"] == "InvalidEncryptionAlgorithmError"
    assert bad["ArgumentValue"] == "ROT13"


def test_attributes(s3: Any) -> None:
    put(s3, "k", b"something")
    got = s3.get_object_attributes(
        Bucket=BUCKET,
        Key="k",
        ObjectAttributes=["StorageClass", "ETag", "ObjectSize", "ObjectParts", "Checksum"],
    )
    assert told(got) == {
        "Checksum": {"ChecksumCRC32": "Cdox+w==", "ChecksumType": "FULL_OBJECT"},
        "ETag": "437b930db84b8079c2dd804a71936b5f",
        "ObjectSize": 9,
        "StorageClass": "STANDARD",
    }
    none = refused(s3.get_object_attributes, Bucket=BUCKET, Key="k", ObjectAttributes=["Colour"])
    assert none["Code"] == "InvalidArgument"


def test_a_large_object_in_a_stream(s3: Any) -> None:
    content = bytes(range(256)) * 1024  # 256 KiB: longer than what is kept with the records
    put(s3, "large", io.BytesIO(content))
    assert body(s3, "large") == content
    assert body(s3, "large", Range="bytes=100000-100009") == content[100000:100010]


def test_expected_owner(s3: Any) -> None:
    put(s3, "k")
    got = s3.get_object(Bucket=BUCKET, Key="k", ExpectedBucketOwner="000000000000")
    assert got["ContentLength"] == 1
    other = refused(s3.get_object, Bucket=BUCKET, Key="k", ExpectedBucketOwner="111111111111")
    assert (other["Code"], other["Message"]) == ("AccessDenied", "Access Denied")
    bad = refused(s3.get_object, Bucket=BUCKET, Key="k", ExpectedBucketOwner="abcd")
    assert bad["Code"] == "InvalidBucketOwnerAWSAccountID"
    assert bad["Message"].endswith("[abcd]")
