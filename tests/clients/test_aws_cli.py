"""The AWS CLI against each service, over real HTTP."""

from __future__ import annotations

import json
import subprocess
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.clients.programs import program
from tests.running import RunningSerein

AWS = program("aws")
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

pytestmark = [
    pytest.mark.clients,
    pytest.mark.skipif(AWS is None, reason="aws (`make clients`) is absent"),
]


class AwsCli:
    def __init__(self, running: RunningSerein, folder: Path) -> None:
        self._environment = running.environment()
        # Version 1 of the CLI overrides SQS's endpoint with its own unless it is given as an option.
        self._command = [str(AWS), "--endpoint-url", running.endpoint]
        self.folder = folder

    def text(self, *arguments: str) -> str:
        done = subprocess.run(
            [*self._command, *arguments],
            cwd=self.folder,
            env=self._environment,
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.returncode == 0, f"aws {' '.join(arguments)}:\n{done.stderr}"
        return done.stdout

    def __call__(self, *arguments: str) -> Any:
        told = self.text(*arguments, "--output", "json")
        return json.loads(told) if told.strip() else None


@pytest.fixture(scope="module")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AwsCli]:
    folder = tmp_path_factory.mktemp("cli")
    with RunningSerein(folder / "data") as running:
        yield AwsCli(running, folder)


def test_sts(aws: AwsCli) -> None:
    assert aws("sts", "get-caller-identity")["Account"] == "000000000000"


def test_s3(aws: AwsCli) -> None:
    (aws.folder / "site").mkdir()
    (aws.folder / "site" / "index.html").write_text("<p>hello")
    (aws.folder / "large.bin").write_bytes(bytes(20 * 1024 * 1024))
    aws.text("s3", "mb", "s3://cli-files")
    aws.text("s3", "sync", "site", "s3://cli-files/site")
    aws.text("s3", "cp", "large.bin", "s3://cli-files/large.bin")
    aws.text("s3", "cp", "s3://cli-files/large.bin", "back.bin")
    assert (aws.folder / "back.bin").stat().st_size == 20 * 1024 * 1024
    assert "site/index.html" in aws.text("s3", "ls", "s3://cli-files", "--recursive")
    aws.text("s3", "rb", "s3://cli-files", "--force")


def test_dynamodb(aws: AwsCli) -> None:
    aws(
        *("dynamodb", "create-table", "--table-name", "cli", "--billing-mode", "PAY_PER_REQUEST"),
        *("--key-schema", "AttributeName=pk,KeyType=HASH"),
        *("--attribute-definitions", "AttributeName=pk,AttributeType=S"),
    )
    aws.text("dynamodb", "wait", "table-exists", "--table-name", "cli")
    aws(
        "dynamodb",
        "put-item",
        "--table-name",
        "cli",
        "--item",
        '{"pk": {"S": "a"}, "n": {"N": "1.50"}}',
    )
    got = aws("dynamodb", "get-item", "--table-name", "cli", "--key", '{"pk": {"S": "a"}}')
    assert got == {"Item": {"pk": {"S": "a"}, "n": {"N": "1.5"}}}


def test_sqs(aws: AwsCli) -> None:
    url = aws("sqs", "create-queue", "--queue-name", "cli")["QueueUrl"]
    aws("sqs", "send-message", "--queue-url", url, "--message-body", "hello")
    got = aws("sqs", "receive-message", "--queue-url", url)
    assert got["Messages"][0]["Body"] == "hello"


def test_iam_lambda_logs_api(aws: AwsCli) -> None:
    with zipfile.ZipFile(aws.folder / "code.zip", "w") as packed:
        packed.writestr(
            "app.py", "def handler(event, context):\n    print('seen')\n    return {'ok': True}\n"
        )
    role = aws(
        *("iam", "create-role", "--role-name", "cli"),
        *("--assume-role-policy-document", json.dumps(TRUST)),
    )["Role"]["Arn"]
    logs_policy = "arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole"
    aws("iam", "attach-role-policy", "--role-name", "cli", "--policy-arn", logs_policy)
    function = aws(
        *("lambda", "create-function", "--function-name", "cli", "--runtime", "python3.12"),
        *("--handler", "app.handler", "--role", role, "--zip-file", "fileb://code.zip"),
    )["FunctionArn"]
    aws.text("lambda", "wait", "function-active-v2", "--function-name", "cli")
    aws("lambda", "invoke", "--function-name", "cli", "out.json")
    assert json.loads((aws.folder / "out.json").read_text()) == {"ok": True}
    api = aws(
        *("apigatewayv2", "create-api", "--name", "cli", "--protocol-type", "HTTP"),
        *("--target", function),
    )
    assert api["ApiEndpoint"].startswith(f"http://{api['ApiId']}.execute-api.")
    assert "cli" in json.dumps(aws("lambda", "list-functions"))
    events = aws("logs", "filter-log-events", "--log-group-name", "/aws/lambda/cli")["events"]
    assert any("seen" in event["message"] for event in events)


def test_cloudformation(aws: AwsCli) -> None:
    template = {
        "Resources": {"Jobs": {"Type": "AWS::SQS::Queue"}},
        "Outputs": {"Url": {"Value": {"Ref": "Jobs"}}},
    }
    (aws.folder / "stack.json").write_text(json.dumps(template))
    aws(
        "cloudformation",
        "create-stack",
        "--stack-name",
        "cli",
        "--template-body",
        "file://stack.json",
    )
    aws.text("cloudformation", "wait", "stack-create-complete", "--stack-name", "cli")
    stack = aws("cloudformation", "describe-stacks", "--stack-name", "cli")["Stacks"][0]
    assert "/000000000000/cli-Jobs-" in stack["Outputs"][0]["OutputValue"]
    aws("cloudformation", "delete-stack", "--stack-name", "cli")
    aws.text("cloudformation", "wait", "stack-delete-complete", "--stack-name", "cli")
