"""How many tests run side by side, which of them in one process, and which only when they are asked for."""

from __future__ import annotations

import os

import pytest


def pytest_xdist_auto_num_workers() -> int:
    """For `-n auto`: more than there are cores, for some tests mostly wait (Terraform's own pauses, real functions)."""
    return (os.cpu_count() or 1) + 2


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what is marked `long`; and let `@pytest.mark.xdist_group` hold: pytest 9.2 keeps a test's id where pytest-xdist 3.8 does not look for it."""
    if not os.environ.get("SEREIN_LONG"):
        for item in items:
            if item.get_closest_marker("long") is not None:
                item.add_marker(pytest.mark.skip(reason="takes long: `make long` runs it"))
    if not getattr(config.option, "loadgroup", False):
        return
    for item in items:
        mark = item.get_closest_marker("xdist_group")
        kept = getattr(item, "_id", None)
        if mark is not None and kept is not None and not item.nodeid.endswith(f"@{mark.args[0]}"):
            item._id = type(kept).parse(f"{item.nodeid}@{mark.args[0]}")
