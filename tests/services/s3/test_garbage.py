"""Bytes that nothing points at any more go, but not under a reader's hands; and a crash in between changes nothing."""

from __future__ import annotations

from typing import Any

import pytest

from serein.services.s3.bodies import GARBAGE_AFTER_S
from serein.services.s3.records import GARBAGE, OBJECTS, PARTS
from serein.store.blobs import BlobId, BlobMissing
from tests.cloud import Cloud
from tests.services.s3.words import BUCKET, put, refused

LONG = b"long" * 50_000


def blob_of(cloud: Cloud, key: str) -> BlobId:
    found = cloud.context().read().get(OBJECTS, BUCKET, key)
    assert found is not None
    [piece] = found.pieces
    return BlobId(piece.blob)


def is_there(cloud: Cloud, blob: BlobId) -> bool:
    try:
        cloud.run(cloud.context().blobs.size_bytes(blob))
    except BlobMissing:
        return False
    return True


@pytest.mark.parametrize("how", ["replaced", "deleted"])
def test_bytes_go_after_a_while(cloud: Cloud, s3: Any, bucket: str, how: str) -> None:
    put(s3, "k", LONG)
    blob = blob_of(cloud, "k")
    if how == "replaced":
        put(s3, "k", LONG)
    else:
        s3.delete_object(Bucket=BUCKET, Key="k")
    cloud.advance(GARBAGE_AFTER_S - 1)
    assert is_there(cloud, blob)
    cloud.advance(2)
    assert not is_there(cloud, blob)
    assert cloud.context().read().count(GARBAGE) == 0


def test_a_crash_between_blob_and_row(cloud: Cloud, s3: Any, bucket: str) -> None:
    put(s3, "k", LONG)
    blob = blob_of(cloud, "k")
    s3.delete_object(Bucket=BUCKET, Key="k")
    cloud.run(cloud.context().blobs.delete(blob))
    cloud.advance(GARBAGE_AFTER_S + 1)
    assert cloud.context().read().count(GARBAGE) == 0


def test_older_versions_keep_their_bytes(cloud: Cloud, s3: Any, versioned: str) -> None:
    made = put(s3, "k", LONG)["VersionId"]
    blob = blob_of(cloud, "k")
    put(s3, "k", b"short")
    s3.delete_object(Bucket=BUCKET, Key="k")
    cloud.advance(2 * GARBAGE_AFTER_S)
    assert is_there(cloud, blob)
    cx = cloud.context()
    gone = {"Bucket": BUCKET, "Key": "k", "VersionId": made}
    cloud.run(cx.call(cx.make_call("s3", "DeleteObject", gone)))
    cloud.advance(GARBAGE_AFTER_S + 1)
    assert not is_there(cloud, blob)


def test_parts_that_are_not_used(cloud: Cloud, s3: Any, bucket: str) -> None:
    upload = s3.create_multipart_upload(Bucket=BUCKET, Key="k")["UploadId"]
    named = {"Bucket": BUCKET, "Key": "k", "UploadId": upload}
    s3.upload_part(**named, PartNumber=1, Body=b"first try")
    s3.upload_part(**named, PartNumber=2, Body=b"unused")
    tried = [part.blob for part in cloud.context().read().scan(PARTS)]
    etag = s3.upload_part(**named, PartNumber=1, Body=b"second try")["ETag"]
    parts = [{"PartNumber": 1, "ETag": etag}]
    s3.complete_multipart_upload(**named, MultipartUpload={"Parts": parts})
    cloud.advance(GARBAGE_AFTER_S + 1)
    assert [is_there(cloud, BlobId(blob)) for blob in tried] == [False, False]
    assert is_there(cloud, blob_of(cloud, "k"))


def test_refused_bodies_leave_nothing(cloud: Cloud, s3: Any, bucket: str) -> None:
    blobs = cloud.context().blobs
    put(s3, "k", LONG)
    before = blob_of(cloud, "k")
    error = refused(put, s3, "k", LONG, ChecksumSHA1="2jmj7l5rSw0yVb/vlWAYkK/YBwk=")
    assert error["Code"] == "BadDigest"
    assert refused(put, s3, "k", LONG, IfNoneMatch="*")["Status"] == 412
    assert blob_of(cloud, "k") == before
    assert cloud.run(blobs.list_old(0.0)) == [before]
