"""Bucket policies, ACLs, ownership and public access; wording from answers recorded of the real service."""

from __future__ import annotations

import json

import pytest


def policy(bucket, **statement):
    given = {
        "Effect": "Allow",
        "Principal": "*",
        "Action": "s3:GetObject",
        "Resource": f"arn:aws:s3:::{bucket}/*",
        **statement,
    }
    return json.dumps({"Version": "2012-10-17", "Statement": [given]})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("random", "Policies must be valid JSON and the first byte must be '{'"),
        ("{}", "Missing required field Statement"),
        ("{", "Policies must be valid JSON and the first byte must be '{'"),
    ],
)
def test_malformed(s3, bucket, refused, text, message):
    error = refused(s3.put_bucket_policy, Bucket=bucket, Policy=text)
    assert (error["Code"], error["Message"]) == ("MalformedPolicy", message)


def test_policy_of_another_bucket(s3, bucket, refused):
    error = refused(s3.put_bucket_policy, Bucket=bucket, Policy=policy("other-bucket"))
    assert (error["Code"], error["Message"]) == ("MalformedPolicy", "Policy has invalid resource")


def test_public_reading(cloud, s3, bucket, refused):
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    url = f"http://127.0.0.1:4566/{bucket}/k"
    closed = cloud.http("GET", url)
    assert closed.status == 403
    assert b"<Code>AccessDenied</Code>" in closed.body
    error = refused(s3.put_bucket_policy, Bucket=bucket, Policy=policy(bucket))
    assert error["Code"] == "AccessDenied"
    assert "public policies are prevented by the BlockPublicPolicy setting" in error["Message"]
    s3.delete_public_access_block(Bucket=bucket)
    s3.put_bucket_policy(Bucket=bucket, Policy=policy(bucket))
    assert cloud.http("GET", url).body == b"x"
    assert s3.get_bucket_policy_status(Bucket=bucket)["PolicyStatus"] == {"IsPublic": True}
    assert json.loads(s3.get_bucket_policy(Bucket=bucket)["Policy"])["Statement"]
    s3.delete_bucket_policy(Bucket=bucket)
    assert cloud.http("GET", url).status == 403


def test_a_deny_holds_for_the_owner(s3, bucket, refused):
    denied = policy(bucket, Effect="Deny", Action="s3:PutObject")
    s3.put_bucket_policy(Bucket=bucket, Policy=denied)
    error = refused(s3.put_object, Bucket=bucket, Key="k")
    assert (error["Code"], error["Status"]) == ("AccessDenied", 403)


def test_acls_need_ownership(s3, bucket, refused):
    """https://docs.aws.amazon.com/AmazonS3/latest/userguide/about-object-ownership.html"""
    error = refused(s3.put_bucket_acl, Bucket=bucket, ACL="public-read")
    assert (error["Code"], error["Message"]) == (
        "AccessControlListNotSupported",
        "The bucket does not allow ACLs",
    )
    controls = {"Rules": [{"ObjectOwnership": "ObjectWriter"}]}
    s3.put_bucket_ownership_controls(Bucket=bucket, OwnershipControls=controls)
    assert s3.get_bucket_ownership_controls(Bucket=bucket)["OwnershipControls"] == controls
    s3.delete_public_access_block(Bucket=bucket)
    s3.put_bucket_acl(Bucket=bucket, ACL="public-read")
    grants = s3.get_bucket_acl(Bucket=bucket)["Grants"]
    assert [grant["Permission"] for grant in grants] == ["FULL_CONTROL", "READ"]
    assert grants[1]["Grantee"]["URI"] == "http://acs.amazonaws.com/groups/global/AllUsers"


@pytest.mark.parametrize("owner", ["0000", "0000000000020", "abcd", "aa000000000$"])
def test_expected_owner(s3, bucket, refused, owner):
    error = refused(s3.get_bucket_policy, Bucket=bucket, ExpectedBucketOwner=owner)
    assert error["Code"] == "InvalidBucketOwnerAWSAccountID"
    assert error["Message"] == (
        f"The value of the expected bucket owner parameter must be an AWS Account ID... [{owner}]"
    )


def test_a_stranger_is_refused(cloud, s3, bucket, refused):
    stranger = cloud.client("s3", access_key="111111111111")
    assert refused(stranger.list_objects_v2, Bucket=bucket)["Code"] == "AccessDenied"
    assert refused(stranger.get_object, Bucket=bucket, Key="k")["Code"] == "AccessDenied"
    assert refused(stranger.head_bucket, Bucket=bucket)["Status"] == 403
    assert refused(stranger.head_bucket, Bucket="none-such")["Status"] == 404
