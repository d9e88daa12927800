"""How fast functions start and answer, at the runtime itself: `python benchmarks/runtimes.py [rounds]`.

Medians in milliseconds; what each number stands for is in docs/functions.md, with the goals.
"""

from __future__ import annotations

import asyncio
import json
import statistics
import sys
import tempfile
from pathlib import Path
from time import perf_counter
from typing import Any

import uvloop

from serein.base.clock import SystemClock
from serein.base.ids import SystemRandomness, new_uuid
from serein.runtimes import FunctionSpec, Invocation, Outcome, Pool, PoolSettings

PYTHON = "def handler(event, context):\n    return event\n"
NODE = "export const handler = async (event) => event;\n"


HEAVY = "import time\ntime.sleep(0.5)\n" + PYTHON  # stands for imports that take half a second
PIECES = "def handler(event, context):\n    for _ in range(64):\n        yield bytes(65536)\n"
CUSTOM = """#!/bin/sh
exec {python} -I "$LAMBDA_TASK_ROOT/loop.py"
"""
LOOP = """
import http.client, os
api = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
root = "/2018-06-01/runtime/invocation/"
while True:
    api.request("GET", root + "next")
    answer = api.getresponse()
    body = answer.read()
    api.request("POST", root + answer.headers["Lambda-Runtime-Aws-Request-Id"] + "/response", body)
    api.getresponse().read()
"""


class Gathered:
    """Takes a streamed answer."""

    full = False

    def begin(self, content_type: str) -> None: ...

    def write(self, data: bytes) -> None: ...


class Bench:
    """A pool and a function in a scratch folder."""

    def __init__(self, work: Path, **settings: Any) -> None:
        self.randomness = SystemRandomness()
        self.work = work
        self.pool = Pool(
            PoolSettings(work=str(work / "pool"), **settings),
            clock=SystemClock(),
            randomness=self.randomness,
        )

    def function(
        self, runtime: str, source: str, key: str, file: str, *, snap_start: bool = False
    ) -> FunctionSpec:
        folder = self.work / "code"
        folder.mkdir(exist_ok=True)
        (folder / file).write_text(source)
        return FunctionSpec(
            key=key,
            name="f",
            version="$LATEST",
            runtime=runtime,
            handler=f"{file.partition('.')[0]}.handler",
            code=str(folder),
            timeout_s=20.0,
            snap_start=snap_start,
        )

    async def invoke(self, spec: FunctionSpec, payload: bytes) -> tuple[float, Outcome]:
        invocation = Invocation(request_id=new_uuid(self.randomness), arn="arn")
        began = perf_counter()
        outcome = await self.pool.invoke(spec, payload, invocation)
        took_ms = (perf_counter() - began) * 1000
        assert outcome.error is None, outcome.payload
        return took_ms, outcome


async def cold(bench: Bench, runtime: str, source: str, file: str, rounds: int) -> float:
    """Median of first answers, each from a new environment, with a rest in between."""
    times = []
    for number in range(rounds):
        spec = bench.function(runtime, source, f"{runtime}-{number}", file)
        took_ms, _ = await bench.invoke(spec, b'{"a": 1}')
        times.append(took_ms)
        bench.pool.discard(spec.key)
        await asyncio.sleep(0.15)
    return statistics.median(times)


async def warm(bench: Bench, runtime: str, source: str, file: str, size: int, rounds: int) -> float:
    """Median of later answers."""
    spec = bench.function(runtime, source, f"warm-{runtime}", file)
    payload = json.dumps("x" * size).encode()
    times = [(await bench.invoke(spec, payload))[0] for _ in range(rounds)]
    return statistics.median(times[1:])


def private_kib(pid: int) -> tuple[int, int]:
    """Proportional set size and private dirty memory of a process, KiB."""
    found = {}
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]:
        name, _, rest = line.partition(":")
        found[name] = int(rest.split()[0])
    return found["Pss"], found["Private_Dirty"]


async def main(rounds: int) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        for title, blanks in (("python cold, forked on demand", 0), ("python cold, blank", 3)):
            work = Path(scratch, str(blanks))
            work.mkdir()
            bench = Bench(work, blanks=blanks)
            began = perf_counter()
            await bench.pool.start()
            started_ms = (perf_counter() - began) * 1000
            if not blanks:
                print(f"{'isolation':40} {bench.pool.isolation.standing}")
                print(f"{'zygote ready':40} {started_ms:9.3f} ms")
            warm = bench.pool.nursery._stations["python"].zygote.warm
            assert warm is not None
            await warm
            await asyncio.sleep(0.3)
            print(f"{title:40} {await cold(bench, 'python3.11', PYTHON, 'app.py', rounds):9.3f} ms")
            if blanks:
                await rest(bench, rounds)
            await bench.pool.close()


async def restored(bench: Bench, rounds: int) -> float:
    """Median of first answers of copies of one template, however long its init took."""
    spec = bench.function("python3.11", HEAVY, "snap", "heavy.py", snap_start=True)
    await bench.invoke(spec, b"1")
    times = []
    for _ in range(rounds):
        for tenancy in list(bench.pool._idle.get(spec.key, ())):
            bench.pool._end(tenancy)
        bench.pool._idle.pop(spec.key, None)
        await asyncio.sleep(0.1)
        times.append((await bench.invoke(spec, b"1"))[0])
    return statistics.median(times)


async def custom(bench: Bench, rounds: int) -> float:
    """Median of warm answers over the Runtime API."""
    spec = bench.function("provided.al2023", LOOP, "custom", "loop.py")
    starter = Path(spec.code, "bootstrap")
    python = getattr(sys, "_base_executable", sys.executable)
    starter.write_text(CUSTOM.format(python=Path(python).resolve()))
    starter.chmod(0o755)
    payload = json.dumps("x" * 1000).encode()
    return statistics.median([(await bench.invoke(spec, payload))[0] for _ in range(rounds)][1:])


async def streamed(bench: Bench, rounds: int) -> float:
    """Megabytes a second of a streamed answer of 4 MB."""
    spec = bench.function("python3.11", PIECES, "pieces", "pieces.py")
    times = []
    for _ in range(rounds):
        invocation = Invocation(request_id=new_uuid(bench.randomness), arn="arn")
        began = perf_counter()
        await bench.pool.invoke(spec, b"1", invocation, Gathered())
        times.append(perf_counter() - began)
    return 4.0 / statistics.median(times)


async def rest(bench: Bench, rounds: int) -> None:
    many = rounds * 50
    for title, size, count in (("1 KB", 1000, many), ("6 MB", 6_000_000, 10)):
        took = await warm(bench, "python3.11", PYTHON, "app.py", size, count)
        print(f"{'python warm, ' + title:40} {took:9.3f} ms")
    pids = [e.pid for e in bench.pool.nursery._environments if e.pid is not None]
    sizes = [private_kib(pid) for pid in pids]
    pss, dirty = (statistics.median(column) for column in zip(*sizes, strict=True))
    print(f"{'python idle, PSS / private dirty':40} {pss / 1024:5.1f} / {dirty / 1024:.1f} MB")
    print(f"{'python restored, SnapStart':40} {await restored(bench, rounds):9.3f} ms")
    print(f"{'python streamed':40} {await streamed(bench, rounds):9.0f} MB/s")
    print(f"{'custom runtime warm, 1 KB':40} {await custom(bench, many):9.3f} ms")
    await cold(bench, "nodejs20.x", NODE, "index.mjs", 1)
    await asyncio.sleep(0.5)
    took = await cold(bench, "nodejs20.x", NODE, "index.mjs", min(rounds, 10))
    print(f"{'node cold, started ahead':40} {took:9.3f} ms")
    took = await warm(bench, "nodejs20.x", NODE, "index.mjs", 1000, many)
    print(f"{'node warm, 1 KB':40} {took:9.3f} ms")


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 20))
