"""Killed at random instants under load, Serein has all that it acknowledged, and nothing by half.

`SEREIN_CRASHES=50 pytest tests/flows/test_crash.py` kills it more often, `SEREIN_CRASH_SEED` chooses other instants.
"""

from __future__ import annotations

import os
import random
import time
from pathlib import Path

import pytest

from tests.flows.crash_load import Load
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
