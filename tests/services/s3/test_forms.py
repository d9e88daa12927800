"""Browser form uploads. Answers as recorded: TestS3PresignedPost."""

from __future__ import annotations

import base64
import json
from typing import Any
from urllib.parse import parse_qs, urlsplit
from xml.etree import ElementTree

import pytest

from serein.wire.http import HttpResponse
from tests.cloud import ENDPOINT, Cloud
from tests.services.s3.words import BUCKET, body, refused

BOUNDARY = "----a-boundary"


def post(
    cloud: Cloud, fields: dict[str, str], content: bytes = b"abcdef", filename: str = "f.txt"
) -> HttpResponse:
    parts = [
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
        for name, value in fields.items()
    ]
    parts.append(
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="{filename}"\r\n'
        "Content-Type: text/plain\r\n\r\n".encode()
    )
    parts += [content, f"\r\n--{BOUNDARY}--\r\n".encode()]
    headers = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}
    return cloud.http("POST", f"{ENDPOINT}/{BUCKET}", headers, b"".join(parts))


def signed(s3: Any, key: str = "k", **given: Any) -> dict[str, str]:
    fields: dict[str, str] = s3.generate_presigned_post(BUCKET, key, **given)["fields"]
    return fields


def error_of(answer: HttpResponse) -> dict[str, str | None]:
    assert isinstance(answer.body, bytes)
    return {child.tag: child.text for child in ElementTree.fromstring(answer.body)}


def test_upload(cloud: Cloud, s3: Any, bucket: str) -> None:
    answer = post(cloud, signed(s3))
    assert (answer.status, answer.body) == (204, b"")
    headers = dict(answer.headers)
    assert headers["ETag"] == '"e80b5017098950fc58aad83c8c14978e"'
    assert headers["Location"] == f"{ENDPOINT}/{BUCKET}/k"
    got = s3.get_object(Bucket=BUCKET, Key="k")
    assert (got["Body"].read(), got["ContentType"]) == (b"abcdef", "binary/octet-stream")
    head = s3.head_object(Bucket=BUCKET, Key="k", ChecksumMode="ENABLED")
    assert head["ChecksumCRC64NVME"] == "Pact6XRTYyA="


def test_long_files_and_boundaries_inside(cloud: Cloud, s3: Any, bucket: str) -> None:
    content = (b"\r\n--" + BOUNDARY.encode()[:-1] + b"!") * 9000
    assert post(cloud, signed(s3), content).status == 204
    assert body(s3, "k") == content


def test_statuses_and_names(cloud: Cloud, s3: Any, bucket: str) -> None:
    given = {
        "Fields": {"success_action_status": "201"},
        "Conditions": [{"success_action_status": "201"}],
    }
    answer = post(cloud, signed(s3, "up/${filename}", **given), filename="C:\\a—b.txt")
    assert answer.status == 201
    told = error_of(answer)
    assert told["Key"] == "up/a—b.txt"
    assert told["ETag"] == '"e80b5017098950fc58aad83c8c14978e"'
    assert told["Location"] == f"{ENDPOINT}/{BUCKET}/up/a%E2%80%94b.txt"
    target = "http://localhost.test/done?x=1"
    given = {
        "Fields": {"success_action_redirect": target},
        "Conditions": [{"success_action_redirect": target}],
    }
    answer = post(cloud, signed(s3, **given))
    assert answer.status == 303
    location = dict(answer.headers)["Location"]
    assert location.startswith(target + "&")
    assert parse_qs(urlsplit(location).query)["key"] == ["k"]


def test_policies(cloud: Cloud, s3: Any, bucket: str) -> None:
    target = "http://localhost.test/random"
    given: dict[str, Any] = {
        "Fields": {"success_action_redirect": "http://wrong.test"},
        "Conditions": [["eq", "$success_action_redirect", target]],
    }
    error = error_of(post(cloud, signed(s3, **given)))
    assert error["Code"] == "AccessDenied"
    assert error["Message"] == (
        "Invalid according to Policy: Policy Condition failed: "
        f'["eq", "$success_action_redirect", "{target}"]'
    )
    given["Conditions"] = [{"a": "1", "b": "2"}]
    error = error_of(post(cloud, signed(s3, **given)))
    assert error["Code"] == "InvalidPolicyDocument"
    assert error["Message"] == (
        "Invalid Policy: Invalid Simple-Condition: Simple-Conditions must have exactly one property "
        "specified."
    )
    extra = error_of(post(cloud, {**signed(s3), "acl": "private"}))
    assert extra["Message"] == "Invalid according to Policy: Extra input fields: acl"
    assert refused(s3.head_object, Bucket=BUCKET, Key="k")["Status"] == 404


def test_lengths(cloud: Cloud, s3: Any, bucket: str) -> None:
    given = {"Conditions": [["content-length-range", 3, 7]]}
    large = error_of(post(cloud, signed(s3, **given), b"12345678"))
    assert (large["Code"], large["MaxSizeAllowed"]) == ("EntityTooLarge", "7")
    small = error_of(post(cloud, signed(s3, **given), b"12"))
    assert (small["Code"], small["MinSizeAllowed"]) == ("EntityTooSmall", "3")
    assert post(cloud, signed(s3, **given), b"1234567").status == 204


def test_expired(cloud: Cloud, s3: Any, bucket: str) -> None:
    fields = signed(s3, ExpiresIn=60)
    cloud.advance(61)
    answer = post(cloud, fields)
    assert answer.status == 403
    assert error_of(answer)["Message"] == "Invalid according to Policy: Policy expired."


def test_not_a_form(cloud: Cloud, s3: Any, bucket: str) -> None:
    answer = cloud.http("POST", f"{ENDPOINT}/{BUCKET}", {"Content-Type": "text/html"}, b"x")
    error = error_of(answer)
    assert (answer.status, error["Code"]) == (412, "PreconditionFailed")
    assert error["Condition"] == "Bucket POST must be of the enclosure-type multipart/form-data"
    broken = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}
    answer = cloud.http("POST", f"{ENDPOINT}/{BUCKET}", broken, b"x")
    assert error_of(answer)["Code"] == "MalformedPOSTRequest"
    fields = signed(s3)
    long = error_of(post(cloud, {**fields, "x-ignore-me": "x" * 30_000}))
    assert long["Code"] == "MaxPostPreDataLengthExceededError"
    del fields["key"]
    assert error_of(post(cloud, fields))["ArgumentName"] == "key"


@pytest.mark.parametrize(
    ("document", "tags"),
    [
        (
            "<Tagging><TagSet><Tag><Key>a</Key><Value>b &amp; c</Value></Tag></TagSet></Tagging>",
            None,
        ),
        ("<Tagging><TagSet><Tag><Key>a</Key><Value>b</Value></Tag></TagSet></Tagging>", {"a": "b"}),
        ("<InvalidXmlTagging></InvalidXmlTagging>", {}),
        ("not-xml", None),
    ],
)
def test_tags(
    cloud: Cloud, s3: Any, bucket: str, document: str, tags: dict[str, str] | None
) -> None:
    given = {"Fields": {"tagging": document}, "Conditions": [{"tagging": document}]}
    answer = post(cloud, signed(s3, **given))
    if tags is None:
        assert error_of(answer)["Code"] in ("MalformedXML", "InvalidArgument")
        return
    found = s3.get_object_tagging(Bucket=BUCKET, Key="k")["TagSet"]
    assert {tag["Key"]: tag["Value"] for tag in found} == tags


def test_unicode_metadata(cloud: Cloud, s3: Any, bucket: str) -> None:
    """As recorded: test_post_object_with_unicode_metadata."""
    fields = {
        "x-amz-meta-nonascii": "ÄMÄZÕÑ S3",
        "x-amz-meta-nonascii-2": "test_—_file%E2%80%94_é_2👑.pdf",
        "x-amz-meta-q-encoded": "=?UTF-8?Q?actually-ascii?=",
        "Cache-Control": "non-ascii-%E2%80%94_—_é_",
    }
    conditions = [{name: value} for name, value in fields.items()]
    assert post(cloud, signed(s3, Fields=fields, Conditions=conditions)).status == 204
    head = s3.head_object(Bucket=BUCKET, Key="k")
    assert head["Metadata"] == {
        "nonascii": "=?UTF-8?Q?=C3=84M=C3=84Z=C3=95=C3=91_S3?=",
        "nonascii-2": "=?UTF-8?Q?test=5F=E2=80=94=5Ffile%E2%80%94=5F=C3=A9=5F2=F0=9F=91=91.pdf?=",
        "q-encoded": "=?UTF-8?Q?actually-ascii?=",
    }
    assert head["CacheControl"] == "non-ascii-%E2%80%94_ _é_"


def test_who_signs(cloud: Cloud, s3: Any, bucket: str) -> None:
    """A user's form is checked with the user's secret, and judged by the user's policies."""
    iam = cloud.client("iam")
    iam.create_user(UserName="u")
    key = iam.create_access_key(UserName="u")["AccessKey"]
    user = cloud.client("s3", access_key=key["AccessKeyId"], secret_key=key["SecretAccessKey"])
    denied = post(cloud, signed(user))
    assert (denied.status, error_of(denied)["Code"]) == (403, "AccessDenied")
    allow = {"Effect": "Allow", "Action": "s3:PutObject", "Resource": f"arn:aws:s3:::{BUCKET}/*"}
    document = json.dumps({"Version": "2012-10-17", "Statement": allow})
    iam.put_user_policy(UserName="u", PolicyName="p", PolicyDocument=document)
    fields = signed(user)
    assert post(cloud, fields).status == 204
    name = next(name for name in fields if name.lower() in ("signature", "x-amz-signature"))
    forged = {**fields, name: "00" * 32}
    assert error_of(post(cloud, forged))["Code"] == "SignatureDoesNotMatch"
    changed = base64.b64encode(base64.b64decode(fields["policy"]) + b" ").decode()
    assert error_of(post(cloud, {**fields, "policy": changed}))["Code"] == "SignatureDoesNotMatch"
    anonymous = post(cloud, {"key": "k"})
    assert (anonymous.status, error_of(anonymous)["Code"]) == (403, "AccessDenied")
