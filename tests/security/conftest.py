"""A strict house, people in it with few permissions, and requests that are signed by hand, so that they can be spoilt."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
from botocore.auth import S3SigV4Auth, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.exceptions import ClientError

from serein.wire.http import HttpResponse
from tests.cloud import ENDPOINT, Cloud

ACCOUNT, OTHER = "000000000000", "111122223333"
HOST = urlsplit(ENDPOINT).netloc


def document(*statements: dict[str, Any]) -> str:
    """A policy of these statements; they allow, and everything, unless they say otherwise."""
    filled = [{"Effect": "Allow", "Resource": "*", **statement} for statement in statements]
    return json.dumps({"Version": "2012-10-17", "Statement": filled})


def trust(principal: Any, **more: Any) -> str:
    statement = {"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole", **more}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


class Person:
    """Somebody with keys: `client(service)` acts as them."""

    def __init__(self, cloud: Cloud, arn: str, keys: dict[str, str]) -> None:
        self.cloud, self.arn, self.keys = cloud, arn, keys

    def client(self, service: str, **more: Any) -> Any:
        keys = {"access_key": self.keys["AccessKeyId"], "secret_key": self.keys["SecretAccessKey"]}
        token = self.keys.get("SessionToken")
        return self.cloud.client(service, **keys, session_token=token, **more)

    def credentials(self) -> Credentials:
        keys = self.keys
        return Credentials(keys["AccessKeyId"], keys["SecretAccessKey"], keys.get("SessionToken"))


Hire = Callable[..., Person]


@pytest.fixture
def cloud() -> Iterator[Cloud]:
    made = Cloud()
    yield made
    made.close()


@pytest.fixture
def hire(cloud: Cloud) -> Hire:
    """`hire(name, *statements, account=…, boundary=…)`: a user with an inline policy and an access key."""

    def make(name: str, *statements: dict[str, Any], account: str = ACCOUNT, boundary: str = "") -> Person:  # fmt: skip
        iam = cloud.client("iam", access_key=account)
        more = {"PermissionsBoundary": boundary} if boundary else {}
        arn = iam.create_user(UserName=name, **more)["User"]["Arn"]
        if statements:
            iam.put_user_policy(
                UserName=name, PolicyName="own", PolicyDocument=document(*statements)
            )
        return Person(cloud, arn, iam.create_access_key(UserName=name)["AccessKey"])

    return make


@pytest.fixture
def root(cloud: Cloud) -> Callable[..., Any]:
    """`root(service, account)`: a client as an account's root user (open mode's keys of twelve digits)."""
    return lambda service, account=ACCOUNT: cloud.client(service, access_key=account)


def code_of(call: Callable[..., Any], **params: Any) -> str:
    """The error code of a call that must fail."""
    with pytest.raises(ClientError) as caught:
        call(**params)
    return str(caught.value.response["Error"]["Code"])


def message_of(call: Callable[..., Any], **params: Any) -> str:
    with pytest.raises(ClientError) as caught:
        call(**params)
    return str(caught.value.response["Error"]["Message"])


class Signed:
    """A request signed for a person, to be sent as it is or spoilt first."""

    def __init__(
        self,
        person: Person,
        service: str,
        method: str,
        path: str,
        body: bytes = b"",
        headers: dict[str, str] | None = None,
        *,
        region: str = "us-east-1",
        scope: str = "",
    ) -> None:
        self.method, self.path, self.body = method, path, body
        request = AWSRequest(
            method, ENDPOINT + path, data=body, headers={"Host": HOST, **(headers or {})}
        )
        kind = S3SigV4Auth if service == "s3" else SigV4Auth
        kind(person.credentials(), scope or service, region).add_auth(request)
        self.headers = dict(request.headers.items())
        self._cloud = person.cloud

    def send(self, **changes: Any) -> HttpResponse:
        """Send it with these parts changed: method, path, body, headers (None takes one away)."""
        headers = {**self.headers, **changes.get("headers", {})}
        kept = {name: value for name, value in headers.items() if value is not None}
        path = changes.get("path", self.path)
        method = changes.get("method", self.method)
        return self._cloud.http(method, ENDPOINT + path, kept, changes.get("body", self.body))


class _Form:
    """A browser form with a key made up, which open mode would take for root's."""

    kind = "multipart/form-data; boundary=b"

    @property
    def body(self) -> bytes:
        policy = "eyJleHBpcmF0aW9uIjoiMjA5OS0wMS0wMVQwMDowMDowMFoiLCJjb25kaXRpb25zIjpbWyJzdGFydHMtd2l0aCIsIiRrZXkiLCIiXSxbInN0YXJ0cy13aXRoIiwiJHgtYW16LWNyZWRlbnRpYWwiLCIiXSxbInN0YXJ0cy13aXRoIiwiJHgtYW16LWFsZ29yaXRobSIsIiJdLFsic3RhcnRzLXdpdGgiLCIkeC1hbXotZGF0ZSIsIiJdLHsiYnVja2V0IjoicGhvdG9zIn1dfQ=="
        fields = {
            "key": "owned",
            "policy": policy,
            "x-amz-algorithm": "AWS4-HMAC-SHA256",
            "x-amz-credential": "test/20990101/us-east-1/s3/aws4_request",
            "x-amz-date": "20990101T000000Z",
            "x-amz-signature": "0" * 64,
        }
        parts = [f'--b\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n' for name, value in fields.items()]  # fmt: skip
        parts.append('--b\r\nContent-Disposition: form-data; name="file"; filename="f"\r\n\r\nx\r\n--b--\r\n')  # fmt: skip
        return "".join(parts).encode()


FORGED = _Form()
