"""What is said of isolation before anything runs is what the pool then finds."""

from __future__ import annotations

import msgspec

from serein.runtimes.outlook import expected_isolation
from tests.runtimes.conftest import Bench


def test_the_outlook_is_what_the_pool_finds(bench: Bench, plain: Bench):
    for found in (bench, plain):
        settings = found.pool._settings
        assert expected_isolation(settings).standing == found.pool.isolation.standing
    off = msgspec.structs.replace(bench.pool._settings, isolate=False)
    assert "isolation was switched off" in expected_isolation(off).reasons
