"""A bucket's configurations as Terraform reads them: what is there by default, and the exact refusals."""

from __future__ import annotations

import pytest


@pytest.mark.parametrize(
    ("operation", "code", "message"),
    [
        ("get_bucket_policy", "NoSuchBucketPolicy", "The bucket policy does not exist"),
        ("get_bucket_cors", "NoSuchCORSConfiguration", "The CORS configuration does not exist"),
        (
            "get_bucket_website",
            "NoSuchWebsiteConfiguration",
            "The specified bucket does not have a website configuration",
        ),
        (
            "get_bucket_lifecycle_configuration",
            "NoSuchLifecycleConfiguration",
            "The lifecycle configuration does not exist",
        ),
        (
            "get_bucket_replication",
            "ReplicationConfigurationNotFoundError",
            "The replication configuration was not found",
        ),
        ("get_bucket_tagging", "NoSuchTagSet", "The TagSet does not exist"),
        (
            "get_object_lock_configuration",
            "ObjectLockConfigurationNotFoundError",
            "Object Lock configuration does not exist for this bucket",
        ),
    ],
)
def test_what_is_not_configured(s3, bucket, refused, operation, code, message):
    error = refused(getattr(s3, operation), Bucket=bucket)
    assert error == {"Code": code, "Message": message, "BucketName": bucket, "Status": 404}


def test_defaults(s3, bucket):
    rule = s3.get_bucket_encryption(Bucket=bucket)["ServerSideEncryptionConfiguration"]["Rules"]
    assert rule[0]["ApplyServerSideEncryptionByDefault"] == {"SSEAlgorithm": "AES256"}
    block = s3.get_public_access_block(Bucket=bucket)["PublicAccessBlockConfiguration"]
    assert set(block.values()) == {True}
    controls = s3.get_bucket_ownership_controls(Bucket=bucket)["OwnershipControls"]
    assert controls == {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]}
    assert s3.get_bucket_request_payment(Bucket=bucket)["Payer"] == "BucketOwner"
    for name in ("versioning", "logging", "accelerate_configuration"):
        answer = getattr(s3, f"get_bucket_{name}")(Bucket=bucket)
        assert set(answer) == {"ResponseMetadata"}
    grants = s3.get_bucket_acl(Bucket=bucket)["Grants"]
    assert [grant["Permission"] for grant in grants] == ["FULL_CONTROL"]


CORS = {
    "CORSRules": [
        {"AllowedMethods": ["GET", "PUT"], "AllowedOrigins": ["https://*.example.com"],
         "AllowedHeaders": ["*"], "ExposeHeaders": ["ETag"], "MaxAgeSeconds": 60}
    ]
}  # fmt: skip
WEBSITE = {"IndexDocument": {"Suffix": "index.html"}, "ErrorDocument": {"Key": "error.html"}}
LIFECYCLE = {
    "Rules": [
        {"ID": "old", "Status": "Enabled", "Filter": {"Prefix": "logs/"}, "Expiration": {"Days": 7}}
    ]
}


@pytest.mark.parametrize(
    ("name", "member", "value"),
    [
        ("cors", "CORSConfiguration", CORS),
        ("website", "WebsiteConfiguration", WEBSITE),
        ("lifecycle_configuration", "LifecycleConfiguration", LIFECYCLE),
    ],
)
def test_round_trips(s3, bucket, refused, name, member, value):
    getattr(s3, f"put_bucket_{name}")(Bucket=bucket, **{member: value})
    got = getattr(s3, f"get_bucket_{name}")(Bucket=bucket)
    assert {part: got[part] for part in value} == value
    getattr(s3, f"delete_bucket_{name.partition('_')[0]}")(Bucket=bucket)
    assert refused(getattr(s3, f"get_bucket_{name}"), Bucket=bucket)["Status"] == 404


def test_tags(s3, bucket):
    tags = [{"Key": "a", "Value": "1"}, {"Key": "b", "Value": ""}]
    s3.put_bucket_tagging(Bucket=bucket, Tagging={"TagSet": tags})
    assert s3.get_bucket_tagging(Bucket=bucket)["TagSet"] == tags


def test_deleted_controls(s3, bucket, refused):
    s3.delete_public_access_block(Bucket=bucket)
    error = refused(s3.get_public_access_block, Bucket=bucket)
    assert error["Code"] == "NoSuchPublicAccessBlockConfiguration"
    s3.delete_bucket_ownership_controls(Bucket=bucket)
    error = refused(s3.get_bucket_ownership_controls, Bucket=bucket)
    assert error["Code"] == "OwnershipControlsNotFoundError"


def test_malformed_versioning(s3, bucket, cloud):
    answer = cloud.http(
        "PUT", f"http://127.0.0.1:4566/{bucket}?versioning", body=b"<Versioning", headers={}
    )
    assert answer.status in (400, 403)
    assert b"<Code>" in answer.body
