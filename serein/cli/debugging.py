"""One call of a function under a debugger: beside Serein, in a process of one's own, with no time limit.

The function runs with its configuration, its layers and the credentials of whoever calls, outside of any sandbox: a debugger has to
reach it, and it the debugger. https://code.visualstudio.com/docs/python/debugging#_debugging-by-attaching-over-a-network-connection
"""

from __future__ import annotations

import importlib.util
import io
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
import uuid
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import click
import orjson

from serein.cli.client import Cloud
from serein.runtimes.inside import frames
from serein.runtimes.interpreters import INSIDE
from serein.runtimes.log_lines import LineSplitter
from serein.runtimes.spec import FunctionSpec
from serein.runtimes.variables import function_variables

PORTS = {"python": 5678, "nodejs": 9229}
NO_LIMIT_S = 86_400.0
_CHANNEL = 3
_READ_BYTES = 65_536
_ARCHIVE_BYTES_MAX = 300 * 1024 * 1024


class Answer(NamedTuple):
    """What the function answered, and whether it is an error."""

    payload: bytes
    is_error: bool


def debug(
    cloud: Cloud, function: str, payload: bytes, port: int | None, code: Path | None
) -> Answer:
    """Call `function` once, when a debugger has come. `code`: the folder of its sources, in place of what is deployed.

    Raises ClickException where there is nothing to debug with.
    """
    client = cloud.client("lambda")
    found = client.get_function(FunctionName=function)
    configuration = found["Configuration"]
    family = str(configuration.get("Runtime", "")).rstrip("0123456789.x")
    if family not in PORTS:
        raise click.ClickException("--debug is for functions in Python and Node.js.")
    with _folder() as folder:
        sources = code.resolve() if code is not None else folder / "code"
        if code is None:
            _unpack(found["Code"]["Location"], sources)
        opt = folder / "opt"
        for layer in configuration.get("Layers", ()):
            place = client.get_layer_version_by_arn(Arn=layer["Arn"])["Content"]["Location"]
            _unpack(place, opt)
        variables = _variables(cloud, configuration, sources, opt, folder)
        chosen = port or PORTS[family]
        command = _command(family, chosen)
        _explain(family, chosen, sources, local=code is not None)
        return _run(command, variables, payload, configuration)


def _command(family: str, port: int) -> list[str]:
    if family == "python":
        if importlib.util.find_spec("debugpy") is None:
            raise click.ClickException("debugpy is not installed: pip install 'serein[debug]'")
        waiting = ["-m", "debugpy", "--listen", f"127.0.0.1:{port}", "--wait-for-client"]
        return [sys.executable, "-Xfrozen_modules=off", *waiting, str(INSIDE / "wrapped.py")]
    node = shutil.which("node")
    if node is None:
        raise click.ClickException("Node.js is not installed on this machine.")
    told = subprocess.run([node, "--version"], capture_output=True, text=True, check=False).stdout
    major = int(told.strip().lstrip("v").partition(".")[0] or 0)
    flag = "--inspect-wait" if major >= 22 else "--inspect-brk"
    bootstrap = str(INSIDE / "node" / "bootstrap.mjs")
    return [node, f"{flag}=127.0.0.1:{port}", "--expose-gc", bootstrap]


def _explain(family: str, port: int, sources: Path, *, local: bool) -> None:
    """How to attach; to stderr, as the answer alone goes to stdout."""
    launch: dict[str, Any] = {"name": "Serein", "request": "attach"}
    if family == "python":
        launch |= {"type": "debugpy", "connect": {"host": "127.0.0.1", "port": port}}
        if not local:
            launch["pathMappings"] = [
                {"localRoot": "${workspaceFolder}", "remoteRoot": str(sources)}
            ]
    else:
        launch |= {"type": "node", "port": port, "continueOnAttach": True}
        if not local:
            launch |= {"localRoot": "${workspaceFolder}", "remoteRoot": str(sources)}
    text = orjson.dumps(launch, option=orjson.OPT_INDENT_2).decode()
    said = [
        f"Waiting for a debugger at {click.style(f'127.0.0.1:{port}', bold=True)} (Ctrl-C gives up). "
        "There is no time limit meanwhile.",
        "VS Code: put this into the configurations of .vscode/launch.json and start it:",
        text,
    ]
    if family == "nodejs":
        said.append("Chrome: open chrome://inspect.")
    if not local:
        said.append(
            "Breakpoints in your own files: say where they are with --code FOLDER, or let localRoot name it."
        )
    click.echo("\n".join(said), err=True)


def _variables(
    cloud: Cloud, configuration: dict[str, Any], sources: Path, opt: Path, folder: Path
) -> dict[str, str]:
    spec = FunctionSpec(
        key="debug",
        name=configuration["FunctionName"],
        version=configuration["Version"],
        runtime=configuration["Runtime"],
        handler=configuration["Handler"],
        code=str(sources),
        environment=dict(configuration.get("Environment", {}).get("Variables", {})),
        memory_mb=configuration["MemorySize"],
        region=cloud.region,
    )
    (folder / "tmp").mkdir()
    variables = function_variables(
        spec,
        None,
        task_root=str(sources),
        log_stream="debug",
        endpoint=cloud.endpoint,
        python_path="",
        tmp=str(folder / "tmp"),
    )
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        variables[name] = os.environ.get(name, "test")
    if "AWS_SESSION_TOKEN" in os.environ:
        variables["AWS_SESSION_TOKEN"] = os.environ["AWS_SESSION_TOKEN"]
    # Layers are not at /opt here, and the interpreter is this one.
    variables["PYTHONPATH"] = f"{opt}/python"
    variables["NODE_PATH"] = f"{opt}/nodejs/node_modules:{sources}"
    variables["PATH"] = os.environ.get("PATH", variables["PATH"])
    variables["HOME"] = str(folder)
    variables["PYDEVD_DISABLE_FILE_VALIDATION"] = "1"
    variables["_SEREIN_ASSIGNED"] = "1"
    del variables["LD_LIBRARY_PATH"]
    return variables


def _run(
    command: list[str], variables: dict[str, str], payload: bytes, configuration: dict[str, Any]
) -> Answer:
    ours, theirs = socket.socketpair()
    read, write = os.pipe()
    # The runtime finds its channel at this number, whatever number it has here.
    actions = [
        (os.POSIX_SPAWN_DUP2, theirs.fileno(), _CHANNEL),
        (os.POSIX_SPAWN_DUP2, write, 1),
        (os.POSIX_SPAWN_DUP2, write, 2),
    ]
    # What waits for a debugger would otherwise stay when this process is told to end.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    pid = os.posix_spawn(command[0], command, variables, file_actions=actions)
    theirs.close()
    os.close(write)
    printer = threading.Thread(target=_print_log, args=(read,), daemon=True)
    printer.start()
    channel = frames.FrameSocket(ours)
    try:
        kind, _, body = channel.receive()
        if kind == frames.READY:
            facts = orjson.dumps(_facts(configuration))
            header = frames.HEADER.pack(frames.INVOKE, len(facts), len(payload), 0)
            ours.sendall(header + facts + payload)
            kind, body = _result(channel)
    except (frames.Closed, OSError):
        kind, body = frames.ERROR, b'{"errorType": "Runtime.ExitError"}'
    finally:
        ours.close()
        _end(pid)
    printer.join(1.0)
    return Answer(bytes(body), kind != frames.RESULT)


def _result(channel: frames.FrameSocket) -> tuple[int, bytes]:
    """The last frame of an answer, with the pieces of a streamed one before it."""
    pieces: list[bytes] = []
    while True:
        kind, _, body = channel.receive()
        if kind == frames.CHUNK:
            pieces.append(bytes(body))
        elif kind != frames.STREAM:
            return kind, b"".join(pieces) or bytes(body)


def _facts(configuration: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": str(uuid.uuid4()),
        "arn": configuration["FunctionArn"],
        "deadline_ms": int((time.time() + NO_LIMIT_S) * 1000),
        "stream": False,
        "trace": None,
        "client_context": None,
        "identity": None,
    }


def _end(pid: int) -> None:
    for _ in range(20):
        if os.waitpid(pid, os.WNOHANG)[0]:
            return
        time.sleep(0.05)
    os.kill(pid, 9)
    os.waitpid(pid, 0)


def _print_log(descriptor: int) -> None:
    splitter = LineSplitter()
    with os.fdopen(descriptor, "rb", 0) as log:
        while data := log.read(_READ_BYTES):
            for line in splitter.feed(data, time.time()):
                click.echo(line.message.rstrip(), err=True)


def _unpack(location: str, folder: Path) -> None:
    with urllib.request.urlopen(location, timeout=30) as answer:
        data = answer.read(_ARCHIVE_BYTES_MAX)
    with zipfile.ZipFile(io.BytesIO(data)) as opened:
        opened.extractall(folder)


@contextmanager
def _folder() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="serein-debug-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
