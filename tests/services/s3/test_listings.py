"""Listings: https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectsV2.html, against a plain model."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st


def walk(s3, bucket, size, **given):
    """Keys and prefixes of all pages."""
    keys, prefixes, token = [], [], {}
    for _ in range(100):
        page = s3.list_objects_v2(Bucket=bucket, MaxKeys=size, **given, **token)
        here = [entry["Key"] for entry in page.get("Contents", [])]
        rolled = [entry["Prefix"] for entry in page.get("CommonPrefixes", [])]
        assert page["KeyCount"] == len(here) + len(rolled) <= size
        keys, prefixes = keys + here, prefixes + rolled
        if not page["IsTruncated"]:
            return keys, prefixes
        token = {"ContinuationToken": page["NextContinuationToken"]}
    raise AssertionError("the listing does not end")


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    st.sets(st.text("ab/é", min_size=1, max_size=4), max_size=8),
    st.sampled_from(["", "/", "a", "é", "b/"]),
    st.sampled_from(["", "a", "a/", "é"]),
    st.integers(1, 4),
)
def test_pages_agree_with_a_model(s3, bucket, keys, delimiter, prefix, size):
    old = s3.list_objects_v2(Bucket=bucket).get("Contents", [])
    for entry in old:
        s3.delete_object(Bucket=bucket, Key=entry["Key"])
    for key in keys:
        s3.put_object(Bucket=bucket, Key=key)
    expected, rolled = [], []
    for key in sorted(keys, key=str.encode):
        if not key.startswith(prefix):
            continue
        rest = key[len(prefix) :]
        if delimiter and delimiter in rest:
            name = prefix + rest.partition(delimiter)[0] + delimiter
            if name not in rolled:
                rolled.append(name)
        else:
            expected.append(key)
    assert walk(s3, bucket, size, Prefix=prefix, Delimiter=delimiter) == (expected, rolled)


@pytest.fixture
def filled(s3, bucket):
    for key in ("a", "b/1", "b/2", "c", "d é"):
        s3.put_object(Bucket=bucket, Key=key, Body=b"x")
    return bucket


def test_version_1(s3, filled):
    page = s3.list_objects(Bucket=filled, Delimiter="/", MaxKeys=2)
    assert [entry["Key"] for entry in page["Contents"]] == ["a"]
    assert page["CommonPrefixes"] == [{"Prefix": "b/"}]
    assert (page["NextMarker"], page["Marker"], page["IsTruncated"]) == ("b/", "", True)
    page = s3.list_objects(Bucket=filled, Delimiter="/", Marker="b/")
    assert [entry["Key"] for entry in page["Contents"]] == ["c", "d é"]
    assert "Owner" in page["Contents"][0]
    assert "NextMarker" not in s3.list_objects(Bucket=filled, MaxKeys=2)


def test_version_2(s3, filled, refused):
    page = s3.list_objects_v2(Bucket=filled, StartAfter="b/1")
    assert [entry["Key"] for entry in page["Contents"]] == ["b/2", "c", "d é"]
    assert page["StartAfter"] == "b/1"
    assert "Owner" not in page["Contents"][0]
    assert "Owner" in s3.list_objects_v2(Bucket=filled, FetchOwner=True)["Contents"][0]
    error = refused(s3.list_objects_v2, Bucket=filled, ContinuationToken="nonsense!")
    assert error["Code"] == "InvalidArgument"
    assert error["Message"] == "The continuation token provided is incorrect"
    empty = s3.list_objects_v2(Bucket=filled, MaxKeys=0)
    assert (empty["KeyCount"], empty["IsTruncated"]) == (0, False)


@pytest.mark.parametrize(
    "operation",
    ["list_objects", "list_objects_v2", "list_object_versions", "list_multipart_uploads"],
)
def test_encoding_type(s3, bucket, refused, operation):
    """Recorded: test_list_ops_encoding_type_validation."""
    error = refused(getattr(s3, operation), Bucket=bucket, EncodingType="value")
    assert error == {
        "Code": "InvalidArgument",
        "Message": "Invalid Encoding Method specified in Request",
        "ArgumentName": "encoding-type",
        "ArgumentValue": "value",
        "Status": 400,
    }
