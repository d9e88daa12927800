"""RestoreObject. https://docs.aws.amazon.com/AmazonS3/latest/API/API_RestoreObject.html"""

from __future__ import annotations

from typing import Any

from tests.services.s3.words import BUCKET, body, put, refused


def test_restore(s3: Any, bucket: str) -> None:
    put(s3, "k", b"old", StorageClass="GLACIER")
    assert refused(s3.get_object, Bucket=BUCKET, Key="k")["Code"] == "InvalidObjectState"
    s3.restore_object(Bucket=BUCKET, Key="k", RestoreRequest={"Days": 2})
    assert body(s3, "k") == b"old"
    told = s3.head_object(Bucket=BUCKET, Key="k")
    assert told["Restore"].startswith('ongoing-request="false", expiry-date="')
    assert told["StorageClass"] == "GLACIER"


def test_refusals(s3: Any, bucket: str) -> None:
    put(s3, "k")
    error = refused(s3.restore_object, Bucket=BUCKET, Key="k", RestoreRequest={"Days": 1})
    assert (error["Code"], error["Status"]) == ("InvalidObjectState", 403)
    put(s3, "k", StorageClass="GLACIER")
    error = refused(s3.restore_object, Bucket=BUCKET, Key="k", RestoreRequest={})
    assert error["Code"] == "MalformedXML"
    error = refused(s3.restore_object, Bucket=BUCKET, Key="k", RestoreRequest={"Type": "SELECT"})
    assert error["Status"] == 501
