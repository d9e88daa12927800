"""The context object that a Python handler is given.

https://docs.aws.amazon.com/lambda/latest/dg/python-context.html
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Mapping
from typing import Any


class Client:
    """The mobile client, as the caller described it; absent parts are None."""

    __slots__ = (
        "app_package_name",
        "app_title",
        "app_version_code",
        "app_version_name",
        "installation_id",
    )

    def __init__(self, facts: Mapping[str, Any]) -> None:
        for name in self.__slots__:
            setattr(self, name, facts.get(name))


class ClientContext:
    """What the caller sent in `X-Amz-Client-Context`."""

    __slots__ = ("client", "custom", "env")

    def __init__(self, facts: Mapping[str, Any]) -> None:
        self.custom = facts.get("custom")
        self.env = facts.get("env")
        client = facts.get("client")
        self.client = Client(client) if isinstance(client, dict) else None


class CognitoIdentity:
    """The Amazon Cognito identity that authorised the request, if there was one."""

    __slots__ = ("cognito_identity_id", "cognito_identity_pool_id")

    def __init__(self, facts: Mapping[str, Any]) -> None:
        self.cognito_identity_id = facts.get("cognitoIdentityId")
        self.cognito_identity_pool_id = facts.get("cognitoIdentityPoolId")


class LambdaContext:
    """Facts about the invocation, the function and its environment."""

    def __init__(self, facts: Mapping[str, Any]) -> None:
        environment = os.environ
        self.aws_request_id: str = facts["id"]
        self.log_group_name = environment.get("AWS_LAMBDA_LOG_GROUP_NAME")
        self.log_stream_name = environment.get("AWS_LAMBDA_LOG_STREAM_NAME")
        self.function_name = environment.get("AWS_LAMBDA_FUNCTION_NAME")
        self.memory_limit_in_mb = environment.get("AWS_LAMBDA_FUNCTION_MEMORY_SIZE")
        self.function_version = environment.get("AWS_LAMBDA_FUNCTION_VERSION")
        self.invoked_function_arn: str = facts["arn"]
        self.tenant_id: str | None = None
        client_context = facts.get("client_context")
        self.client_context = ClientContext(json.loads(client_context)) if client_context else None
        identity = facts.get("identity")
        self.identity = CognitoIdentity(json.loads(identity) if identity else {})
        self._deadline_ms: int = facts["deadline_ms"]

    def get_remaining_time_in_millis(self) -> int:
        """Milliseconds left before the invocation is ended; never below 0."""
        return max(0, self._deadline_ms - int(time.time() * 1000))

    def log(self, message: object) -> None:
        """Write `message` to the function's log."""
        sys.stdout.write(str(message))

    def __repr__(self) -> str:
        names = (
            "aws_request_id",
            "log_group_name",
            "log_stream_name",
            "function_name",
            "memory_limit_in_mb",
            "function_version",
            "invoked_function_arn",
            "client_context",
            "identity",
            "tenant_id",
        )
        return "LambdaContext([" + ",".join(f"{n}={getattr(self, n)}" for n in names) + "])"
