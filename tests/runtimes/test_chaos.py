"""Functions that misbehave in every way, while good ones run beside them: nobody else notices, and nothing stays behind.

`SEREIN_CHAOS=20 pytest tests/runtimes/test_chaos.py` lets everybody misbehave so many times, also slowly, several at once.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from serein.runtimes import FunctionSpec, Outcome
from tests.runtimes.conftest import Bench
from tests.runtimes.misbehaviour import BAD, GOOD, Bad

ROUNDS = int(os.environ.get("SEREIN_CHAOS", "1"))
AT_ONCE = 4 if ROUNDS > 1 else 3
LATENCY_RATIO_MAX = (
    40  # of the median beside misbehaviour to the median without: processors are shared
)
ANSWER_S_MAX = 4.0


class Traces:
    """What a pool may leave behind on a machine."""

    def __init__(self, bench: Bench) -> None:
        self._bench = bench
        self.before = self.now()

    def now(self) -> dict[str, Any]:
        temporary = Path(tempfile.gettempdir())
        return {
            "mounts": Path("/proc/self/mountinfo").read_text().count("\n"),
            "folders": sorted(p.name for p in temporary.glob("serein-re*")),
            "tmp": sorted(p.name for p in (self._bench.work / "pool" / "tmp").glob("*")),
            "descriptors": len(os.listdir("/proc/self/fd")),
        }


def processes_below(pid: int) -> set[int]:
    """Everything that a process started, and what that started."""
    found: set[int] = set()
    waiting = [pid]
    while waiting:
        one = waiting.pop()
        try:
            text = "".join(
                Path(f"/proc/{one}/task/{task}/children").read_text()
                for task in os.listdir(f"/proc/{one}/task")
            )
        except OSError:
            continue
        children = {int(number) for number in text.split()} - found
        found |= children
        waiting += children
    return found


class Load:
    """Good functions, called all the time."""

    def __init__(self, bench: Bench, callers: int) -> None:
        self._bench = bench
        self._specs = [bench.function(GOOD, timeout_s=30.0) for _ in range(callers)]
        self._over = False
        self.errors: list[bytes] = []
        self.times: list[float] = []

    async def run(self) -> None:
        await asyncio.gather(*(self._call(spec) for spec in self._specs))

    async def _call(self, spec: FunctionSpec) -> None:
        pids: set[int] = set()
        while not self._over:
            began = time.perf_counter()
            outcome = await self._bench.start(spec, {"numbers": [1, 2, 3]})
            self.times.append(time.perf_counter() - began)
            if outcome.error is not None or json.loads(outcome.payload)["sum"] != 6:
                self.errors.append(outcome.payload)
            else:
                pids.add(json.loads(outcome.payload)["pid"])
            await asyncio.sleep(0.002)

    def end(self) -> None:
        self._over = True


@pytest.fixture(params=["isolated", "plain"])
def chaotic(request: Any, tmp_path: Path) -> Iterator[Bench]:
    """A pool of its own: afterwards it is looked at for what it left."""
    bench = Bench(tmp_path, processes_max=16, isolate=request.param == "isolated")
    if request.param == "isolated" and bench.pool.isolation.standing != "sandboxed":
        bench.close()
        pytest.skip(f"no sandboxes here: {bench.pool.isolation.reasons}")
    yield bench
    bench.close()


@pytest.mark.crash
def test_nobody_else_is_disturbed(chaotic: Bench):
    bench, load = chaotic, Load(chaotic, 4)
    is_plain = bench.pool.isolation.standing != "sandboxed"
    bad = [one for one in BAD if not (is_plain and one.name in _NEEDS_A_SANDBOX)]
    wrong: list[str] = []

    async def misbehave(some: list[Bad]) -> None:
        for one in some:
            spec = bench.function(
                one.source, handler=one.handler, timeout_s=one.timeout_s, memory_mb=128
            )
            for _ in range(2):  # the second one finds a new environment, or the old one in order
                outcome = await bench.start(spec, {})
                wrong.extend(_wrong(one, outcome))
            bench.pool.discard(spec.key)

    async def story() -> tuple[float, float]:
        working = asyncio.ensure_future(load.run())
        while len(load.times) < 50:  # However slow the machine is now.
            await asyncio.sleep(0.1)
        calm = statistics.median(load.times)
        load.times.clear()
        for round_ in range(ROUNDS):
            order = list(bad)
            random.Random(round_).shuffle(order)
            await asyncio.gather(*(misbehave(order[n::AT_ONCE]) for n in range(AT_ONCE)))
        load.end()
        await working
        return calm, statistics.median(load.times)

    traces = Traces(bench)
    calm_s, beside_s = bench.run(story())
    print(
        f"median {calm_s * 1000:.2f} ms calm, {beside_s * 1000:.2f} ms beside, slowest {max(load.times):.2f} s"
    )
    assert wrong == []
    assert load.errors == []
    assert len(load.times) > 50
    assert beside_s < max(calm_s, 0.001) * LATENCY_RATIO_MAX, (calm_s, beside_s)
    assert max(load.times) < ANSWER_S_MAX
    _comes_to_rest(bench, traces)


_NEEDS_A_SANDBOX = {"kills everybody", "fork bomb", "threads", "memory hog", "fills its disk"}


def _wrong(one: Bad, outcome: Outcome) -> list[str]:
    told = json.loads(outcome.payload) if outcome.error else {}
    found = outcome.error_type or ""
    if found not in one.types:
        return [f"{one.name}: {found} {outcome.payload[:200]!r}"]
    if outcome.error and not {"errorMessage"} <= set(told):
        return [f"{one.name}: {outcome.payload[:200]!r}"]
    return []


def _comes_to_rest(bench: Bench, traces: Traces) -> None:
    """Only what the pool keeps on purpose is there any more."""

    async def until_calm() -> None:
        for _ in range(200):
            expected = {e.pid for e in bench.pool.nursery._environments}
            stations = [s.zygote.pid for s in bench.pool.nursery._stations.values()]
            below = set().union(*(processes_below(pid) for pid in stations if pid))
            if below <= expected:
                return
            await asyncio.sleep(0.05)
        raise AssertionError(f"processes stay behind: {below - expected}")

    bench.run(until_calm())
    assert bench.pool.counts()["waiting"] == 0
    assert bench.pool.counts()["busy"] == 0
    for spec in {tenancy.spec.key for tenancy in bench.pool._tenancies}:
        bench.pool.discard(spec)

    async def until_ended() -> None:
        for _ in range(200):
            if len(bench.pool.nursery._environments) == bench.pool.nursery.blanks:
                return
            await asyncio.sleep(0.02)

    bench.run(until_ended())
    now = traces.now()
    # What is there is for the blank environments that were forked ahead meanwhile: some more than at first.
    spare = 8 * (bench.pool.nursery.blanks + 1)
    assert now["descriptors"] <= traces.before["descriptors"] + spare
    assert now["mounts"] == traces.before["mounts"]
    assert now["folders"] == traces.before["folders"]


def test_a_closed_pool_leaves_nothing(tmp_path: Path):
    _lived_through(tmp_path / "first", BAD[:1])  # What a process opens once and keeps is open now.
    before = set(os.listdir("/proc/self/fd"))
    groups = _groups()
    pids = _lived_through(tmp_path, BAD[:12])
    asyncio.run(_until_dead(pids))
    assert len(os.listdir("/proc/self/fd")) <= len(before)
    assert _groups() <= groups
    assert sorted(p.name for p in (tmp_path / "pool").glob("tmp/*")) == []


def _lived_through(folder: Path, some: list[Bad]) -> set[int]:
    """The processes of a pool that ran these, and is closed."""
    folder.mkdir(exist_ok=True)
    others = processes_below(os.getpid())  # Other tests' servers may live in this process, too.
    bench = Bench(folder, processes_max=8)
    for one in some:
        spec = bench.function(one.source, handler=one.handler, timeout_s=one.timeout_s)
        bench.invoke(spec, {})
    pids = processes_below(os.getpid()) - others
    bench.close()
    return pids


async def _until_dead(pids: set[int]) -> None:
    """They were killed; on a crowded machine dying takes a moment."""
    for _ in range(200):
        if not any(_is_alive(pid) for pid in pids):
            return
        await asyncio.sleep(0.05)
    raise AssertionError(f"still alive: {[pid for pid in pids if _is_alive(pid)]}")


def _is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def _groups() -> set[str]:
    own = f"serein-{os.getpid()}-"
    found = Path("/sys/fs/cgroup").glob(f"*/**/{own}*") if Path("/sys/fs/cgroup").is_dir() else ()
    return {str(path) for path in found}
