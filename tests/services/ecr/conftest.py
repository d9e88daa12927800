"""A registry, and a container tool's way to it."""

from __future__ import annotations

import base64
from typing import Any
from urllib.parse import quote

import pytest

from serein.wire.http import HttpResponse
from tests.cloud import Cloud

HOST = "http://000000000000.dkr.ecr.us-east-1.localhost:4566"


class Registry:
    """The registry by HTTP, as somebody with a token."""

    def __init__(self, cloud: Cloud, ecr: Any, host: str = HOST) -> None:
        self.cloud = cloud
        self.host = host
        data = ecr.get_authorization_token()["authorizationData"][0]
        self.token = data["authorizationToken"]

    def ask(
        self, method: str, path: str, body: bytes = b"", **headers: str
    ) -> tuple[int, dict[str, str], bytes]:
        """Status, headers (lower-case names) and body of an answer."""
        given = {"Authorization": f"Basic {self.token}"}
        given |= {name.replace("_", "-"): value for name, value in headers.items()}
        url = path if path.startswith("http") else self.host + path
        answer: HttpResponse = self.cloud.http(method, url, given, body)
        found = {name.lower(): value for name, value in answer.headers}
        assert isinstance(answer.body, bytes)
        return answer.status, found, answer.body

    def push_blob(self, repository: str, content: bytes, digest: str) -> None:
        """Push a blob as docker does: POST, PATCH, PUT."""
        status, headers, _ = self.ask("POST", f"/v2/{repository}/blobs/uploads/")
        assert status == 202
        status, headers, _ = self.ask("PATCH", headers["location"], content)
        assert status == 202
        status, headers, _ = self.ask("PUT", f"{headers['location']}?digest={quote(digest)}")
        assert status == 201

    def as_user(self, user: str, password: str) -> str:
        """An Authorization header."""
        return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


@pytest.fixture
def ecr(cloud: Cloud) -> Any:
    """A boto3 client of ECR."""
    return cloud.client("ecr")


@pytest.fixture
def repository(ecr: Any) -> str:
    """A repository's name."""
    ecr.create_repository(repositoryName="team/app")
    return "team/app"


@pytest.fixture
def registry(cloud: Cloud, ecr: Any) -> Registry:
    """The registry as its owner's root user."""
    return Registry(cloud, ecr)
