"""How many tests run side by side."""

from __future__ import annotations

import os


def pytest_xdist_auto_num_workers() -> int:
    """For `-n auto`: more than there are cores, for some tests mostly wait (Terraform's own pauses, real functions)."""
    return (os.cpu_count() or 1) + 2
