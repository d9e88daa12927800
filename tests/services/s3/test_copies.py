"""Copies. Wording is from answers recorded of the real service."""

from __future__ import annotations

import pytest


@pytest.fixture
def source(s3, bucket):
    s3.put_object(
        Bucket=bucket, Key="a b", Body=b"x", Metadata={"a": "1"}, ContentType="x/y", Tagging="t=1"
    )
    return {"Bucket": bucket, "Key": "a b"}


def test_copy_keeps_or_replaces(s3, bucket, source):
    made = s3.copy_object(Bucket=bucket, Key="copy", CopySource=source)
    assert made["CopyObjectResult"]["ETag"] == '"9dd4e461268c8034f5c8564e155c67a6"'
    head = s3.head_object(Bucket=bucket, Key="copy")
    assert (head["Metadata"], head["ContentType"], head["TagCount"]) == ({"a": "1"}, "x/y", 1)
    s3.copy_object(
        Bucket=bucket,
        Key="copy",
        CopySource=source,
        MetadataDirective="REPLACE",
        Metadata={"b": "2"},
        TaggingDirective="REPLACE",
        Tagging="u=2",
    )
    head = s3.head_object(Bucket=bucket, Key="copy")
    assert (head["Metadata"], head["ContentType"]) == ({"b": "2"}, "binary/octet-stream")
    tags = s3.get_object_tagging(Bucket=bucket, Key="copy")["TagSet"]
    assert tags == [{"Key": "u", "Value": "2"}]


def test_copy_to_itself(s3, bucket, source, refused):
    error = refused(s3.copy_object, Bucket=bucket, Key="a b", CopySource=source)
    assert (error["Code"], error["Status"]) == ("InvalidRequest", 400)
    assert error["Message"] == (
        "This copy request is illegal because it is trying to copy an object to itself without changing "
        "the object's metadata, storage class, website redirect location or encryption attributes."
    )
    s3.copy_object(Bucket=bucket, Key="a b", CopySource=source, MetadataDirective="REPLACE")


def test_copy_conditions(s3, bucket, source, refused):
    etag = '"9dd4e461268c8034f5c8564e155c67a6"'
    there = {"Bucket": bucket, "Key": "copy", "CopySource": source}
    s3.copy_object(**there, CopySourceIfMatch=etag)
    error = refused(s3.copy_object, **there, CopySourceIfMatch='"x"')
    assert error["Condition"] == "x-amz-copy-source-If-Match"
    error = refused(s3.copy_object, **there, CopySourceIfNoneMatch=etag)
    assert (error["Condition"], error["Status"]) == ("x-amz-copy-source-If-None-Match", 412)


def test_absent_source(s3, bucket, refused):
    error = refused(s3.copy_object, Bucket=bucket, Key="k", CopySource=f"{bucket}/none")
    assert (error["Code"], error["Status"]) == ("NoSuchKey", 404)
    error = refused(s3.copy_object, Bucket=bucket, Key="k", CopySource="none-such/none")
    assert (error["Code"], error["Status"]) == ("NoSuchBucket", 404)


def test_copy_of_a_version(s3, versioned):
    first = s3.put_object(Bucket=versioned, Key="k", Body=b"1")["VersionId"]
    s3.put_object(Bucket=versioned, Key="k", Body=b"2")
    where = {"Bucket": versioned, "Key": "k", "VersionId": first}
    made = s3.copy_object(Bucket=versioned, Key="c", CopySource=where)
    assert made["CopySourceVersionId"] == first
    assert s3.get_object(Bucket=versioned, Key="c")["Body"].read() == b"1"
