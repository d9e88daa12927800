"""Removing objects: https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteObjects.html"""

from __future__ import annotations


def test_delete(s3, bucket):
    s3.put_object(Bucket=bucket, Key="k")
    for _ in range(2):
        assert s3.delete_object(Bucket=bucket, Key="k")["ResponseMetadata"]["HTTPStatusCode"] == 204


def test_many(s3, bucket):
    for key in ("a", "b"):
        s3.put_object(Bucket=bucket, Key=key)
    done = s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": "a"}, {"Key": "none"}]})
    assert done["Deleted"] == [{"Key": "a"}, {"Key": "none"}]
    objects = {"Objects": [{"Key": "b"}], "Quiet": True}
    assert "Deleted" not in s3.delete_objects(Bucket=bucket, Delete=objects)
    assert "Contents" not in s3.list_objects_v2(Bucket=bucket)


def test_many_versions(s3, versioned):
    made = s3.put_object(Bucket=versioned, Key="k")["VersionId"]
    done = s3.delete_objects(Bucket=versioned, Delete={"Objects": [{"Key": "k"}]})
    [deleted] = done["Deleted"]
    assert (deleted["DeleteMarker"], deleted["Key"]) == (True, "k")
    ids = [{"Key": "k", "VersionId": v} for v in (made, deleted["DeleteMarkerVersionId"])]
    done = s3.delete_objects(Bucket=versioned, Delete={"Objects": ids})
    assert {entry["VersionId"] for entry in done["Deleted"]} == {
        entry["VersionId"] for entry in ids
    }
    assert "Versions" not in s3.list_object_versions(Bucket=versioned)


def test_too_many_or_none(s3, bucket, refused):
    """Recorded wording of MalformedXML."""
    keys = [{"Key": f"k{at}"} for at in range(1001)]
    error = refused(s3.delete_objects, Bucket=bucket, Delete={"Objects": keys})
    assert (error["Code"], error["Status"]) == ("MalformedXML", 400)
