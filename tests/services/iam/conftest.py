"""Fixtures of IAM's tests."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.cloud import Cloud

ACCOUNT = "000000000000"


@pytest.fixture
def iam(cloud: Cloud) -> Any:
    """IAM as the account's root."""
    return cloud.client("iam")


@pytest.fixture
def refused() -> Callable[..., tuple[str, str]]:
    """Calls what must be refused, and gives code and message."""

    def call(function: Callable[..., Any], **params: Any) -> tuple[str, str]:
        with pytest.raises(ClientError) as caught:
            function(**params)
        error = caught.value.response["Error"]
        return error["Code"], error["Message"]

    return call


@pytest.fixture
def document() -> Callable[..., str]:
    """A policy document of one statement."""

    def make(action: str = "s3:GetObject", resource: str = "*", effect: str = "Allow") -> str:
        statement = {"Effect": effect, "Action": action, "Resource": resource}
        return json.dumps({"Version": "2012-10-17", "Statement": [statement]})

    return make


@pytest.fixture
def trust() -> Callable[..., str]:
    """A trust policy for one principal."""

    def make(**principal: Any) -> str:
        principal = principal or {"Service": "lambda.amazonaws.com"}
        statement = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": principal}
        return json.dumps({"Version": "2012-10-17", "Statement": [statement]})

    return make


@pytest.fixture
def user(iam: Any) -> str:
    """A user's name."""
    return str(iam.create_user(UserName="bob")["User"]["UserName"])


@pytest.fixture
def role(iam: Any, trust: Callable[..., str]) -> str:
    """A role's name."""
    made = iam.create_role(RoleName="worker", AssumeRolePolicyDocument=trust())
    return str(made["Role"]["RoleName"])


@pytest.fixture
def policy(iam: Any, document: Callable[..., str]) -> str:
    """A managed policy's ARN."""
    return str(iam.create_policy(PolicyName="reader", PolicyDocument=document())["Policy"]["Arn"])
