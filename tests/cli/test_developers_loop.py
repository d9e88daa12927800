"""The developer's loop against a real server: deploy --watch, logs of several functions, a call under a debugger."""

from __future__ import annotations

import json
import os
import select
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.running import RunningSerein

TEMPLATE = """
Transform: AWS::Serverless-2016-10-31
Resources:
  A:
    Type: AWS::Serverless::Function
    Properties: {FunctionName: a, Runtime: python3.11, Handler: app.handler, CodeUri: a}
  B:
    Type: AWS::Serverless::Function
    Properties: {FunctionName: b, Runtime: python3.11, Handler: app.handler, CodeUri: b}
"""
SOURCE = """
import os, uuid
BORN = uuid.uuid4().hex
def handler(event, context):
    print("said by", NAME)
    return [NAME, 1, BORN, os.environ.get("SECRET"), context.get_remaining_time_in_millis() > 10**6]
"""


class Watching:
    """`serein deploy --watch` of an application, and commands beside it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.running = RunningSerein(None)

    def __enter__(self) -> Watching:
        self.running.__enter__()
        self.environment = {
            **os.environ,
            "AWS_ENDPOINT_URL": self.running.endpoint,
            "AWS_REGION": "us-east-1",
            "PYTHONUNBUFFERED": "1",
        }
        for name in ("a", "b"):
            (self.folder / name).mkdir()
            (self.folder / name / "app.py").write_text(f"NAME = {name!r}\n{SOURCE}")
        (self.folder / "template.yaml").write_text(TEMPLATE)
        (self.folder / ".env").write_text("SECRET=local\n")
        self.process = self.start("deploy", str(self.folder), "--watch", "--stack", "watched")
        self.await_line("Watching for changes")
        return self

    def __exit__(self, *reason: object) -> None:
        self.process.terminate()
        self.process.wait(10)
        self.running.__exit__(None, None, None)

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "serein.cli.main", *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=self.environment,
        )

    def run(self, *arguments: str) -> str:
        process = self.start(*arguments)
        return process.communicate(timeout=60)[0]

    def await_line(self, part: str) -> str:
        assert self.process.stdout is not None
        seen = []
        for line in self.process.stdout:
            seen.append(line)
            if part in line:
                return "".join(seen)
        raise AssertionError("".join(seen))

    def save(self, path: str, text: str) -> None:
        """As editors do: beside it, then in its place."""
        new = self.folder / (path + "~")
        new.write_text(text)
        new.replace(self.folder / path)

    def answer(self, function: str) -> Any:
        return json.loads(self.run("invoke", function))


@pytest.fixture(scope="module")
def watching(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watching]:
    with Watching(tmp_path_factory.mktemp("watched")) as made:
        yield made


def test_a_saved_file_is_live_and_the_others_are_left_alone(watching: Watching):
    first = watching.answer("b")
    assert watching.answer("a")[:2] == ["a", 1]
    assert first[3] == "local"
    source = (watching.folder / "a" / "app.py").read_text()
    watching.save("a/app.py", source.replace(", 1,", ", 2,"))
    watching.await_line("live after")
    assert watching.answer("a")[:2] == ["a", 2]
    assert watching.answer("b")[2] == first[2], "its environment is the same"


def test_errors_are_said_and_outlived(watching: Watching):
    source = (watching.folder / "a" / "app.py").read_text()
    watching.save("a/app.py", "def handler(\n")
    assert "app.py:1: SyntaxError" in watching.await_line("live after")
    assert watching.answer("a")["errorType"] == "Runtime.UserCodeSyntaxError"
    watching.save("template.yaml", "Resources: [")
    watching.await_line("template.yaml:")
    watching.save("template.yaml", TEMPLATE)
    watching.await_line("live after")
    watching.save("a/app.py", source)
    watching.await_line("live after")
    assert watching.answer("a")[0] == "a"


def test_a_deployment_finds_code_that_was_updated_past_the_stack(watching: Watching):
    watching.save("b/app.py", f"NAME = 'new'\n{SOURCE}")
    watching.await_line("live after")
    assert watching.answer("b")[0] == "new"
    # What the stack knows again, while nobody watches.
    elsewhere = watching.folder.parent / f"{watching.folder.name}-again"
    shutil.copytree(watching.folder, elsewhere)
    (elsewhere / "b" / "app.py").write_text(f"NAME = 'b'\n{SOURCE}")
    told = watching.run("deploy", str(elsewhere), "--stack", "watched")
    assert "b: its code is up to date again." in told, told
    assert watching.answer("b")[0] == "b"


def test_logs_of_several_functions(watching: Watching):
    for name in ("a", "b"):
        watching.answer(name)
    told = _eventually(lambda: watching.run("logs", "--since", "5m", "--plain"), "b said by b")
    assert "a said by a" in told
    assert "REPORT" not in told
    only = watching.run("logs", "a", "--filter", "said by")
    assert "said by a" in only
    assert "START" not in only
    assert " a said" not in only, "one function needs no name before its lines"


def _eventually(run: Any, part: str) -> str:
    for _ in range(20):
        told: str = run()
        if part in told:
            return told
    raise AssertionError(told)


def test_a_call_under_a_debugger(watching: Watching):
    pytest.importorskip("debugpy", reason="debugpy is not installed")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    source = watching.folder / "a" / "app.py"
    line = next(n for n, text in enumerate(source.read_text().splitlines(), 1) if "return" in text)
    process = watching.start(
        *("invoke", "a", "{}", "--debug", "--debug-port", str(port), "--code", str(source.parent))
    )
    stopped: list[str] = []
    debugger = threading.Thread(target=_debug, args=(port, str(source), line, stopped))
    debugger.start()
    try:
        told = process.communicate(timeout=90)[0]
    finally:
        process.terminate()
    debugger.join(10)
    assert process.returncode == 0, told
    assert stopped == ["breakpoint"]
    assert f'"port": {port}' in told
    assert "said by a" in told
    answer = json.loads(told.splitlines()[-1])
    assert answer[0] == "a"
    assert answer[3:] == ["local", True], "its variables, and no time limit"


def _debug(port: int, source: str, line: int, stopped: list[str]) -> None:
    """A debugger that stops at a line once: https://microsoft.github.io/debug-adapter-protocol/specification"""
    while True:
        try:
            connection = socket.create_connection(("127.0.0.1", port), 30)
            break
        except ConnectionRefusedError:
            select.select([], [], [], 0.05)
    reading = connection.makefile("rb")

    def ask(number: int, command: str, **arguments: Any) -> None:
        body = json.dumps(
            {"seq": number, "type": "request", "command": command, "arguments": arguments}
        ).encode()
        connection.sendall(b"Content-Length: %d\r\n\r\n" % len(body) + body)

    ask(1, "initialize", adapterID="test", pathFormat="path")
    ask(2, "attach", justMyCode=True)
    while header := reading.readline():
        size = int(header.partition(b":")[2])
        reading.readline()
        message = json.loads(reading.read(size))
        if message.get("event") == "initialized":
            ask(3, "setBreakpoints", source={"path": source}, breakpoints=[{"line": line}])
            ask(4, "configurationDone")
        elif message.get("event") == "stopped":
            stopped.append(message["body"]["reason"])
            ask(5, "continue", threadId=message["body"]["threadId"])
        elif message.get("event") == "terminated":
            break
    connection.close()
