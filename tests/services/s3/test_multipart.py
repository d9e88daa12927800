"""Uploads in parts. Wording is from answers recorded of the real service."""

from __future__ import annotations

import hashlib

import pytest

PART = 5 * 1024 * 1024
NO_UPLOAD = {
    "Code": "NoSuchUpload",
    "Message": "The specified upload does not exist. The upload ID may be invalid, or the upload may have "
    "been aborted or completed.",
    "UploadId": "fakeid",
    "Status": 404,
}


@pytest.fixture
def upload(s3, bucket):
    """Where parts go: Bucket, Key and UploadId."""
    made = s3.create_multipart_upload(
        Bucket=bucket, Key="k", ContentType="text/plain", Metadata={"a": "b"}
    )
    return {"Bucket": bucket, "Key": "k", "UploadId": made["UploadId"]}


def put(s3, upload, number, body):
    etag = s3.upload_part(**upload, PartNumber=number, Body=body)["ETag"]
    return {"PartNumber": number, "ETag": etag}


def complete(s3, upload, parts):
    return s3.complete_multipart_upload(**upload, MultipartUpload={"Parts": parts})


def test_whole(s3, upload, refused):
    first, second = put(s3, upload, 1, b"a" * PART), put(s3, upload, 3, b"tail")
    listed = s3.list_parts(**upload)
    assert [part["PartNumber"] for part in listed["Parts"]] == [1, 3]
    assert listed["NextPartNumberMarker"] == 3
    done = complete(s3, upload, [first, second])
    digests = hashlib.md5(b"a" * PART).digest() + hashlib.md5(b"tail").digest()
    assert done["ETag"] == f'"{hashlib.md5(digests).hexdigest()}-2"'
    head = s3.head_object(Bucket=upload["Bucket"], Key="k")
    assert (head["ContentLength"], head["ContentType"], head["Metadata"]) == (
        PART + 4,
        "text/plain",
        {"a": "b"},
    )
    got = s3.get_object(Bucket=upload["Bucket"], Key="k", Range=f"bytes={PART - 2}-{PART + 1}")
    assert got["Body"].read() == b"aata"
    assert got["ResponseMetadata"]["HTTPStatusCode"] == 206
    part = s3.get_object(Bucket=upload["Bucket"], Key="k", PartNumber=1)
    assert (part["ContentLength"], part["PartsCount"]) == (PART, 2)
    assert refused(s3.list_parts, **upload)["Code"] == "NoSuchUpload"


def test_replaced_parts_and_refusals(s3, upload, refused):
    small = put(s3, upload, 1, b"tiny")
    tail = put(s3, upload, 2, b"tail")
    error = refused(complete, s3=s3, upload=upload, parts=[small, tail])
    assert (error["Code"], error["ProposedSize"], error["MinSizeAllowed"], error["PartNumber"]) == (
        "EntityTooSmall",
        "4",
        "5242880",
        "1",
    )
    error = refused(complete, s3=s3, upload=upload, parts=[tail, small])
    assert error["Code"] == "InvalidPartOrder"
    error = refused(complete, s3=s3, upload=upload, parts=[{"PartNumber": 9, "ETag": '"x"'}])
    assert (error["Code"], error["Status"]) == ("InvalidPart", 400)
    error = refused(complete, s3=s3, upload=upload, parts=[])
    assert error["Code"] in ("MalformedXML", "InvalidRequest")
    put(s3, upload, 1, b"other")
    assert refused(complete, s3=s3, upload=upload, parts=[small])["Code"] == "InvalidPart"


def test_aborting(s3, upload, refused):
    put(s3, upload, 1, b"x")
    [entry] = s3.list_multipart_uploads(Bucket=upload["Bucket"])["Uploads"]
    assert entry["UploadId"] == upload["UploadId"]
    s3.abort_multipart_upload(**upload)
    assert "Uploads" not in s3.list_multipart_uploads(Bucket=upload["Bucket"])
    assert refused(s3.abort_multipart_upload, **upload)["Code"] == "NoSuchUpload"


def test_unknown_upload(s3, bucket, refused):
    """Recorded: test_multipart_no_such_upload."""
    where = {"Bucket": bucket, "Key": "k", "UploadId": "fakeid"}
    assert refused(s3.upload_part, **where, PartNumber=1, Body=b"") == NO_UPLOAD
    assert refused(s3.abort_multipart_upload, **where) == NO_UPLOAD
    assert (
        refused(complete, s3=s3, upload=where, parts=[{"PartNumber": 1, "ETag": '"x"'}])
        == NO_UPLOAD
    )


def test_copied_parts(s3, bucket, upload, refused):
    """Recorded: test_upload_part_copy_range."""
    s3.put_object(Bucket=bucket, Key="source", Body=b"0123456789")
    source = {"Bucket": bucket, "Key": "source"}
    made = s3.upload_part_copy(
        **upload, PartNumber=1, CopySource=source, CopySourceRange="bytes=0-8"
    )
    assert made["CopyPartResult"]["ETag"] == f'"{hashlib.md5(b"012345678").hexdigest()}"'
    for asked in ("0-8", "bytes=1-0", "bytes=-2", "bytes=1-", "bytes=0-1,3-4"):
        error = refused(
            s3.upload_part_copy, **upload, PartNumber=1, CopySource=source, CopySourceRange=asked
        )
        assert (error["Code"], error["ArgumentValue"]) == ("InvalidArgument", asked)
    error = refused(
        s3.upload_part_copy,
        **upload,
        PartNumber=1,
        CopySource=source,
        CopySourceRange="bytes=0-100",
    )
    assert error["Message"] == "Range specified is not valid for source object of size: 10"


@pytest.mark.parametrize(
    ("algorithm", "kind", "ok"),
    [
        ("CRC32", "FULL_OBJECT", True),
        ("CRC32", "COMPOSITE", True),
        ("CRC64NVME", "FULL_OBJECT", True),
        ("CRC64NVME", "COMPOSITE", False),
        ("SHA256", "COMPOSITE", True),
        ("SHA256", "FULL_OBJECT", False),
    ],
)
def test_checksum_types(s3, bucket, refused, algorithm, kind, ok):
    """Recorded: test_multipart_checksum_type_compatibility."""
    asked = {"Bucket": bucket, "Key": "k", "ChecksumAlgorithm": algorithm, "ChecksumType": kind}
    if not ok:
        error = refused(s3.create_multipart_upload, **asked)
        assert error["Message"] == (
            f"The {kind} checksum type cannot be used with the {algorithm.lower()} checksum algorithm."
        )
        return
    made = s3.create_multipart_upload(**asked)
    upload = {"Bucket": bucket, "Key": "k", "UploadId": made["UploadId"]}
    member = f"Checksum{algorithm}"
    parts = []
    for number, body in ((1, b"a" * PART), (2, b"tail")):
        part = s3.upload_part(**upload, PartNumber=number, Body=body, ChecksumAlgorithm=algorithm)
        parts.append({"PartNumber": number, "ETag": part["ETag"], member: part[member]})
    done = complete(s3, upload, parts)
    assert done["ChecksumType"] == kind
    assert done[member].endswith("-2") is (kind == "COMPOSITE")
    if kind == "FULL_OBJECT":
        whole = s3.put_object(
            Bucket=bucket, Key="w", Body=b"a" * PART + b"tail", ChecksumAlgorithm=algorithm
        )
        assert done[member] == whole[member]
