"""Putting and reading objects. Wording and fields are from answers recorded of the real service, or the page named."""

from __future__ import annotations

import base64
import hashlib

import pytest

from serein.wire.sigv4.verify import basic_time

PRECONDITION = "At least one of the pre-conditions you specified did not hold"
TEXT = b"123456789"
# The check values of the algorithms' definitions over "123456789".
CHECKS = {
    "CRC32": "cbf43926",
    "CRC32C": "e3069283",
    "CRC64NVME": "ae8b14860a799888",
    "SHA1": hashlib.sha1(TEXT).hexdigest(),
    "SHA256": hashlib.sha256(TEXT).hexdigest(),
}


@pytest.mark.parametrize("algorithm", CHECKS)
def test_checksums(s3, bucket, refused, algorithm):
    expected = base64.b64encode(bytes.fromhex(CHECKS[algorithm])).decode()
    member = f"Checksum{algorithm}"
    put = s3.put_object(Bucket=bucket, Key="k", Body=TEXT, ChecksumAlgorithm=algorithm)
    assert (put[member], put["ChecksumType"]) == (expected, "FULL_OBJECT")
    got = s3.get_object(Bucket=bucket, Key="k", ChecksumMode="ENABLED")
    assert got[member] == expected
    assert got["Body"].read() == TEXT
    attributes = s3.get_object_attributes(Bucket=bucket, Key="k", ObjectAttributes=["Checksum"])
    assert attributes["Checksum"] == {member: expected, "ChecksumType": "FULL_OBJECT"}
    wrong = base64.b64encode(bytes(len(CHECKS[algorithm]) // 2)).decode()
    error = refused(s3.put_object, Bucket=bucket, Key="k", Body=TEXT, **{member: wrong})
    said = f"The {algorithm} you specified did not match the calculated checksum."
    assert (error["Code"], error["Message"], error["Status"]) == ("BadDigest", said, 400)
    error = refused(s3.put_object, Bucket=bucket, Key="k", Body=TEXT, **{member: "!"})
    said = f"Value for x-amz-checksum-{algorithm.lower()} header is invalid."
    assert (error["Code"], error["Message"]) == ("InvalidRequest", said)


def test_default_checksum_is_crc64nvme(cloud, s3, bucket):
    """Recorded: TestS3PresignedUrl::test_put_object (no checksum sent)."""
    url = s3.generate_presigned_url("put_object", Params={"Bucket": bucket, "Key": "k"})
    assert cloud.http("PUT", url, body=b"something").status == 200
    got = s3.get_object(Bucket=bucket, Key="k", ChecksumMode="ENABLED")
    assert got["ChecksumCRC64NVME"] == "1BGd19PD4OU="
    assert got["ContentType"] == "binary/octet-stream"


@pytest.mark.parametrize("given", ["__invalid__", "000", "not base64 encoded checksum", "MTIz"])
def test_invalid_content_md5(s3, bucket, refused, given):
    error = refused(s3.put_object, Bucket=bucket, Key="k", Body=b"x", ContentMD5=given)
    assert error == {
        "Code": "InvalidDigest",
        "Content-MD5": given,
        "Message": "The Content-MD5 you specified was invalid.",
        "Status": 400,
    }


def test_wrong_content_md5(s3, bucket, refused):
    given = base64.b64encode(hashlib.md5(b"y").digest()).decode()
    error = refused(s3.put_object, Bucket=bucket, Key="k", Body=b"something", ContentMD5=given)
    assert error["Code"] == "BadDigest"
    assert error["Message"] == "The Content-MD5 you specified did not match what we received."
    assert error["CalculatedDigest"] == "Q3uTDbhLgHnC3YBKcZNrXw=="


def test_metadata_and_system_headers(s3, bucket):
    s3.put_object(
        Bucket=bucket,
        Key="a/b c+é",
        Body=b"hello",
        ContentType="text/plain",
        CacheControl="no-cache",
        ContentDisposition="attachment",
        ContentEncoding="gzip",
        ContentLanguage="de",
        Metadata={"Some-Key": "value"},
        WebsiteRedirectLocation="/other",
        Tagging="a=b&c=d",
    )
    got = s3.head_object(Bucket=bucket, Key="a/b c+é")
    assert got["Metadata"] == {"some-key": "value"}
    expected = {
        "AcceptRanges": "bytes",
        "ContentLength": 5,
        "ETag": '"5d41402abc4b2a76b9719d911017c592"',
        "ContentType": "text/plain",
        "CacheControl": "no-cache",
        "ContentDisposition": "attachment",
        "ContentEncoding": "gzip",
        "ContentLanguage": "de",
        "WebsiteRedirectLocation": "/other",
        "ServerSideEncryption": "AES256",
    }
    assert {name: got[name] for name in expected} == expected
    got = s3.get_object(
        Bucket=bucket, Key="a/b c+é", ResponseContentType="x/y", ResponseCacheControl="public"
    )
    assert (got["ContentType"], got["CacheControl"], got["TagCount"]) == ("x/y", "public", 2)


def test_absent(s3, bucket, refused):
    assert refused(s3.get_object, Bucket=bucket, Key="k") == {
        "Code": "NoSuchKey",
        "Message": "The specified key does not exist.",
        "Key": "k",
        "Status": 404,
    }
    head = refused(s3.head_object, Bucket=bucket, Key="k")
    assert (head["Code"], head["Message"]) == ("404", "Not Found")
    assert refused(s3.get_object, Bucket="no-such", Key="k") == {
        "Code": "NoSuchBucket",
        "Message": "The specified bucket does not exist",
        "BucketName": "no-such",
        "Status": 404,
    }


@pytest.mark.parametrize(
    ("asked", "status", "body"),
    [
        ("bytes=0-3", 206, b"0123"),
        ("bytes=8-", 206, b"89"),
        ("bytes=-2", 206, b"89"),
        ("bytes=-100", 206, b"0123456789"),
        ("bytes=5-100", 206, b"56789"),
        ("bytes=3-1", 200, b"0123456789"),
        ("bytes=0-1,3-4", 200, b"0123456789"),
        ("lines=0-1", 200, b"0123456789"),
        ("bytes=-", 200, b"0123456789"),
    ],
)
@pytest.mark.parametrize("factor", [1, 20_000])
def test_ranges(s3, bucket, asked, status, body, factor):
    """https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html; recorded: test_get_object_range."""
    if factor > 1 and status == 206:
        asked, body = "bytes=100000-100009", bytes(range(48, 58))
    s3.put_object(Bucket=bucket, Key="k", Body=b"0123456789" * factor)
    got = s3.get_object(Bucket=bucket, Key="k", Range=asked)
    assert got["ResponseMetadata"]["HTTPStatusCode"] == status
    assert got["Body"].read() == body * (factor if status == 200 else 1)


@pytest.mark.parametrize("asked", ["bytes=-0", "bytes=100-200", "bytes=10-"])
def test_unsatisfiable_ranges(s3, bucket, refused, asked):
    s3.put_object(Bucket=bucket, Key="k", Body=b"0123456789")
    assert refused(s3.get_object, Bucket=bucket, Key="k", Range=asked) == {
        "Code": "InvalidRange",
        "Message": "The requested range is not satisfiable",
        "ActualObjectSize": "10",
        "RangeRequested": asked,
        "Status": 416,
    }


def test_read_conditions(s3, bucket, refused):
    """Recorded: test_s3_get_object_preconditions."""
    etag = s3.put_object(Bucket=bucket, Key="k", Body=b"x")["ETag"]
    at = s3.head_object(Bucket=bucket, Key="k")["LastModified"]
    where = {"Bucket": bucket, "Key": "k"}
    s3.get_object(**where, IfMatch=etag)
    s3.get_object(**where, IfMatch=etag.strip('"'))
    s3.get_object(**where, IfMatch="*", IfUnmodifiedSince="2001-01-01")
    error = refused(s3.get_object, **where, IfMatch='"x"')
    assert (error["Code"], error["Condition"]) == ("PreconditionFailed", "If-Match")
    error = refused(s3.get_object, **where, IfUnmodifiedSince="2001-01-01")
    assert (error["Message"], error["Condition"]) == (PRECONDITION, "If-Unmodified-Since")
    for condition in ({"IfNoneMatch": etag}, {"IfModifiedSince": at}, {"IfNoneMatch": "*"}):
        assert refused(s3.get_object, **where, **condition)["Status"] == 304
    s3.get_object(**where, IfNoneMatch='"x"', IfModifiedSince=at)
    s3.get_object(**where, IfModifiedSince="2001-01-01")


def test_write_conditions(s3, bucket, refused):
    """Recorded: test_put_object_if_none_match, test_put_object_if_match and their validations."""
    where = {"Bucket": bucket, "Key": "k"}
    etag = s3.put_object(**where, Body=b"1", IfNoneMatch="*")["ETag"]
    error = refused(s3.put_object, **where, IfNoneMatch="*")
    assert (error["Code"], error["Condition"]) == ("PreconditionFailed", "If-None-Match")
    s3.put_object(**where, Body=b"1", IfMatch=etag)
    error = refused(s3.put_object, **where, IfMatch='"0"')
    assert (error["Code"], error["Condition"]) == ("PreconditionFailed", "If-Match")
    assert refused(s3.put_object, Bucket=bucket, Key="none", IfMatch=etag)["Code"] == "NoSuchKey"
    error = refused(s3.put_object, **where, IfNoneMatch=etag)
    assert (error["Code"], error["Header"], error["Status"]) == (
        "NotImplemented",
        "If-None-Match",
        501,
    )
    error = refused(s3.put_object, **where, IfNoneMatch="*", IfMatch=etag)
    assert (
        error["additionalMessage"] == "Multiple conditional request headers present in the request"
    )


@pytest.mark.parametrize("size", [0, 1024, 64 * 1024, 64 * 1024 + 1, 300_000])
def test_bodies_of_every_size(s3, bucket, size):
    body = bytes(range(256)) * (size // 256) + b"x" * (size % 256)
    s3.put_object(Bucket=bucket, Key="k", Body=body)
    got = s3.get_object(Bucket=bucket, Key="k")
    assert (got["ContentLength"], got["Body"].read()) == (size, body)
    assert got["ETag"] == f'"{hashlib.md5(body).hexdigest()}"'


def test_an_archived_object_cannot_be_read(s3, bucket, refused):
    s3.put_object(Bucket=bucket, Key="k", Body=b"x", StorageClass="GLACIER")
    error = refused(s3.get_object, Bucket=bucket, Key="k")
    assert (error["Code"], error["StorageClass"]) == ("InvalidObjectState", "GLACIER")
    assert error["Message"] == "The operation is not valid for the object's storage class"
    assert s3.head_object(Bucket=bucket, Key="k")["StorageClass"] == "GLACIER"
    error = refused(s3.put_object, Bucket=bucket, Key="k", StorageClass="NONE")
    assert error["Code"] == "InvalidStorageClass"


def test_keys(s3, bucket, refused):
    error = refused(s3.put_object, Bucket=bucket, Key="k" * 1025)
    assert (error["Code"], error["Status"]) == ("KeyTooLongError", 400)
    assert error["Message"] == "Your key is too long"
    for key in ("a//b", "../x", "a/../b", "%41", "a?b#c", "é€😀", " ", "a&b<c>"):
        s3.put_object(Bucket=bucket, Key=key, Body=key.encode())
        assert s3.get_object(Bucket=bucket, Key=key)["Body"].read() == key.encode()
    listed = [entry["Key"] for entry in s3.list_objects_v2(Bucket=bucket)["Contents"]]
    assert listed == sorted(listed, key=str.encode)
    assert len(listed) == 8


def test_request_time_is_checked(cloud, s3, bucket):
    """A presigned URL ends (recorded: test_presigned_url_signature_authentication_expired)."""
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    url = s3.generate_presigned_url("get_object", {"Bucket": bucket, "Key": "k"}, ExpiresIn=60)
    assert cloud.http("GET", url).body == b"x"
    assert basic_time(cloud.clock.now()).endswith("Z")
