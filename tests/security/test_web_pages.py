"""A web page of somebody else's, in a browser on the same machine, against a house in open mode.

https://fetch.spec.whatwg.org/#origin-header, https://www.w3.org/TR/fetch-metadata/
"""

from __future__ import annotations

from typing import Any

import pytest
from botocore.auth import SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from tests.cloud import ENDPOINT, Cloud
from tests.security.conftest import FORGED, Person, Signed

STRANGER = Credentials("test", "test")
EVIL = "http://evil.example"


def signed_link(path: str, service: str = "iam") -> str:
    """An address that anybody can make up, since open mode takes any key: an image's source will do to call it."""
    request = AWSRequest("GET", ENDPOINT + path)
    SigV4QueryAuth(STRANGER, service, "us-east-1").add_auth(request)
    return str(request.url)


DELETE = "/?Action=DeleteUser&Version=2010-05-08&UserName=ann"


@pytest.fixture
def ann(root: Any) -> Any:
    root("iam").create_user(UserName="ann")
    return root("iam")


def names(iam: Any) -> list[str]:
    return [user["UserName"] for user in iam.list_users()["Users"]]


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "image"},
        {"Sec-Fetch-Site": "cross-site", "Referer": f"{EVIL}/page"},
        {"Origin": EVIL},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1.evil.example"},
        {"Origin": "http://localhost.evil.example:4566"},
        {"Origin": "http://[::1].evil.example"},
        {"Origin": "http://203.0.113.7"},
        {"Origin": f"{EVIL}#127.0.0.1"},
        {"Origin": "http://localhost@evil.example"},
    ],
)
def test_an_image_cannot_delete_a_user(cloud: Cloud, ann: Any, headers: dict[str, str]) -> None:
    answer = cloud.http("GET", signed_link(DELETE), headers)
    assert answer.status == 403
    assert names(ann) == ["ann"]


@pytest.mark.parametrize("host", ["evil.example:4566", "evil.example", "localhost.evil.example:4566", "a.b.c.evil.example"])  # fmt: skip
def test_a_name_made_to_point_here(cloud: Cloud, ann: Any, host: str) -> None:
    """DNS rebinding: the page is of the same origin then, and may set any header; its name gives it away."""
    same = {"Host": host, "Origin": f"http://{host}", "Sec-Fetch-Site": "same-origin"}
    assert cloud.http("GET", signed_link(DELETE), same).status == 403
    assert cloud.http("GET", signed_link(DELETE), {"Host": host}).status == 403
    assert names(ann) == ["ann"]


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Origin": "http://localhost:3000", "Sec-Fetch-Site": "same-site"},
        {"Origin": "http://127.0.0.1:3000", "Sec-Fetch-Site": "cross-site"},
        {"Origin": "http://app.localhost:8080"},
        {"Sec-Fetch-Site": "none"},
        {"Host": "serein:4566"},
        {"Host": "iam.us-east-1.amazonaws.com"},
        {"Host": "[::1]:4566"},
        {"Host": "iam.localhost.localstack.cloud:4566"},
    ],
)
def test_ones_own_tools_and_pages_pass(cloud: Cloud, ann: Any, headers: dict[str, str]) -> None:
    assert cloud.http("GET", signed_link(DELETE), headers).status == 200
    assert names(ann) == []


def test_a_form_of_another_site_stores_nothing(cloud: Cloud, root: Any) -> None:
    root("s3").create_bucket(Bucket="photos")
    answer = cloud.http(
        "POST", ENDPOINT + "/photos", {"Content-Type": FORGED.kind, "Origin": EVIL}, FORGED.body
    )
    assert answer.status == 403
    assert "Contents" not in root("s3").list_objects_v2(Bucket="photos")
    own = cloud.http(
        "POST",
        ENDPOINT + "/photos",
        {"Content-Type": FORGED.kind, "Origin": "http://localhost:3000"},
        FORGED.body,
    )
    assert own.status == 204


@pytest.mark.parametrize("path", ["/_serein/reset", "/_serein/why", "/_serein/needs", "/_localstack/state/reset"])  # fmt: skip
@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": EVIL},
        {"Sec-Fetch-Site": "cross-site"},
        {"Host": "evil.example:4566", "Origin": "http://evil.example:4566"},
    ],
)
def test_the_houses_own_pages(cloud: Cloud, path: str, headers: dict[str, str]) -> None:
    assert cloud.http("POST", ENDPOINT + path, headers, b"{}").status == 403


def test_keys_that_iam_knows_may_come_from_anywhere(cloud: Cloud, ann: Any) -> None:
    """Who has a secret is no page that guesses: browsers' applications with real keys keep working."""
    keys = ann.create_access_key(UserName="ann")["AccessKey"]
    person = Person(cloud, "", keys)
    answer = Signed(person, "sts", "POST", "/", b"Action=GetCallerIdentity&Version=2011-06-15", {"Content-Type": "application/x-www-form-urlencoded"}).send(headers={"Origin": EVIL})  # fmt: skip
    assert answer.status == 200
