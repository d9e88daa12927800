"""A pool whose functions really run, shared by the tests of a module."""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import uvloop

from serein.base.clock import SystemClock
from serein.base.ids import SystemRandomness, new_uuid
from serein.runtimes import FunctionSpec, Invocation, LogLine, Outcome, Pool, PoolSettings


class Bench:
    """A running pool and its loop."""

    def __init__(self, work: Path, **settings: Any) -> None:
        self.loop = uvloop.new_event_loop()
        self.work = work
        self.lines: list[LogLine] = []
        self.randomness = SystemRandomness()
        self._keys = itertools.count()
        given = {"blanks": 1, "processes_max": 8, **settings}
        self.pool = Pool(
            PoolSettings(work=str(work / "pool"), **given),
            clock=SystemClock(),
            randomness=self.randomness,
            log=lambda spec, stream, lines: self.lines.extend(lines),
            protocols=Greeter,
        )
        self.loop.run_until_complete(self.pool.start())

    def close(self) -> None:
        self.loop.run_until_complete(self.pool.close())
        self.loop.close()

    def function(self, source: str, *, file: str = "app.py", **given: Any) -> FunctionSpec:
        """A function version made of one file."""
        number = next(self._keys)
        folder = self.work / f"code-{number}"
        folder.mkdir()
        (folder / file).write_text(source)
        settings = {
            "key": f"f{number}",
            "name": "f",
            "version": "$LATEST",
            "runtime": "python3.11",
            "handler": "app.handler",
            "timeout_s": 5.0,
            **given,
        }
        return FunctionSpec(code=str(folder), **settings)

    def start(self, spec: FunctionSpec, event: Any = None) -> asyncio.Task[Outcome]:
        """An invocation that goes on meanwhile."""
        invocation = Invocation(
            request_id=new_uuid(self.randomness),
            arn="arn:aws:lambda:us-east-1:000000000000:function:f",
            want_tail=True,
        )
        coroutine = self.pool.invoke(spec, json.dumps(event).encode(), invocation)
        return self.loop.create_task(coroutine)

    def invoke(self, spec: FunctionSpec, event: Any = None) -> Outcome:
        """An invocation's outcome."""
        return self.loop.run_until_complete(self.start(spec, event))

    def answer(self, source: str, event: Any = None, **given: Any) -> Any:
        """What a handler (given as a file's text) answers; an error fails the test."""
        outcome = self.invoke(self.function(source, **given), event)
        assert outcome.error is None, outcome.payload
        return json.loads(outcome.payload)

    def run(self, awaitable: Any) -> Any:
        return self.loop.run_until_complete(awaitable)


class Greeter(asyncio.Protocol):
    """Stands for Serein's front: says who it is to whoever connects."""

    def connection_made(self, transport: Any) -> None:
        transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\nConnection: close\r\n\r\nserein")
        transport.close()


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    """A pool as good as this machine allows."""
    made = Bench(tmp_path_factory.mktemp("bench"))
    yield made
    made.close()


@pytest.fixture(scope="module")
def sandboxed(bench: Bench) -> Bench:
    """A pool with real sandboxes."""
    if bench.pool.isolation.standing != "sandboxed":
        pytest.skip(f"no sandboxes here: {bench.pool.isolation.reasons}")
    return bench


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    """A pool without namespaces, as on machines that have none."""
    made = Bench(tmp_path_factory.mktemp("plain"), isolate=False)
    yield made
    made.close()


def needs_node() -> pytest.MarkDecorator:
    return pytest.mark.skipif(shutil.which("node") is None, reason="Node.js is not installed")


def running(pid: int) -> bool:
    """Whether a process is there (a zombie is not)."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z" and os.path.exists(f"/proc/{pid}")
