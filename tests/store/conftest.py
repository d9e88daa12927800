"""Stores of both engines, one per test."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from serein.store.interface import Store
from serein.store.memory import MemoryStore
from serein.store.sqlite.engine import SqliteStore


@pytest.fixture(params=["memory", "sqlite"])
def make_store(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], Store]:
    """A new store of the engine under test each time it is called (the sqlite ones share their directory)."""
    if request.param == "memory":
        return MemoryStore
    return lambda: SqliteStore(tmp_path / "data")
