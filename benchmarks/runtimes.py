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

    def function(self, runtime: str, source: str, key: str, file: str) -> FunctionSpec:
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


async def rest(bench: Bench, rounds: int) -> None:
    many = rounds * 50
    for title, size, count in (("1 KB", 1000, many), ("6 MB", 6_000_000, 10)):
        took = await warm(bench, "python3.11", PYTHON, "app.py", size, count)
        print(f"{'python warm, ' + title:40} {took:9.3f} ms")
    pids = [e.pid for e in bench.pool.nursery._environments if e.pid is not None]
    sizes = [private_kib(pid) for pid in pids]
    pss, dirty = (statistics.median(column) for column in zip(*sizes, strict=True))
    print(f"{'python idle, PSS / private dirty':40} {pss / 1024:5.1f} / {dirty / 1024:.1f} MB")
    await cold(bench, "nodejs20.x", NODE, "index.mjs", 1)
    await asyncio.sleep(0.5)
    took = await cold(bench, "nodejs20.x", NODE, "index.mjs", min(rounds, 10))
    print(f"{'node cold, started ahead':40} {took:9.3f} ms")
    took = await warm(bench, "nodejs20.x", NODE, "index.mjs", 1000, many)
    print(f"{'node warm, 1 KB':40} {took:9.3f} ms")


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 20))
