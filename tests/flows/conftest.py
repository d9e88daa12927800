"""The house as a fixture."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.cloud import Cloud


@pytest.fixture
def cloud() -> Iterator[Cloud]:
    """A fresh in-memory house with a manual clock (see tests/cloud.py)."""
    made = Cloud()
    yield made
    made.close()
