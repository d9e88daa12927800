"""Signed requests replayed, swapped, moved and stripped.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-authenticating-requests.html
"""

from __future__ import annotations

from typing import Any

import pytest

from serein.wire.http import HttpResponse
from tests.cloud import ENDPOINT, Cloud
from tests.security.conftest import Hire, Person, Signed

FORM = {"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"}
LIST_USERS = b"Action=ListUsers&Version=2010-05-08"
JSON = {"Content-Type": "application/x-amz-json-1.0", "X-Amz-Target": "DynamoDB_20120810.ListTables"}  # fmt: skip


@pytest.fixture
def ann(hire: Hire) -> Person:
    return hire("ann", {"Action": "*"})


@pytest.fixture
def photos(root: Any) -> str:
    s3 = root("s3")
    s3.create_bucket(Bucket="photos")
    s3.put_object(Bucket="photos", Key="mine/a", Body=b"mine")
    s3.put_object(Bucket="photos", Key="theirs", Body=b"theirs")
    return "photos"


def refused(answer: HttpResponse) -> bool:
    return answer.status in (400, 403)


def test_as_signed_it_passes(ann: Person) -> None:
    assert Signed(ann, "iam", "POST", "/", LIST_USERS, FORM).send().status == 200
    assert Signed(ann, "dynamodb", "POST", "/", b"{}", JSON).send().status == 200


def test_a_replay_after_a_quarter_of_an_hour(ann: Person, cloud: Cloud) -> None:
    request = Signed(ann, "iam", "POST", "/", LIST_USERS, FORM)
    assert request.send().status == 200
    cloud.advance(16 * 60)
    answer = request.send()
    assert answer.status == 403
    assert b"SignatureDoesNotMatch" in bytes(answer.body)  # type: ignore[arg-type]
    assert b"Signature expired" in bytes(answer.body)  # type: ignore[arg-type]


def test_a_swapped_body(ann: Person) -> None:
    request = Signed(ann, "iam", "POST", "/", LIST_USERS, FORM)
    other = b"Action=DeleteUser&Version=2010-05-08&UserName=ann"
    assert request.send(body=other).status == 403
    table = Signed(ann, "dynamodb", "POST", "/", b"{}", JSON)
    assert refused(table.send(body=b'{"Limit": 1}'))


def test_a_swapped_body_in_s3(ann: Person, photos: str, root: Any) -> None:
    request = Signed(ann, "s3", "PUT", "/photos/new", b"good")
    answer = request.send(body=b"evil")
    assert answer.status == 400
    assert b"XAmzContentSHA256Mismatch" in bytes(answer.body)  # type: ignore[arg-type]
    assert "Contents" in root("s3").list_objects_v2(Bucket=photos)
    assert not [e for e in root("s3").list_objects_v2(Bucket=photos)["Contents"] if e["Key"] == "new"]  # fmt: skip


@pytest.mark.parametrize(
    "change",
    [
        {"headers": {"X-Amz-Target": "DynamoDB_20120810.DeleteTable"}},
        {"headers": {"X-Amz-Date": "20200101T000000Z"}},
        {"headers": {"Host": "elsewhere.localhost:4566"}},
        {"method": "PUT"},
        {"path": "/other"},
        {"path": "/?X=1"},
        {"headers": {"X-Amz-Security-Token": "forged"}},
        {"headers": {"Authorization": None}},
    ],
)
def test_any_change_of_what_is_signed(ann: Person, change: dict[str, Any]) -> None:
    assert refused(Signed(ann, "dynamodb", "POST", "/", b"{}", JSON).send(**change))


def test_headers_that_mean_something_must_be_signed(ann: Person, photos: str) -> None:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html: all x-amz-* headers are."""
    request = Signed(ann, "s3", "PUT", "/photos/new", b"x")
    answer = request.send(headers={"x-amz-acl": "public-read"})
    assert answer.status == 403
    copied = Signed(ann, "s3", "PUT", "/photos/copy", b"")
    answer = copied.send(headers={"x-amz-copy-source": "/photos/theirs"})
    assert answer.status == 403
    assert b"headers present in the request which were not signed" in bytes(answer.body)  # type: ignore[arg-type]


def test_an_unsigned_target_is_no_target(ann: Person) -> None:
    request = Signed(ann, "dynamodb", "POST", "/", b"{}", {"Content-Type": "application/x-amz-json-1.0"})  # fmt: skip
    assert request.send(headers={"X-Amz-Target": "DynamoDB_20120810.ListTables"}).status != 200


def test_the_host_must_be_signed(ann: Person) -> None:
    request = Signed(ann, "iam", "POST", "/", LIST_USERS, FORM)
    stripped = request.headers["Authorization"].replace("host;", "")
    assert refused(request.send(headers={"Authorization": stripped}))


@pytest.mark.parametrize("scope", ["sqs", "s3", "execute-api", "IAM", ""])
def test_a_signature_for_another_service(ann: Person, scope: str) -> None:
    request = Signed(ann, "iam", "POST", "/", LIST_USERS, FORM, scope=scope or "x")
    answer = request.send()
    assert answer.status != 200


def test_services_are_not_confused_by_the_target(ann: Person) -> None:
    """Signed for SQS, aimed at DynamoDB: whose operation is it? Nobody's."""
    assert Signed(ann, "dynamodb", "POST", "/", b"{}", JSON, scope="sqs").send().status != 200


PATHS = [
    "/photos/mine/../theirs", "/photos/mine/%2e%2e/theirs", "/photos//theirs", "/photos/./theirs", "/photos/mine/..%2ftheirs",
    "/photos/%74heirs%00", "/photos%2ftheirs", "/other/../photos/theirs", "//photos/theirs", "/photos/%252e%252e/theirs",
    "/photos/theirs/", "/photos/theirs%2f", "/PHOTOS/theirs", "/photos/theirs?versionId=null&x", "/photos/theirs%20",
]  # fmt: skip


@pytest.mark.parametrize("path", PATHS)
def test_a_signed_path_is_that_path_alone(ann: Person, photos: str, path: str) -> None:
    answer = Signed(ann, "s3", "GET", "/photos/mine/a").send(path=path)
    assert answer.status in (400, 403, 404, 405)
    assert answer.body != b"theirs"


@pytest.mark.parametrize("path", PATHS)
def test_policies_judge_the_key_that_is_read(hire: Hire, photos: str, path: str) -> None:
    """Whatever is written in the path, what comes back is never an object that the policy does not allow."""
    eve = hire("eve", {"Action": "s3:*", "Resource": "arn:aws:s3:::photos/mine/*"})
    answer = Signed(eve, "s3", "GET", path).send()
    assert answer.status != 200
    assert answer.body != b"theirs"


def test_dots_are_part_of_a_key(ann: Person, photos: str, root: Any) -> None:
    """S3's keys are not file names: https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-keys.html"""
    root("s3").put_object(Bucket="photos", Key="mine/%2e%2e/x", Body=b"literal")
    assert Signed(ann, "s3", "GET", "/photos/mine/%252e%252e/x").send().body == b"literal"


class TestSessions:
    @pytest.fixture
    def session(self, ann: Person, cloud: Cloud) -> Person:
        keys = ann.client("sts").get_session_token()["Credentials"]
        return Person(cloud, ann.arn, keys)

    def test_as_given_it_passes(self, session: Person) -> None:
        assert session.client("s3").list_buckets()["Buckets"] == []

    @pytest.mark.parametrize("at", [0, 10, 50, -10, -1])
    def test_a_flipped_letter(self, session: Person, at: int) -> None:
        token = session.keys["SessionToken"]
        at %= len(token)
        forged = token[:at] + ("A" if token[at] != "A" else "B") + token[at + 1 :]
        spoilt = Person(session.cloud, "", {**session.keys, "SessionToken": forged})
        assert refused(Signed(spoilt, "s3", "GET", "/").send())

    @pytest.mark.parametrize("token", ["", "x", "A" * 5000, "....", "%00", "é"])
    def test_something_else(self, session: Person, token: str) -> None:
        request = Signed(session, "s3", "GET", "/")
        sent = {"X-Amz-Security-Token": token.encode("utf-8").decode("latin-1") or None}
        assert refused(request.send(headers=sent))

    def test_another_sessions_token(self, session: Person, hire: Hire) -> None:
        bob = hire("bob")
        other = bob.client("sts").get_session_token()["Credentials"]
        mixed = Person(session.cloud, "", {**other, "SessionToken": session.keys["SessionToken"]})
        assert refused(Signed(mixed, "s3", "GET", "/").send())

    def test_a_long_term_key_with_a_token(self, session: Person, ann: Person) -> None:
        mixed = Person(session.cloud, "", {**ann.keys, "SessionToken": session.keys["SessionToken"]})  # fmt: skip
        assert refused(Signed(mixed, "s3", "GET", "/").send())

    def test_it_ends(self, session: Person, cloud: Cloud) -> None:
        cloud.advance(12 * 3600 + 60)
        answer = Signed(session, "s3", "GET", "/").send()
        assert answer.status in (400, 403)
        assert b"Expired" in bytes(answer.body)  # type: ignore[arg-type]

    def test_it_ends_with_its_user(self, session: Person, root: Any) -> None:
        iam = root("iam")
        key = iam.list_access_keys(UserName="ann")["AccessKeyMetadata"][0]["AccessKeyId"]
        iam.delete_access_key(UserName="ann", AccessKeyId=key)
        iam.delete_user_policy(UserName="ann", PolicyName="own")
        iam.delete_user(UserName="ann")
        assert refused(Signed(session, "s3", "GET", "/").send())


def test_a_key_that_was_switched_off(ann: Person, root: Any) -> None:
    request = Signed(ann, "iam", "POST", "/", LIST_USERS, FORM)
    key = ann.keys["AccessKeyId"]
    root("iam").update_access_key(UserName="ann", AccessKeyId=key, Status="Inactive")
    assert request.send().status == 403


@pytest.mark.parametrize(
    "authorization",
    [
        "", "AWS4-HMAC-SHA256", "AWS4-HMAC-SHA256 Credential=", "aws4-hmac-sha256 {rest}", "NONE {rest}", "Basic YTpi",
        "AWS4-HMAC-SHA1 {rest}", "AWS4-HMAC-SHA256 {rest}, Signature=", "Bearer x", "AWS4-HMAC-SHA256 {rest} {rest}",
    ],
)  # fmt: skip
def test_made_up_authorizations(ann: Person, authorization: str) -> None:
    request = Signed(ann, "iam", "POST", "/", LIST_USERS, FORM)
    rest = request.headers["Authorization"].partition(" ")[2].rpartition(",")[0]
    answer = request.send(headers={"Authorization": authorization.format(rest=rest)})
    assert refused(answer)


def test_an_empty_signature_is_none(ann: Person) -> None:
    request = Signed(ann, "iam", "POST", "/", LIST_USERS, FORM)
    head = request.headers["Authorization"].rpartition("Signature=")[0]
    for signature in ("", "0", "0" * 64, "%00" * 64):
        assert refused(request.send(headers={"Authorization": f"{head}Signature={signature}"}))


def test_strict_mode_knows_no_strangers() -> None:
    cloud = Cloud(auth_open=False)
    try:
        stranger = Person(cloud, "", {"AccessKeyId": "test", "SecretAccessKey": "test"})
        assert Signed(stranger, "iam", "POST", "/", LIST_USERS, FORM).send().status == 403
        number = Person(cloud, "", {"AccessKeyId": "000000000000", "SecretAccessKey": "x"})
        assert Signed(number, "s3", "GET", "/").send().status == 403
        assert cloud.http("POST", ENDPOINT + "/_serein/why", {}, b"{}").status == 403
    finally:
        cloud.close()
