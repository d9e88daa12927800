"""The Java runtime client: compiled once from its source, and an archive of its classes that shortens the JVM's start.

https://docs.oracle.com/en/java/javase/17/vm/class-data-sharing.html
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import shutil
import socket
import struct
import subprocess
import tempfile
from pathlib import Path

import msgspec

from serein.runtimes.inside import frames
from serein.runtimes.interpreters import INSIDE
from serein.runtimes.spec import RuntimeUnavailable

FOLDER = "/var/lang/java"  # where sandboxes see it
ARCHIVE = f"{FOLDER}/classes.jsa"
# An archive is good for the class path that it was made with, letter by letter: seen from /var/task it is the same here.
CLASS_PATH = "../../var/lang/java/client.jar"
OPTIONS = (
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",
    "-XX:-UsePerfData",
    "-XX:-UseContainerSupport",
    "-Xshare:auto",
    "-Xlog:disable",
    "-Xlog:all=error:stderr",
    "-Dfile.encoding=UTF-8",
    "-Dsun.stdout.encoding=UTF-8",
    "-Dsun.stderr.encoding=UTF-8",
    "-Dstdout.encoding=UTF-8",
    "-Dstderr.encoding=UTF-8",
)
_SOURCE = INSIDE / "java"
_VERSION = re.compile(r'^JAVA_VERSION="(?:1\.)?(\d+)', re.MULTILINE)
_COMPILE_LIMIT_S = 120.0
_REHEARSAL_LIMIT_S = 30.0
_REHEARSALS = 3


class Java(msgspec.Struct, frozen=True):
    """A Java runtime; `shown` are the folders that a sandbox has to show for it."""

    version: int
    home: str
    shown: tuple[str, ...]

    @property
    def executable(self) -> str:
        """The program."""
        return f"{self.home}/bin/java"


class JavaClient(msgspec.Struct, frozen=True):
    """The folder with the client's archives, on the host."""

    folder: str

    @property
    def jar(self) -> str:
        """Its classes."""
        return f"{self.folder}/client.jar"


def look(home: Path) -> Java | None:
    """The Java in a folder, if there is one."""
    try:
        match = _VERSION.search((home / "release").read_text())
    except OSError:
        return None
    if match is None or not os.access(home / "bin" / "java", os.X_OK):
        return None
    real = os.path.realpath(home)
    if real.startswith(("/opt/", "/tmp/")):
        return None  # a function's layers and its own /tmp are there
    shown = [] if real.startswith("/usr/lib/") else [real]
    settings = os.path.realpath(os.path.join(real, "conf", "net.properties"))
    if settings.startswith("/etc/"):
        shown.append(os.path.dirname(settings))
    return Java(int(match[1]), real, tuple(shown))


def prepare(java: Java, compiler: str | None, work: Path) -> JavaClient:
    """The client for a Java, made at first use (a second or two). Blocking. Raises RuntimeUnavailable."""
    sources = sorted(_SOURCE.rglob("*.java"))
    told = hashlib.sha256((Path(java.home) / "release").read_bytes())
    for source in sources:
        told.update(source.read_bytes())
    root = work / "java" / told.hexdigest()[:16]
    client = JavaClient(str(root) + FOLDER)
    if os.path.exists(client.jar):
        return client
    if compiler is None:
        raise RuntimeUnavailable("Java is installed without its compiler: a JDK is needed")
    root.parent.mkdir(parents=True, exist_ok=True)
    made = Path(tempfile.mkdtemp(prefix="making-", dir=root.parent))
    try:
        _compile(compiler, sources, made)
        with contextlib.suppress(OSError, subprocess.SubprocessError, ValueError):
            _archive(java, made)  # without it a start takes longer, that is all
        made.chmod(0o755)
        with contextlib.suppress(OSError):
            made.rename(root)  # somebody else may have been faster
    finally:
        shutil.rmtree(made, ignore_errors=True)
    return client


def _compile(compiler: str, sources: list[Path], root: Path) -> None:
    folder = root / FOLDER[1:]
    folder.mkdir(parents=True)
    (root / "var/task").mkdir()
    classes = root / "classes"
    command = [compiler, "--release", "11", "-nowarn", "-d", str(classes), *map(str, sources)]
    jar = [os.path.join(os.path.dirname(compiler), "jar"), "--create", "--file"]
    try:
        subprocess.run(command, check=True, capture_output=True, timeout=_COMPILE_LIMIT_S)
        jar += [str(folder / "client.jar"), "-C", str(classes), "."]
        subprocess.run(jar, check=True, capture_output=True, timeout=_COMPILE_LIMIT_S)
    except (OSError, subprocess.SubprocessError) as error:
        told = getattr(error, "stderr", b"") or b""
        words = told.decode(errors="replace")[:500] or str(error)
        raise RuntimeUnavailable(f"the Java client cannot be compiled: {words}") from error
    shutil.rmtree(classes, ignore_errors=True)


def _archive(java: Java, root: Path) -> None:
    """Let the client answer a few events, and have the JVM keep the classes that this took."""
    ours, theirs = socket.socketpair()
    ours.settimeout(_REHEARSAL_LIMIT_S)
    task = root / "var/task"
    command = [java.executable, *OPTIONS, f"-XX:ArchiveClassesAtExit={root}{ARCHIVE}"]
    command += ["-cp", CLASS_PATH, "serein.Main", "serein.Rehearsal"]
    variables = {
        "LAMBDA_TASK_ROOT": str(task),
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "128",
        "PATH": "/usr/bin:/bin",
    }
    with ours, theirs:
        process = subprocess.Popen(
            command,
            cwd=task,
            env=variables,
            stdin=theirs.fileno(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        theirs.close()
        try:
            _rehearse(ours)
            ours.close()
            process.wait(_REHEARSAL_LIMIT_S)
        finally:
            process.kill()
            process.wait()


def _rehearse(channel: socket.socket) -> None:
    facts = {"id": "0", "deadline_ms": 0, "arn": "", "trace": "Root=1", "stream": False}
    meta = json.dumps({**facts, "client_context": None, "identity": None}).encode()
    body = b'{"name": "x", "values": [1, 2.5, true, null], "more": {"a": "\\u00e9"}}'
    frame = frames.HEADER.pack(frames.INVOKE, len(meta), len(body), 0) + meta + body
    _answer(channel)
    for _ in range(_REHEARSALS):
        channel.sendall(frame)
        _answer(channel)


def _answer(channel: socket.socket) -> None:
    header = _exactly(channel, frames.HEADER_BYTES)
    kind, _, size, _ = struct.unpack("<IIII", header)
    _exactly(channel, size)
    if kind == frames.INIT_ERROR:
        raise ValueError("the rehearsal failed")


def _exactly(channel: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        more = channel.recv(size - len(data))
        if not more:
            raise ValueError("the rehearsal ended")
        data += more
    return data
