"""Modules read at first use."""

from __future__ import annotations

import importlib
import sys
import threading
from pathlib import Path

import pytest

from serein.base.later import later

CODE = """

from pathlib import Path
with open(Path(__file__).with_suffix(".runs"), "a") as told:
    told.write("x")
sum(range(200_000))
answer = 42
def __getattr__(name):
    if name == "computed":
        return "yes"
    raise AttributeError(name)
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package `laterpack` with the modules `slow` and `broken`."""
    package = tmp_path / "laterpack"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "slow.py").write_text(CODE)
    (package / "broken.py").write_text("1 / 0")
    monkeypatch.syspath_prepend(str(tmp_path))
    for name in [name for name in sys.modules if name.startswith("laterpack")]:
        monkeypatch.delitem(sys.modules, name)
    return package


def test_it_runs_once_for_all_threads(folder: Path) -> None:
    slow = later("laterpack.slow")
    assert not (folder / "slow.runs").exists()
    seen: list[int] = []
    threads = [threading.Thread(target=lambda: seen.append(slow.answer)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == [42] * 8
    assert (folder / "slow.runs").read_text() == "x"


def test_it_is_the_module_that_others_import(folder: Path) -> None:
    slow = later("laterpack.slow")
    assert later("laterpack.slow") is slow
    package = importlib.import_module("laterpack")
    assert importlib.import_module("laterpack.slow") is slow
    assert package.slow is slow
    assert slow.computed == "yes"
    assert not hasattr(slow, "nothing")
    assert (folder / "slow.runs").read_text() == "x"


def test_a_module_that_is_not_there_is_told_at_once(folder: Path) -> None:
    with pytest.raises(ModuleNotFoundError, match="No module named"):
        later("laterpack.none")


def test_a_module_that_fails_fails_at_each_use(folder: Path) -> None:
    broken = later("laterpack.broken")
    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            broken.anything  # noqa: B018
