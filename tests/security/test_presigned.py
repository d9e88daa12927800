"""Presigned URLs put to other uses than they were given for.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/using-presigned-url.html
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest

from tests.cloud import Cloud
from tests.security.conftest import ACCOUNT, Person, document


@pytest.fixture(scope="module")
def town() -> Iterator[Cloud]:
    cloud = Cloud()
    s3 = cloud.client("s3", access_key=ACCOUNT)
    s3.create_bucket(Bucket="photos")
    for key in ("mine", "theirs"):
        s3.put_object(Bucket="photos", Key=key, Body=key.encode())
    iam = cloud.client("iam", access_key=ACCOUNT)
    iam.create_user(UserName="ann")
    iam.put_user_policy(UserName="ann", PolicyName="p", PolicyDocument=document({"Action": "s3:*"}))
    yield cloud
    cloud.close()


@pytest.fixture(scope="module")
def ann(town: Cloud) -> Person:
    keys = town.client("iam", access_key=ACCOUNT).create_access_key(UserName="ann")["AccessKey"]
    return Person(town, "", keys)


@pytest.fixture(params=["s3v4", "s3"])
def s3(request: pytest.FixtureRequest, ann: Person) -> Any:
    return ann.client("s3", signature_version=request.param)


def link(s3: Any, operation: str = "get_object", expires_s: int = 900, **params: Any) -> str:
    given = {"Bucket": "photos", "Key": "mine", **params}
    return str(s3.generate_presigned_url(operation, Params=given, ExpiresIn=expires_s))


def test_as_given(town: Cloud, s3: Any) -> None:
    assert town.http("GET", link(s3)).body == b"mine"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("/mine?", "/theirs?"),
        ("/mine?", "/mine/../theirs?"),
        ("/mine?", "//theirs?"),
        ("/photos/", "/photos//"),
        ("/mine?", "/mine?versionId=null&"),
        ("/mine?", "/mine?acl&"),
        ("/mine?", "/mine?tagging&"),
        ("/mine?", "/mine?response-content-type=text/html&"),
        ("(Expires=|X-Amz-Expires=)900", r"\g<1>90000"),
        ("(Expires=)(\\d+)", r"\g<1>4000000000"),
        ("(Signature=)", r"\g<1>A"),
        ("(Signature=).*$", r"\g<1>"),
        ("(&Signature=|&X-Amz-Signature=)[^&]*", ""),
        ("(X-Amz-SignedHeaders=)host", r"\g<1>"),
        ("(X-Amz-SignedHeaders=)host", r"\g<1>date"),
        ("(X-Amz-Date=)\\d{8}", r"\g<1>20990101"),
        ("us-east-1", "eu-west-1"),
        ("aws4_request", "aws5_request"),
        ("(%2F)s3(%2F)", r"\1sqs\2"),
        ("AWS4-HMAC-SHA256", "none"),
    ],
)
def test_changed_they_are_nothing(town: Cloud, s3: Any, old: str, new: str) -> None:
    url = link(s3)
    spoilt = re.sub(old, new, url)
    if spoilt == url:
        pytest.skip("this version has no such part")
    answer = town.http("GET", spoilt)
    assert answer.status in (400, 403, 404)
    assert answer.body not in (b"mine", b"theirs")


@pytest.mark.parametrize("method", ["PUT", "DELETE", "POST"])
def test_for_another_verb(town: Cloud, s3: Any, method: str) -> None:
    assert town.http(method, link(s3), body=b"evil").status in (400, 403, 405)
    assert town.http("GET", link(s3)).body == b"mine"


@pytest.mark.parametrize(
    "headers",
    [
        {"x-amz-acl": "public-read"},
        {"x-amz-copy-source": "/photos/theirs"},
        {"x-amz-tagging": "a=b"},
        {"x-amz-meta-x": "1"},
        {"x-amz-storage-class": "GLACIER"},
        {"x-amz-object-lock-mode": "COMPLIANCE"},
    ],
)
def test_an_upload_brings_along_what_was_signed_alone(town: Cloud, ann: Person, headers: dict[str, str]) -> None:  # fmt: skip
    s3 = ann.client("s3", signature_version="s3v4")
    url = link(s3, "put_object", Key="upload")
    assert town.http("PUT", url, headers, b"x").status == 403
    assert town.http("PUT", url, {}, b"x").status == 200


def test_both_ways_at_once(town: Cloud, s3: Any) -> None:
    answer = town.http("GET", link(s3), {"Authorization": "AWS4-HMAC-SHA256 Credential=x"})
    assert answer.status == 400


def test_too_long_a_life(town: Cloud, ann: Person) -> None:
    s3 = ann.client("s3", signature_version="s3v4")
    assert town.http("GET", link(s3, expires_s=604_801)).status in (400, 403)


def test_they_may_what_the_signer_may_now(town: Cloud) -> None:
    """Not what the signer might when they were made."""
    iam = town.client("iam", access_key=ACCOUNT)
    iam.create_user(UserName="bob")
    iam.put_user_policy(UserName="bob", PolicyName="p", PolicyDocument=document({"Action": "s3:GetObject"}))  # fmt: skip
    keys = iam.create_access_key(UserName="bob")["AccessKey"]
    url = link(Person(town, "", keys).client("s3", signature_version="s3v4"))
    assert town.http("GET", url).body == b"mine"
    iam.delete_user_policy(UserName="bob", PolicyName="p")
    assert town.http("GET", url).status == 403
    iam.put_user_policy(UserName="bob", PolicyName="p", PolicyDocument=document({"Action": "s3:GetObject"}))  # fmt: skip
    iam.update_access_key(UserName="bob", AccessKeyId=keys["AccessKeyId"], Status="Inactive")
    assert town.http("GET", url).status == 403


def test_they_end_with_the_session_that_signed(town: Cloud, ann: Person) -> None:
    given = ann.client("sts").get_session_token(DurationSeconds=900)["Credentials"]
    url = link(Person(town, "", given).client("s3", signature_version="s3v4"), expires_s=7200)
    assert town.http("GET", url).body == b"mine"
    town.advance(1000)
    assert town.http("GET", url).status in (400, 403)
