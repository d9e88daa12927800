"""A real server for tests that need one: `serein up` as a process, on a free port of loopback."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from types import TracebackType

START_S_MAX = 20.0


class RunningSerein:
    """`with RunningSerein(data) as serein: serein.endpoint`. `data` None keeps everything in memory."""

    program = "serein.cli.main"
    """The module to run."""

    def __init__(self, data: Path | None, *options: str, port: int = 0) -> None:
        self._where = ["--ephemeral"] if data is None else ["--data", str(data)]
        self.data = data
        self._options = options
        self._port = port
        self.endpoint = ""
        self.process: subprocess.Popen[str] | None = None

    def __enter__(self) -> RunningSerein:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Start and wait until it answers."""
        command = [sys.executable, "-m", self.program, "up", "--port", str(self._port)]
        self.process = subprocess.Popen(
            [*command, *self._where, *self._options], stdout=subprocess.PIPE, text=True
        )
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        found = re.search(r"http://[^ ]+", line)
        assert found, f"serein up said {line!r}"
        self.endpoint = found.group()
        self._port = int(self.endpoint.rpartition(":")[2])
        until = time.monotonic() + START_S_MAX
        while time.monotonic() < until:
            try:
                with urllib.request.urlopen(f"{self.endpoint}/_serein/ready", timeout=2):
                    return
            except OSError:
                time.sleep(0.02)
        raise AssertionError("serein up does not get ready")

    def stop(self) -> None:
        """Stop it as Ctrl-C does, and wait."""
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            try:
                self.process.wait(15)
            except subprocess.TimeoutExpired:
                self.kill()
                raise

    def kill(self) -> None:
        """SIGKILL, as a crash."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    def environment(self) -> dict[str, str]:
        """The environment for client programs."""
        return {
            **os.environ,
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_REGION": "us-east-1",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_PAGER": "",
            "NO_PROXY": "*",
        }
