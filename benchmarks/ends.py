"""Who is measured, and requests signed for them."""

from __future__ import annotations

import json
import os
from typing import Any

import boto3
from botocore.auth import S3SigV4Auth, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials

REGION = "us-east-1"

Request = dict[str, Any]
"""Method, path, headers and body (as latin-1 text) of a signed request."""
Case = dict[str, list[Request]]
"""By label, the requests that are sent over and over."""


class End:
    """An endpoint with the keys that its requests are signed with (the environment's by default)."""

    def __init__(self, url: str, credentials: Credentials | None = None, name: str = "") -> None:
        self.url = url
        self.name = name
        self.credentials = credentials or Credentials(
            os.environ.get("AWS_ACCESS_KEY_ID", "test"),
            os.environ.get("AWS_SECRET_ACCESS_KEY", "test"),
        )

    def client(self, service: str) -> Any:
        """A boto3 client, to prepare a case."""
        return boto3.client(
            service,
            endpoint_url=self.url,
            region_name=REGION,
            aws_access_key_id=self.credentials.access_key,
            aws_secret_access_key=self.credentials.secret_key,
            config=Config(
                retries={"max_attempts": 1}, read_timeout=60, s3={"addressing_style": "path"}
            ),
        )

    def signed(
        self,
        service: str,
        method: str = "POST",
        path: str = "/",
        headers: dict[str, str] | None = None,
        body: bytes = b"",
    ) -> Request:
        """A request as an SDK would send it."""
        auth = S3SigV4Auth if service == "s3" else SigV4Auth
        request = AWSRequest(
            method=method, url=self.url + path, data=body, headers=dict(headers or {})
        )
        auth(self.credentials, service, REGION).add_auth(request)
        return {
            "method": method,
            "path": path,
            "headers": dict(request.headers.items()),
            "body": body.decode("latin1"),
        }

    def json_call(
        self, service: str, target: str, payload: dict[str, Any], version: str = "1.0"
    ) -> Request:
        """A call of a JSON service; `target` is what stands in X-Amz-Target."""
        headers = {"X-Amz-Target": target, "Content-Type": f"application/x-amz-json-{version}"}
        return self.signed(service, headers=headers, body=json.dumps(payload).encode())
