"""Fixtures of Organizations' tests."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.cloud import Cloud


@pytest.fixture
def org(cloud: Cloud) -> Any:
    """Organizations as the root of what becomes the management account."""
    return cloud.client("organizations")


@pytest.fixture
def organization(org: Any) -> dict[str, Any]:
    """An organization."""
    made: dict[str, Any] = org.create_organization(FeatureSet="ALL")["Organization"]
    return made


@pytest.fixture
def root(org: Any, organization: dict[str, Any]) -> str:
    """The id of its root."""
    return str(org.list_roots()["Roots"][0]["Id"])


@pytest.fixture
def member(org: Any, organization: dict[str, Any]) -> str:
    """The id of a member account."""
    status = org.create_account(Email="dev@example.com", AccountName="dev")["CreateAccountStatus"]
    assert status["State"] == "SUCCEEDED"
    return str(status["AccountId"])


@pytest.fixture
def scp() -> Callable[..., str]:
    """A control policy's document."""

    def make(action: str = "sqs:*", effect: str = "Deny") -> str:
        statement = {"Effect": effect, "Action": action, "Resource": "*"}
        return json.dumps({"Version": "2012-10-17", "Statement": [statement]})

    return make


@pytest.fixture
def refused() -> Callable[..., tuple[str, str]]:
    """Calls what must be refused, and gives code and reason ("" where there is none)."""

    def call(function: Callable[..., Any], **params: Any) -> tuple[str, str]:
        with pytest.raises(ClientError) as caught:
            function(**params)
        response = caught.value.response
        return response["Error"]["Code"], response.get("Reason", "")

    return call
