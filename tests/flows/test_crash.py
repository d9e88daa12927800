"""Killed at random instants under load, Serein has all that it acknowledged, and nothing by half.

`SEREIN_CRASHES=50 pytest tests/flows/test_crash.py` kills it more often, `SEREIN_CRASH_SEED` chooses other instants.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import random
import signal
import time
import urllib.request
from pathlib import Path

import pytest

from tests.flows.crash_load import Load, until
from tests.flows.pinned import Pinned, one_for_each
from tests.running import RunningSerein

LIVES = int(os.environ.get("SEREIN_CRASHES", "4"))
SEED = int(os.environ.get("SEREIN_CRASH_SEED", "20261121"))


@pytest.mark.crash
def test_what_was_acknowledged_survives(tmp_path: Path) -> None:
    chance = random.Random(SEED)
    serein = RunningSerein(tmp_path / "data")
    serein.start()
    try:
        load = Load(serein.endpoint, SEED)
        load.prepare()
        before = 0
        for life in range(LIVES):
            load.start()
            time.sleep(chance.uniform(0.3, 1.4))
            serein.kill()
            load.stop()
            assert load.acknowledged > before, (
                f"life {life}: nothing was acknowledged: {load.refusals[-3:]}"
            )
            before = load.acknowledged
            serein.start()
            load.check()
        load.check_queues()
        assert not load.refusals, load.refusals[:3]
    finally:
        serein.kill()


@pytest.mark.crash
def test_worker_processes_die_and_nothing_acknowledged_is_lost(tmp_path: Path) -> None:
    """Killed one by one while the others go on answering, and now and then all at once.

    `SEREIN_CRASHES=200` kills more of them.
    """
    chance = random.Random(SEED)
    serein = RunningSerein(tmp_path / "data", "--workers", "2")
    serein.start()
    try:
        load = Load(serein.endpoint, SEED)
        load.prepare()
        load.start()
        for death in range(LIVES * 2):
            before = load.acknowledged
            time.sleep(chance.uniform(0.5, 1.2))
            processes = worker_pids(serein.endpoint)
            if death % 5 == 4:
                # The supervisor and all workers, as when the machine's memory is full.
                serein.kill()
                for pid in processes:
                    kill(pid)
                load.stop()
                # One that was just being started ends by itself, and has the directory until then.
                until(lambda: is_free(tmp_path / "data"), "the last of them is gone")
                serein.start()
                load.check()
                load.start()
            else:
                kill(processes[death % 2 - 1])
                until(lambda: load.acknowledged > before, "the others go on")  # noqa: B023
        load.stop()
        until(lambda: len(worker_pids(serein.endpoint)) == 2, "the dead are replaced")
        load.check()
        load.check_queues()
        assert not load.refusals, load.refusals[:3]
        print(f"{load.acknowledged} acknowledged, {LIVES * 2} deaths")
    finally:
        serein.kill()


def worker_pids(endpoint: str) -> list[int]:
    """The worker processes that are there."""
    with urllib.request.urlopen(f"{endpoint}/_serein/health", timeout=10) as page:
        return [one["pid"] for one in json.load(page)["workers"]]


def is_free(data: Path) -> bool:
    """Whether nobody holds the data directory."""
    with open(data / "lock", "rb") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True


def kill(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


@pytest.mark.crash
@pytest.mark.skipif(LIVES <= 10, reason="takes longer than a lease: SEREIN_CRASHES=20 runs it")
def test_a_stopped_worker_process_loses_its_work_and_cannot_go_on(tmp_path: Path) -> None:
    """SIGSTOP for longer than its leases last: the other brings the notifications; when it goes on, it is fenced off."""
    with RunningSerein(tmp_path / "data", "--workers", "2") as serein:
        found = one_for_each(serein.endpoint, 2)
        until(lambda: courier_in(found[1]) != 0, "somebody is the courier")
        owner = courier_in(found[1])
        other = found[3 - owner]
        pid = next(w["pid"] for w in other.health()["workers"] if w["worker"] == owner)
        os.kill(pid, signal.SIGSTOP)
        try:
            until(lambda: courier_in(other) == other.worker, "the other is the courier now")
            # Only now: a connection that the stopped one has accepted would wait for it.
            load = Load(serein.endpoint, SEED)
            load.prepare()
            load.start()
            time.sleep(3.0)
        finally:
            os.kill(pid, signal.SIGCONT)
        time.sleep(4.0)
        load.stop()
        assert courier_in(found[owner]) == other.worker
        load.check()
        load.check_queues()


def courier_in(pinned: Pinned) -> int:
    """Which worker process has the courier's lease, as far as those who answer know; 0 if none."""
    workers = pinned.health()["workers"]
    return next((one["worker"] for one in workers if "courier" in one["leases"]), 0)
