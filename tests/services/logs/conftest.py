"""Fixtures: a client, a group with a stream, and a way to put lines."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.cloud import Cloud

Put = Callable[..., dict[str, Any]]


@pytest.fixture
def logs(cloud: Cloud) -> Any:
    return cloud.client("logs")


@pytest.fixture
def stream(logs: Any) -> dict[str, str]:
    """A group "app" with a stream "one", as parameters."""
    named = {"logGroupName": "app", "logStreamName": "one"}
    logs.create_log_group(logGroupName="app")
    logs.create_log_stream(**named)
    return named


@pytest.fixture
def now(cloud: Cloud) -> Callable[[], int]:
    """The time in ms."""
    return lambda: int(cloud.clock.now() * 1000)


@pytest.fixture
def put(logs: Any, stream: dict[str, str], now: Callable[[], int]) -> Put:
    """`put("a", "b", at=…, name="one")`: lines a millisecond apart, from `at` (default: now) on."""

    def put(*messages: str, at: int | None = None, name: str = "one") -> dict[str, Any]:
        begin = now() if at is None else at
        events = [{"timestamp": begin + n, "message": text} for n, text in enumerate(messages)]
        return logs.put_log_events(logGroupName="app", logStreamName=name, logEvents=events)

    return put


def refused(call: Callable[..., Any], **params: Any) -> tuple[str, str]:
    """The code and message of the error that `call` answers with."""
    with pytest.raises(ClientError) as raised:
        call(**params)
    error = raised.value.response["Error"]
    return error["Code"], error["Message"]
