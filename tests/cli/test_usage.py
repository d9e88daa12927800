"""What the command line promises to people and scripts: 0 done, 1 it failed in one line, 2 wrong usage."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import click
import pytest

from serein.cli import main
from serein.cli.main import COMMANDS
from serein.cli.peers import PeerAddress
from tests.cli.conftest import Run

TEMPLATE = "Resources: {Queue: {Type: 'AWS::SQS::Queue'}}\n"


def test_help_names_every_command(run: Run) -> None:
    told = run("--help")
    assert told.exit_code == 0
    for name, (_, said) in COMMANDS.items():
        assert f"{name} " in told.output
        assert said in told.output


@pytest.mark.parametrize("name", COMMANDS)
def test_each_command_teaches(run: Run, name: str) -> None:
    told = run(name, "-h")
    assert told.exit_code == 0
    assert told.output.startswith(f"Usage: serein {name} ")


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["nope"], "No such command 'nope'"),
        (["up", "--port", "99999"], "99999 is not in the range"),
        (["up", "--port", "http"], "'http' is not a valid integer"),
        (["up", "--auth", "none"], "'none' is not one of 'open', 'strict'"),
        (["up", "--account", "12"], "--account wants 12 digits, not '12'"),
        (["up", "--host", "0.0.0.0", "--auth", "open"], "--auth open is for loopback only"),
        (["up", "--tls-cert", "/no/such/file"], "does not exist"),
        (["up", "--otlp", "localhost:4318"], "--otlp wants a URL like"),
        (["up", "--otlp", "http://"], "--otlp wants a URL like"),
        (["traces", "--count", "0"], "0 is not in the range"),
        (["deploy"], "Missing argument 'TEMPLATE'"),
        (["deploy", "/no/such/template.yaml"], "does not exist"),
        (["delete"], "Missing argument 'STACK'"),
        (["invoke"], "Missing argument 'FUNCTION'"),
        (["logs", "hello", "--since", "yesterday"], "'yesterday' is no length of time"),
        (["status", "--endpoint", "localhost:4566"], "is no URL such as http://127.0.0.1:4566"),
        (["env", "--endpoint", "ftp://localhost"], "is no URL such as http://127.0.0.1:4566"),
    ],
)
def test_wrong_usage(run: Run, arguments: list[str], reason: str) -> None:
    told = run(*arguments)
    assert told.exit_code == 2
    assert reason in told.output
    assert "Traceback" not in told.output


@pytest.mark.parametrize("given", ["novalue", "=value", ""])
def test_a_parameter_is_name_and_value(run: Run, tmp_path: Path, given: str) -> None:
    (tmp_path / "template.yaml").write_text(TEMPLATE)
    told = run("deploy", str(tmp_path), "--stack", "s", "--param", given)
    assert (told.exit_code, f"--param wants K=V, not {given!r}" in told.output) == (2, True)


def test_a_folder_whose_name_is_no_stacks_name(run: Run, tmp_path: Path) -> None:
    """https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_CreateStack.html (StackName)"""
    folder = tmp_path / "my_app"
    folder.mkdir()
    (folder / "template.yaml").write_text(TEMPLATE)
    told = run("deploy", str(folder))
    assert told.exit_code == 2
    assert "'my_app' cannot be a stack's name" in told.output
    assert "--stack" in told.output


def test_a_folder_without_a_template(run: Run, tmp_path: Path) -> None:
    told = run("deploy", str(tmp_path))
    assert told.exit_code == 1
    assert "has no template.yaml, template.yml or template.json." in told.output


@pytest.mark.parametrize(
    "arguments", [["status"], ["delete", "s"], ["invoke", "f"], ["logs", "f"], ["deploy"]], ids=str
)
def test_nobody_there(run: Run, nowhere: str, tmp_path: Path, arguments: list[str]) -> None:
    if arguments == ["deploy"]:
        (tmp_path / "template.yaml").write_text(TEMPLATE)
        arguments = ["deploy", str(tmp_path), "--stack", "s"]
    told = run(*arguments, "--endpoint", nowhere)
    assert told.exit_code == 1
    assert told.output == (
        f"Error: Nothing answers at {nowhere}. Start Serein with `serein up`, "
        "or say where it is with --endpoint.\n"
    )


def test_a_profile_that_is_not_there(run: Run, nowhere: str) -> None:
    told = run("invoke", "f", "--endpoint", nowhere, AWS_PROFILE="absent")
    assert told.exit_code == 1
    assert told.output == "Error: The config profile (absent) could not be found\n"


def test_environment(run: Run) -> None:
    told = run("env", "--endpoint", "http://127.0.0.1:7000/")
    assert told.exit_code == 0
    assert told.output.splitlines() == [
        "export AWS_ENDPOINT_URL=http://127.0.0.1:7000",
        "export AWS_ACCESS_KEY_ID=test",
        "export AWS_SECRET_ACCESS_KEY=${AWS_SECRET_ACCESS_KEY:-test}",
        "export AWS_REGION=us-east-1 AWS_DEFAULT_REGION=us-east-1",
    ]


def test_environment_keeps_what_is_set(run: Run) -> None:
    """An option goes before the environment; what a shell would read as its own is quoted."""
    settings = {"AWS_REGION": "eu-west-1", "AWS_ACCESS_KEY_ID": "a b;c"}
    told = run("env", **settings).output
    assert "AWS_REGION=eu-west-1 " in told
    assert "AWS_ACCESS_KEY_ID='a b;c'" in told
    assert "AWS_REGION=ap-south-1 " in run("env", "--region", "ap-south-1", **settings).output


def test_errors_of_the_process_are_one_line(nowhere: str) -> None:
    """The installed command itself: the reason on stderr, nothing on stdout, no traceback."""
    done = subprocess.run(
        [sys.executable, "-m", "serein.cli.main", "status", "--endpoint", nowhere],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("Error: Nothing answers at")
    assert done.stderr.count("\n") == 1


def test_a_bug_is_one_line_too(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whatever was not foreseen: its name, exit code 1, and how to see more."""

    def broken(**_: object) -> None:
        raise LookupError("no such thing")

    monkeypatch.setattr(main.serein, "main", broken)
    monkeypatch.delenv("SEREIN_TRACEBACK", raising=False)
    with pytest.raises(SystemExit) as ended:
        main.main()
    told = capsys.readouterr()
    assert (ended.value.code, told.out) == (1, "")
    assert told.err == "Error: LookupError: no such thing (SEREIN_TRACEBACK=1 shows where)\n"
    monkeypatch.setenv("SEREIN_TRACEBACK", "1")
    with pytest.raises(LookupError):
        main.main()


def test_addresses_that_functions_may_reach():
    parse = PeerAddress().convert
    assert parse("127.0.0.1:5432", None, None) == ("127.0.0.1", 5432)
    assert parse("localhost:6379", None, None) == ("127.0.0.1", 6379)
    assert parse("[::1]:27017", None, None) == ("::1", 27_017)
    assert parse("5432", None, None) == ("127.0.0.1", 5432)
    for wrong in ("db:5432", "127.0.0.1:", "127.0.0.1:70000", "127.0.0.1"):
        with pytest.raises(click.UsageError):
            parse(wrong, None, None)
