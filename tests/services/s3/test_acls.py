"""ACLs, and what a public one lets everybody do. Answers as recorded: test_s3_bucket_acl, test_s3_object_acl."""

from __future__ import annotations

from typing import Any

import pytest

from tests.cloud import ENDPOINT, Cloud
from tests.services.s3.words import BUCKET, put, refused

EVERYONE = "http://acs.amazonaws.com/groups/global/AllUsers"


@pytest.fixture
def writable(s3: Any, bucket: str) -> Any:
    """The bucket takes ACLs, public ones too."""
    rules = {"Rules": [{"ObjectOwnership": "ObjectWriter"}]}
    s3.put_bucket_ownership_controls(Bucket=BUCKET, OwnershipControls=rules)
    s3.delete_public_access_block(Bucket=BUCKET)
    return s3


def shown(answer: dict[str, Any]) -> list[tuple[str, str]]:
    return [
        (grant["Grantee"].get("URI") or grant["Grantee"]["Type"], grant["Permission"])
        for grant in answer["Grants"]
    ]


def test_object_acls(cloud: Cloud, writable: Any) -> None:
    s3 = writable
    named = {"Bucket": BUCKET, "Key": "k"}
    put(s3, "k", b"seen")
    mine = [("CanonicalUser", "FULL_CONTROL")]
    assert shown(s3.get_object_acl(**named)) == mine
    url = f"{ENDPOINT}/{BUCKET}/k"
    assert cloud.http("GET", url).status == 403
    s3.put_object_acl(**named, ACL="public-read")
    assert shown(s3.get_object_acl(**named)) == [*mine, (EVERYONE, "READ")]
    assert cloud.http("GET", url).body == b"seen"
    s3.put_public_access_block(
        Bucket=BUCKET, PublicAccessBlockConfiguration={"IgnorePublicAcls": True}
    )
    assert cloud.http("GET", url).status == 403
    s3.delete_public_access_block(Bucket=BUCKET)
    put(s3, "k", b"new")
    assert cloud.http("GET", url).status == 403
    put(s3, "k", b"public", ACL="public-read")
    assert cloud.http("GET", url).body == b"public"
    s3.put_object_acl(**named, GrantRead=f'uri="{EVERYONE}"')
    assert shown(s3.get_object_acl(**named)) == [(EVERYONE, "READ")]


def test_bucket_acls(cloud: Cloud, writable: Any) -> None:
    s3 = writable
    s3.put_bucket_acl(Bucket=BUCKET, ACL="public-read")
    mine = ("CanonicalUser", "FULL_CONTROL")
    assert shown(s3.get_bucket_acl(Bucket=BUCKET)) == [mine, (EVERYONE, "READ")]
    assert cloud.http("GET", f"{ENDPOINT}/{BUCKET}").status == 200
    s3.put_bucket_acl(Bucket=BUCKET, ACL="private")
    assert cloud.http("GET", f"{ENDPOINT}/{BUCKET}").status == 403


def test_without_ownership(s3: Any, bucket: str) -> None:
    error = refused(put, s3, "k", ACL="public-read")
    assert (error["Code"], error["Message"]) == (
        "AccessControlListNotSupported",
        "The bucket does not allow ACLs",
    )


def test_each_object_is_judged_by_itself(cloud: Cloud, writable: Any) -> None:
    """DeleteObjects answers AccessDenied for the objects that the caller may not delete, and deletes the others."""
    s3 = writable
    iam = cloud.client("iam")
    iam.create_user(UserName="u")
    key = iam.create_access_key(UserName="u")["AccessKey"]
    allow = (
        '{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"s3:DeleteObject",'
        f'"Resource":"arn:aws:s3:::{BUCKET}/mine/*"}}}}'
    )
    iam.put_user_policy(UserName="u", PolicyName="p", PolicyDocument=allow)
    user = cloud.client("s3", access_key=key["AccessKeyId"], secret_key=key["SecretAccessKey"])
    for name in ("mine/a", "other"):
        put(s3, name)
    objects = [{"Key": "mine/a"}, {"Key": "other"}]
    answer = user.delete_objects(Bucket=BUCKET, Delete={"Objects": objects})
    assert answer["Deleted"] == [{"Key": "mine/a"}]
    [error] = answer["Errors"]
    assert (error["Key"], error["Code"]) == ("other", "AccessDenied")
    body = b"<Delete><Object><Key>other</Key></Object></Delete>"
    assert cloud.http("POST", f"{ENDPOINT}/{BUCKET}?delete", {}, body).status == 403


def test_restricted_public_buckets(cloud: Cloud, s3: Any, bucket: str) -> None:
    """https://docs.aws.amazon.com/AmazonS3/latest/userguide/access-control-block-public-access.html"""
    put(s3, "k", b"seen")
    s3.delete_public_access_block(Bucket=BUCKET)
    policy = (
        '{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":"*","Action":"s3:GetObject",'
        f'"Resource":"arn:aws:s3:::{BUCKET}/*"}}}}'
    )
    s3.put_bucket_policy(Bucket=BUCKET, Policy=policy)
    url = f"{ENDPOINT}/{BUCKET}/k"
    stranger = cloud.client("s3", access_key="111111111111")
    assert cloud.http("GET", url).status == 200
    s3.put_public_access_block(
        Bucket=BUCKET, PublicAccessBlockConfiguration={"RestrictPublicBuckets": True}
    )
    assert cloud.http("GET", url).status == 403
    assert refused(stranger.get_object, Bucket=BUCKET, Key="k")["Code"] == "AccessDenied"
    assert s3.get_object(Bucket=BUCKET, Key="k")["ContentLength"] == 4
