"""Buckets. Wording and fields are from answers recorded of the real service, or the page named."""

from __future__ import annotations

import pytest


def test_create_and_describe(s3):
    assert s3.create_bucket(Bucket="my-bucket")["Location"] == "/my-bucket"
    assert s3.get_bucket_location(Bucket="my-bucket")["LocationConstraint"] is None
    head = s3.head_bucket(Bucket="my-bucket")
    assert (head["BucketRegion"], head["AccessPointAlias"]) == ("us-east-1", False)
    assert [entry["Name"] for entry in s3.list_buckets()["Buckets"]] == ["my-bucket"]


def test_regions(cloud, s3, refused):
    """Recorded: test_different_location_constraint."""
    other = cloud.client("s3", region="us-west-1")
    to_east = {"LocationConstraint": "us-east-1"}
    error = refused(s3.create_bucket, Bucket="my-bucket", CreateBucketConfiguration=to_east)
    assert error == {
        "Code": "InvalidLocationConstraint",
        "LocationConstraint": "us-east-1",
        "Message": "The specified location-constraint is not valid",
        "Status": 400,
    }
    error = refused(other.create_bucket, Bucket="my-bucket")
    assert error["Code"] == "IllegalLocationConstraintException"
    assert error["Message"] == (
        "The unspecified location constraint is incompatible for the region specific endpoint this "
        "request was sent to."
    )
    wrong = {"LocationConstraint": "us-east-2"}
    error = refused(other.create_bucket, Bucket="my-bucket", CreateBucketConfiguration=wrong)
    assert error["Message"].startswith("The us-east-2 location constraint is incompatible for")
    right = {"LocationConstraint": "us-west-1"}
    made = other.create_bucket(Bucket="my-bucket", CreateBucketConfiguration=right)
    assert made["Location"] == "http://my-bucket.s3.amazonaws.com/"
    assert other.get_bucket_location(Bucket="my-bucket")["LocationConstraint"] == "us-west-1"


def test_existing_names(cloud, s3, refused):
    """Recorded: test_create_bucket_with_existing_name; in us-east-1 one's own may be made again."""
    s3.create_bucket(Bucket="my-bucket")
    s3.create_bucket(Bucket="my-bucket")
    other = cloud.client("s3", region="us-west-1")
    right = {"LocationConstraint": "us-west-1"}
    error = refused(other.create_bucket, Bucket="my-bucket", CreateBucketConfiguration=right)
    assert (error["Code"], error["Status"]) == ("BucketAlreadyOwnedByYou", 409)
    stranger = cloud.client("s3", access_key="111111111111")
    error = refused(stranger.create_bucket, Bucket="my-bucket")
    assert (error["Code"], error["Status"]) == ("BucketAlreadyExists", 409)


@pytest.mark.parametrize(
    "name", ["ab", "A-bucket", "a_bucket", "-bucket", "bucket-", "a..b", "192.168.5.4", "x" * 64]
)
def test_names(s3, cloud, refused, name):
    """https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html"""
    error = refused(s3.create_bucket, Bucket=name)
    assert (error["Code"], error["Status"]) == ("InvalidBucketName", 400)
    assert error["Message"] == "The specified bucket is not valid."


def test_delete(s3, bucket, refused):
    s3.put_object(Bucket=bucket, Key="k")
    error = refused(s3.delete_bucket, Bucket=bucket)
    assert (error["Code"], error["Status"]) == ("BucketNotEmpty", 409)
    s3.delete_object(Bucket=bucket, Key="k")
    assert s3.delete_bucket(Bucket=bucket)["ResponseMetadata"]["HTTPStatusCode"] == 204
    assert refused(s3.head_bucket, Bucket=bucket)["Status"] == 404


def test_delete_with_versions(s3, versioned, refused):
    s3.put_object(Bucket=versioned, Key="k")
    s3.delete_object(Bucket=versioned, Key="k")
    error = refused(s3.delete_bucket, Bucket=versioned)
    assert error["Message"] == (
        "The bucket you tried to delete is not empty. You must delete all versions in the bucket."
    )


def test_expected_owner(s3, bucket, refused):
    s3.head_bucket(Bucket=bucket, ExpectedBucketOwner="000000000000")
    error = refused(s3.get_bucket_location, Bucket=bucket, ExpectedBucketOwner="111111111111")
    assert (error["Code"], error["Status"]) == ("AccessDenied", 403)
