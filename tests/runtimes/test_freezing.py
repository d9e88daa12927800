"""Between invocations nothing of a function runs.
https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtime-environment.html#runtimes-lifecycle"""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from serein.runtimes.stragglers import descendants
from tests.runtimes.conftest import Bench

COUNTER = """
import subprocess, threading, time
count = 0
def work():
    global count
    while True:
        time.sleep(0.005)
        count += 1
threading.Thread(target=work, daemon=True).start()
def handler(event, context):
    if event == "sleep":
        time.sleep(0.05)
    return count
"""


def test_background_work_stops_between_invocations(bench: Bench):
    spec = bench.function(COUNTER)
    bench.invoke(spec, "sleep")
    bench.run(asyncio.sleep(0.4))
    first = int(bench.invoke(spec).payload)
    bench.run(asyncio.sleep(1.0))
    second = int(bench.invoke(spec).payload)
    # Running all the while it would have counted some 200 more; frozen after a tenth of a second, some 20.
    assert second - first < 100
    (tenancy,) = bench.pool._idle[spec.key]
    assert _state(tenancy.environment.pid or 0) in "SR"
    bench.run(asyncio.sleep(0.4))
    assert _state(tenancy.environment.pid or 0) == "T"
    assert bench.invoke(spec, "sleep").error is None


def test_who_left_the_process_group_stops_too(bench: Bench):
    source = """
import os, subprocess
def handler(event, context):
    if event == "start":
        # Its parent ends at once: an orphan in a session of its own.
        subprocess.run(["/bin/sh", "-c", "setsid sh -c 'while true; do echo >> /tmp/count; sleep 0.01; done' &"])
        return None
    return os.path.getsize(os.environ.get("TMPDIR", "/tmp") + "/count")
"""
    if bench.pool.isolation.standing == "none" or not bench.pool.nursery._is_sandboxed:
        pytest.skip("no sandboxes here")
    spec = bench.function(source)
    bench.invoke(spec, "start")
    bench.run(asyncio.sleep(0.5))
    first = int(bench.invoke(spec).payload)
    bench.run(asyncio.sleep(1.0))
    second = int(bench.invoke(spec).payload)
    assert 0 < second - first < 60, "it goes on with its function, and only then"
    (tenancy,) = bench.pool._idle[spec.key]
    bench.run(asyncio.sleep(0.4))
    below = descendants(tenancy.environment.pid or 0)
    assert below
    assert {_state(pid) for pid in below} <= {"T", "Z"}


def test_a_frozen_environment_can_be_ended(bench: Bench):
    spec = bench.function(COUNTER)
    bench.invoke(spec)
    bench.run(asyncio.sleep(0.4))
    (tenancy,) = bench.pool._idle[spec.key]
    bench.pool.discard(spec.key)
    assert bench.run(asyncio.wait_for(asyncio.shield(tenancy.environment.ended), 3)) == -9


def _state(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
