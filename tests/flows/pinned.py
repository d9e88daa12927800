"""Clients that stay with one worker process of a server: a connection belongs to whoever accepted it."""

from __future__ import annotations

import http.client
import json
import time
from typing import Any

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

REGION = "us-east-1"
FIND_S_MAX = 20.0


class Pinned:
    """One connection, always to the same worker process, whose number is `worker`."""

    def __init__(self, endpoint: str) -> None:
        self._endpoint = endpoint
        self.line = http.client.HTTPConnection(endpoint.partition("//")[2], timeout=30)
        self.worker: int = self.health()["worker"]

    def health(self) -> dict[str, Any]:
        """The health page as this process shows it."""
        self.line.request("GET", "/_serein/health")
        found: dict[str, Any] = json.loads(self.line.getresponse().read())
        return found

    def call(
        self,
        service: str,
        target: str,
        params: dict[str, Any],
        *,
        key: tuple[str, str] = ("test", "test"),
    ) -> tuple[int, dict[str, Any]]:
        """An operation of a JSON service (`target` with its prefix): status and answer."""
        headers = {"X-Amz-Target": target, "Content-Type": "application/x-amz-json-1.0"}
        return self.post(service, "/", json.dumps(params).encode(), headers, key)

    def invoke(self, function: str) -> tuple[int, Any]:
        """Call a function: status and answer."""
        return self.post("lambda", f"/2015-03-31/functions/{function}/invocations", b"{}", {})

    def post(
        self,
        service: str,
        path: str,
        body: bytes,
        headers: dict[str, str],
        key: tuple[str, str] = ("test", "test"),
    ) -> tuple[int, Any]:
        """A signed request: status and what the JSON of the answer says."""
        headers = {**headers, "Host": self._endpoint.partition("//")[2]}
        request = AWSRequest("POST", f"{self._endpoint}{path}", headers=headers, data=body)
        SigV4Auth(Credentials(*key), service, REGION).add_auth(request)
        self.line.request("POST", path, body, dict(request.headers.items()))
        answer = self.line.getresponse()
        text = answer.read()
        return answer.status, json.loads(text) if text else {}

    def dynamodb(self, operation: str, **params: Any) -> dict[str, Any]:
        """A DynamoDB operation that must succeed."""
        status, answer = self.call("dynamodb", f"DynamoDB_20120810.{operation}", params)
        assert status == 200, answer
        return answer

    def sqs(self, operation: str, **params: Any) -> dict[str, Any]:
        """An SQS operation that must succeed."""
        status, answer = self.call("sqs", f"AmazonSQS.{operation}", params)
        assert status == 200, answer
        return answer

    def close(self) -> None:
        """Hang up."""
        self.line.close()


def one_for_each(endpoint: str, count: int) -> dict[int, Pinned]:
    """A pinned client for every worker process, by its number."""
    found: dict[int, Pinned] = {}
    until = time.monotonic() + FIND_S_MAX
    while len(found) < count:
        assert time.monotonic() < until, f"only workers {sorted(found)} answer"
        pinned = Pinned(endpoint)
        if pinned.worker in found:
            pinned.close()
        else:
            found[pinned.worker] = pinned
    return found
