"""The client commands against a real `serein up`: what they print, and how they fail. (The whole story: flows/test_todo.py.)"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from serein.cli.main import serein
from tests.running import RunningSerein

TEMPLATE = """
Transform: AWS::Serverless-2016-10-31
Parameters:
  Word: {Type: String, Default: hello}
Resources:
  Greeter:
    Type: AWS::Serverless::Function
    Properties:
      FunctionName: greeter
      Runtime: python3.11
      Handler: app.handler
      CodeUri: src
      Environment: {Variables: {WORD: !Ref Word}}
Outputs:
  Name: {Value: !Ref Greeter}
  Said: {Value: !Ref Word}
"""
SOURCE = """
import os

def handler(event, context):
    print("called with", event)
    if event.get("fail"):
        raise ValueError("as asked")
    return {"says": os.environ["WORD"], "event": event}
"""
Run = Callable[..., Result]


@pytest.fixture(scope="module")
def run() -> Iterator[Run]:
    with RunningSerein(None) as running:
        environment = {"AWS_ENDPOINT_URL": running.endpoint, "AWS_REGION": "us-east-1"}

        def run_it(*arguments: str, **settings: Any) -> Result:
            return CliRunner(env=environment).invoke(serein, list(arguments), **settings)

        yield run_it


@pytest.fixture(scope="module")
def app(run: Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The deployed application's folder."""
    folder = tmp_path_factory.mktemp("greeting")
    (folder / "src").mkdir()
    (folder / "src" / "app.py").write_text(SOURCE)
    (folder / "template.yaml").write_text(TEMPLATE)
    told = run("deploy", str(folder), "--stack", "greeting")
    assert told.exit_code == 0, told.output
    assert "Creating stack greeting" in told.output
    assert "CREATE_COMPLETE" in told.output
    assert "  Name  greeter\n" in told.output
    return folder


def one_line(told: Result) -> str:
    assert told.exit_code == 1
    assert told.output.startswith("Error: ")
    assert told.output.count("\n") == 1
    return told.output.removeprefix("Error: ").strip()


def test_invoke(run: Run, app: Path) -> None:
    told = run("invoke", "greeter", '{"a": 1}')
    assert told.exit_code == 0
    assert json.loads(told.stdout) == {"says": "hello", "event": {"a": 1}}
    told = run("invoke", "greeter", "-", "--logs", input='{"b": 2}')
    assert json.loads(told.stdout)["event"] == {"b": 2}
    assert "called with {'b': 2}" in told.stderr
    assert "REPORT RequestId" in told.stderr


def test_a_function_that_fails(run: Run, app: Path) -> None:
    """The answer is printed all the same; the exit code tells scripts."""
    told = run("invoke", "greeter", '{"fail": true}')
    assert told.exit_code == 1
    assert json.loads(told.stdout)["errorType"] == "ValueError"


def test_logs(run: Run, app: Path) -> None:
    run("invoke", "greeter", '{"c": 3}')
    told = run("logs", "greeter", "--since", "600")
    assert told.exit_code == 0
    assert "called with {'c': 3}" in told.output
    assert run("logs", "/aws/lambda/greeter").output == run("logs", "greeter").output


def test_status(run: Run, app: Path) -> None:
    told = run("status")
    assert told.exit_code == 0
    assert "greeting" in told.output
    assert "python3.11, 128 MB" in told.output


def test_a_parameter_is_kept_until_it_is_changed(run: Run, app: Path) -> None:
    name = ("deploy", str(app), "--stack", "greeting")
    assert "greeting: no changes." in run(*name).output
    told = run(*name, "--param", "Word=goodbye")
    assert told.exit_code == 0, told.output
    assert "Updating stack greeting" in told.output
    assert "  Said  goodbye\n" in told.output
    told = run(*name)
    assert "greeting: no changes." in told.output
    assert "  Said  goodbye\n" in told.output
    assert json.loads(run("invoke", "greeter").stdout)["says"] == "goodbye"


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["invoke", "nobody"], "ResourceNotFoundException: Function not found: "),
        (["invoke", "nobody", "{not json"], "ResourceNotFoundException: Function not found: "),
        (["logs", "nobody"], "ResourceNotFoundException: The specified log group does not exist"),
        (["delete", "nothing"], "ValidationError: Stack with id nothing does not exist"),
    ],
    ids=["invoke", "invoke no json", "logs", "delete"],
)
def test_what_is_not_there(run: Run, arguments: list[str], reason: str) -> None:
    assert one_line(run(*arguments)).startswith(reason)


def test_a_payload_that_is_no_json(run: Run, app: Path) -> None:
    assert one_line(run("invoke", "greeter", "{oops")).startswith("InvalidRequestContentException")


def deploy_text(run: Run, folder: Path, text: str, stack: str) -> Result:
    (folder / "template.yaml").write_text(text)
    return run("deploy", str(folder), "--stack", stack)


def test_a_template_with_an_error(run: Run, tmp_path: Path) -> None:
    text = "Resources: {Queue: {Type: 'AWS::SQS::Queue', Properties: {QueueName: !Ref Absent}}}"
    assert "Absent" in one_line(deploy_text(run, tmp_path, text, "wrong"))


def test_a_stack_that_fails(run: Run, tmp_path: Path) -> None:
    """The line of the resource says why; what is left can be deleted, then deployed again."""
    text = """
Resources:
  First: {Type: AWS::SQS::Queue}
  Second: {Type: AWS::SQS::Queue, DependsOn: First, Properties: {QueueName: "not a name!"}}
"""
    told = deploy_text(run, tmp_path, text, "failing")
    assert told.exit_code == 1
    [failed] = [line for line in told.output.splitlines() if "CREATE_FAILED" in line]
    assert "Second" in failed
    assert told.output.endswith("Error: failing is ROLLBACK_COMPLETE; the lines above say why.\n")
    told = deploy_text(run, tmp_path, text, "failing")
    assert "serein delete failing" in one_line(told)
    assert run("delete", "failing").exit_code == 0
    told = deploy_text(run, tmp_path, "Resources: {Q: {Type: 'AWS::SQS::Queue'}}", "failing")
    assert told.exit_code == 0, told.output
    told = run("delete", "failing")
    assert told.exit_code == 0
    assert "DELETE_COMPLETE" in told.output
