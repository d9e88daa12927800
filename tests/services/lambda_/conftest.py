"""A house whose functions really run."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable
from typing import Any

import pytest

from tests.cloud import Cloud

TRUST = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Principal": {"Service": "lambda.amazonaws.com"},
            "Action": "sts:AssumeRole",
        }
    ],
}


def zipped(files: dict[str, str | bytes]) -> bytes:
    """An archive with these files."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return buffer.getvalue()


ECHO = zipped({"app.py": "def handler(event, context):\n    return event\n"})


@pytest.fixture
def role(cloud: Cloud) -> str:
    """A role that Lambda may assume and that may do everything."""
    iam = cloud.client("iam")
    made = iam.create_role(RoleName="runner", AssumeRolePolicyDocument=json.dumps(TRUST))
    allow = {"Effect": "Allow", "Action": "*", "Resource": "*"}
    iam.put_role_policy(
        RoleName="runner",
        PolicyName="all",
        PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [allow]}),
    )
    return str(made["Role"]["Arn"])


@pytest.fixture
def awslambda(cloud: Cloud) -> Any:
    """A boto3 client of Lambda."""
    return cloud.client("lambda")


Make = Callable[..., dict[str, Any]]


@pytest.fixture
def make_function(awslambda: Any, role: str) -> Make:
    """Creates a function from Python source (or an archive)."""

    def make(source: str | bytes = ECHO, name: str = "echo", **settings: Any) -> dict[str, Any]:
        code = source if isinstance(source, bytes) else zipped({"app.py": source})
        given = {"Runtime": "python3.11", "Handler": "app.handler", "Role": role, **settings}
        answer: dict[str, Any] = awslambda.create_function(
            FunctionName=name, Code={"ZipFile": code}, **given
        )
        return answer

    return make
