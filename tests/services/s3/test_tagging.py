"""Tags. Codes and wording are from answers recorded of the real service (test_tagging_validation, …_exc)."""

from __future__ import annotations

import pytest

MALFORMED = (
    "The XML you provided was not well-formed or did not validate against our published schema"
)
DUPLICATE = [{"Key": "Key1", "Value": "a"}, {"Key": "Key1", "Value": "b"}]
BAD = [
    (DUPLICATE, "Cannot provide multiple Tags with the same key", {"TagKey": "Key1"}),
    (
        [{"Key": "Key1,Key2", "Value": "a"}],
        "The TagKey you have provided is invalid",
        {"TagKey": "Key1,Key2"},
    ),
    (
        [{"Key": "Key1", "Value": "Val1,Val2"}],
        "The TagValue you have provided is invalid",
        {"TagKey": "Key1", "TagValue": "Val1,Val2"},
    ),
]


@pytest.mark.parametrize(("tags", "message", "fields"), BAD)
@pytest.mark.parametrize("what", ["bucket", "object"])
def test_validation(s3, bucket, refused, what, tags, message, fields):
    s3.put_object(Bucket=bucket, Key="k")
    call = s3.put_bucket_tagging if what == "bucket" else s3.put_object_tagging
    where = {"Bucket": bucket} if what == "bucket" else {"Bucket": bucket, "Key": "k"}
    error = refused(call, **where, Tagging={"TagSet": tags})
    assert error == {"Code": "InvalidTag", "Message": message, "Status": 400, **fields}


def test_system_tags(s3, bucket, refused):
    s3.put_object(Bucket=bucket, Key="k")
    tags = {"TagSet": [{"Key": "aws:prefixed", "Value": "a"}]}
    error = refused(s3.put_bucket_tagging, Bucket=bucket, Tagging=tags)
    assert error["Message"] == "System tags cannot be added/updated by requester"
    error = refused(s3.put_object_tagging, Bucket=bucket, Key="k", Tagging=tags)
    assert error["Message"] == "Your TagKey cannot be prefixed with aws:"


@pytest.mark.parametrize("text", ["key1=val1&key1=val2", "key1=val1,key2=val2"])
def test_tags_in_the_header(s3, bucket, refused, text):
    error = refused(s3.put_object, Bucket=bucket, Key="k", Tagging=text)
    assert (error["Code"], error["ArgumentName"], error["ArgumentValue"]) == (
        "InvalidArgument",
        "x-amz-tagging",
        text,
    )


def test_object_tags(s3, versioned, refused):
    first = s3.put_object(Bucket=versioned, Key="k", Tagging="a=1")["VersionId"]
    s3.put_object(Bucket=versioned, Key="k")
    where = {"Bucket": versioned, "Key": "k"}
    assert s3.get_object_tagging(**where)["TagSet"] == []
    assert s3.get_object_tagging(**where, VersionId=first)["TagSet"] == [{"Key": "a", "Value": "1"}]
    s3.put_object_tagging(**where, Tagging={"TagSet": [{"Key": "b", "Value": "2"}]})
    assert s3.get_object_tagging(**where)["TagSet"] == [{"Key": "b", "Value": "2"}]
    assert s3.delete_object_tagging(**where)["ResponseMetadata"]["HTTPStatusCode"] == 204
    assert s3.get_object_tagging(**where)["TagSet"] == []
    assert refused(s3.put_object_tagging, Bucket=versioned, Key="none", Tagging={"TagSet": []}) == {
        "Code": "NoSuchKey",
        "Message": "The specified key does not exist.",
        "Key": "none",
        "Status": 404,
    }
