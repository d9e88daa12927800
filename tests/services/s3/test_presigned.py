"""Presigned URLs of an IAM user. Answers as recorded: TestS3PresignedUrl."""

from __future__ import annotations

from typing import Any
from xml.etree import ElementTree

import pytest

from serein.wire.http import HttpResponse
from tests.cloud import Cloud
from tests.services.s3.words import BUCKET, put

ALLOW_ALL = '{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}'


@pytest.fixture(params=["s3v4", "s3"])
def user(cloud: Cloud, s3: Any, bucket: str, request: pytest.FixtureRequest) -> Any:
    iam = cloud.client("iam")
    iam.create_user(UserName="u")
    iam.put_user_policy(UserName="u", PolicyName="p", PolicyDocument=ALLOW_ALL)
    key = iam.create_access_key(UserName="u")["AccessKey"]
    return cloud.client(
        "s3",
        access_key=key["AccessKeyId"],
        secret_key=key["SecretAccessKey"],
        signature_version=request.param,
    )


def code_of(answer: HttpResponse) -> str | None:
    assert isinstance(answer.body, bytes)
    return ElementTree.fromstring(answer.body).findtext("Code")


def test_presigned(cloud: Cloud, user: Any, s3: Any) -> None:
    put(s3, "k", b"content")
    params = {"Bucket": BUCKET, "Key": "k"}
    url = user.generate_presigned_url("get_object", Params=params, ExpiresIn=60)
    assert cloud.http("GET", url).body == b"content"
    wrong = cloud.http("PUT", url)
    assert (wrong.status, code_of(wrong)) == (403, "SignatureDoesNotMatch")
    cloud.advance(600)  # well past, however slow the machine that signed
    late = cloud.http("GET", url)
    assert (late.status, code_of(late)) == (403, "AccessDenied")
    assert b"Request has expired" in bytes(late.body)  # type: ignore[arg-type]


def test_presigned_put(cloud: Cloud, user: Any, s3: Any) -> None:
    url = user.generate_presigned_url("put_object", Params={"Bucket": BUCKET, "Key": "k"})
    assert cloud.http("PUT", url, {}, b"something").status == 200
    head = s3.head_object(Bucket=BUCKET, Key="k", ChecksumMode="ENABLED")
    assert head["ChecksumCRC64NVME"] == "1BGd19PD4OU="
