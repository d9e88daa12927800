"""Stores for tests of keeping."""

from __future__ import annotations

from pathlib import Path

import pytest

from serein.store.interface import Store
from serein.store.memory import MemoryStore
from serein.store.sqlite.engine import SqliteStore


@pytest.fixture(params=["memory", "sqlite"])
def make_store_of_both(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    """A store of either engine, not opened."""
    return MemoryStore() if request.param == "memory" else SqliteStore(tmp_path / "data")
