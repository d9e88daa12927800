"""What every engine promises, of this one: the tests are those of `tests/store/test_transactions.py`."""

from __future__ import annotations

from tests.store.test_transactions import *  # noqa: F403
