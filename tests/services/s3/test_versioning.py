"""Versions and delete markers: https://docs.aws.amazon.com/AmazonS3/latest/userguide/versioning-workflows.html"""

from __future__ import annotations


def versions_of(s3, bucket, **given):
    answer = s3.list_object_versions(Bucket=bucket, **given)
    entries = answer.get("Versions", []) + answer.get("DeleteMarkers", [])
    return {entry["VersionId"]: entry for entry in entries}


def test_versions_and_markers(s3, versioned, refused):
    where = {"Bucket": versioned, "Key": "k"}
    first = s3.put_object(**where, Body=b"1")["VersionId"]
    second = s3.put_object(**where, Body=b"2")["VersionId"]
    assert len(first) == 32
    assert first != second
    assert s3.get_object(**where)["Body"].read() == b"2"
    assert s3.get_object(**where, VersionId=first)["Body"].read() == b"1"
    marker = s3.delete_object(**where)
    assert marker["DeleteMarker"] is True
    error = refused(s3.get_object, **where)
    assert (error["Code"], error["Key"], error["Status"]) == ("NoSuchKey", "k", 404)
    error = refused(s3.get_object, **where, VersionId=marker["VersionId"])
    assert (error["Code"], error["ResourceType"], error["Status"]) == (
        "MethodNotAllowed",
        "DeleteMarker",
        405,
    )
    found = versions_of(s3, versioned)
    assert [found[v]["IsLatest"] for v in (first, second, marker["VersionId"])] == [
        False,
        False,
        True,
    ]
    gone = s3.delete_object(**where, VersionId=marker["VersionId"])
    assert (gone["DeleteMarker"], gone["VersionId"]) == (True, marker["VersionId"])
    assert s3.get_object(**where)["VersionId"] == second
    s3.delete_object(**where, VersionId=second)
    assert s3.get_object(**where)["Body"].read() == b"1"


def test_suspended(s3, versioned):
    where = {"Bucket": versioned, "Key": "k"}
    kept = s3.put_object(**where, Body=b"1")["VersionId"]
    s3.put_bucket_versioning(Bucket=versioned, VersioningConfiguration={"Status": "Suspended"})
    s3.put_object(**where, Body=b"2")
    s3.put_object(**where, Body=b"3")
    found = versions_of(s3, versioned)
    assert set(found) == {kept, "null"}
    assert s3.get_object(**where, VersionId="null")["Body"].read() == b"3"
    marker = s3.delete_object(**where)
    assert (marker["VersionId"], marker["DeleteMarker"]) == ("null", True)
    assert set(versions_of(s3, versioned)) == {kept, "null"}


def test_null_versions_from_before(s3, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=b"old")
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    new = s3.put_object(Bucket=bucket, Key="k", Body=b"new")["VersionId"]
    assert set(versions_of(s3, bucket)) == {"null", new}
    assert s3.get_object(Bucket=bucket, Key="k", VersionId="null")["Body"].read() == b"old"


def test_unknown_versions(s3, versioned, refused):
    made = s3.put_object(Bucket=versioned, Key="k")["VersionId"]
    error = refused(s3.get_object, Bucket=versioned, Key="k", VersionId="nonsense")
    assert (error["Code"], error["Message"]) == ("InvalidArgument", "Invalid version id specified")
    other = ("A" if made[0] != "A" else "B") + made[1:]
    error = refused(s3.get_object, Bucket=versioned, Key="k", VersionId=other)
    assert (error["Code"], error["Status"]) == ("NoSuchVersion", 404)


def test_pages_of_versions(s3, versioned):
    made = [
        s3.put_object(Bucket=versioned, Key=key)["VersionId"] for key in ("a", "a", "a", "b", "c/1")
    ]
    seen, marker = [], {}
    for _ in range(10):
        page = s3.list_object_versions(Bucket=versioned, MaxKeys=2, **marker)
        seen += [entry["VersionId"] for entry in page.get("Versions", [])]
        if not page["IsTruncated"]:
            break
        marker = {
            "KeyMarker": page["NextKeyMarker"],
            "VersionIdMarker": page["NextVersionIdMarker"],
        }
    assert seen == [made[2], made[1], made[0], made[3], made[4]]
    rolled = s3.list_object_versions(Bucket=versioned, Delimiter="/")
    assert rolled["CommonPrefixes"] == [{"Prefix": "c/"}]
