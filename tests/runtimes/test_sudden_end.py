"""When the server is killed, its functions end with it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.runtimes.conftest import running

SERVER = """
import asyncio, sys
from pathlib import Path
from serein.base.clock import SystemClock
from serein.base.ids import SystemRandomness
from serein.runtimes import FunctionSpec, Invocation, Pool, PoolSettings

async def main(work, isolate):
    settings = PoolSettings(work=work, isolate=isolate, blanks=1)
    pool = Pool(settings, clock=SystemClock(), randomness=SystemRandomness())
    await pool.start()
    Path(work, "code").mkdir()
    Path(work, "code", "app.py").write_text(
        "import subprocess, time\\n"
        "def handler(e, c):\\n"
        "    subprocess.Popen(['/bin/sleep', '500'])\\n"
        "    time.sleep(500)\\n"
    )
    spec = FunctionSpec(key="k", name="f", version="1", runtime="python3.11", handler="app.handler",
                        code=work + "/code", timeout_s=600.0)
    task = asyncio.ensure_future(pool.invoke(spec, b"1", Invocation(request_id="r", arn="a")))
    while not pool.nursery._environments or any(e.pid is None for e in pool.nursery._environments):
        await asyncio.sleep(0.01)
    await asyncio.sleep(0.3)
    pids = [s.zygote.pid for s in pool.nursery._stations.values()]
    print(*pids, *[e.pid for e in pool.nursery._environments], flush=True)
    await task

asyncio.run(main(sys.argv[1], sys.argv[2] == "isolate"))
"""


@pytest.mark.crash
@pytest.mark.parametrize("mode", ["isolate", "plain"])
def test_a_killed_server_leaves_no_process(tmp_path: Path, mode: str):
    root = str(Path(__file__).parents[2])
    server = subprocess.Popen(
        [sys.executable, "-c", SERVER, str(tmp_path), mode],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": root},
    )
    assert server.stdout is not None
    pids = [int(text) for text in server.stdout.readline().split()]
    assert len(pids) >= 2
    server.send_signal(signal.SIGKILL)
    server.wait()
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline and any(running(pid) for pid in pids):
        os.sched_yield()
    assert [pid for pid in pids if running(pid)] == []
    while time.monotonic() < deadline and _sleepers():
        os.sched_yield()
    assert _sleepers() == []


def _sleepers() -> list[Path]:
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if path.read_bytes() == b"/bin/sleep\x00500\x00" and running(int(path.parent.name)):
                found.append(path)
        except OSError:
            continue
    return found
