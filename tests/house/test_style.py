"""Laws of style that a machine can check: docstrings, names, imports, state, what tests may use, READMEs."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCE = sorted((ROOT / "serein").rglob("*.py"))
SERVICES = sorted(path.parent for path in (ROOT / "serein" / "services").glob("*/__init__.py"))
TESTS = sorted((ROOT / "tests").rglob("*.py"))
BANNED_NAMES = re.compile(r"(Manager|Helper|Util|Utils|Common)$")
BANNED_FILES = {"utils.py", "util.py", "helpers.py", "common.py", "misc.py"}
MUTABLE = (ast.List, ast.Dict, ast.Set, ast.ListComp, ast.DictComp, ast.SetComp)


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("path", SOURCE, ids=name_of)
def test_source(path: Path) -> None:
    tree = ast.parse(path.read_text())
    assert path.name not in BANNED_FILES, "a file is named for what is in it"
    if tree.body:
        assert ast.get_docstring(tree), "a module says what it is for"
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef):
            assert not BANNED_NAMES.search(node.name), f"{node.name}: say what it is"
        if isinstance(node, ast.Global):
            raise AssertionError(f"line {node.lineno}: no module-level state")


@pytest.mark.parametrize("path", SOURCE, ids=name_of)
def test_no_imports_inside_functions(path: Path) -> None:
    """Reaching for an import inside a function means the seam is being walked around."""
    if "inside" in path.parts:
        pytest.skip("runs inside a function's environment, where imports are the point")
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            for inner in ast.walk(node):
                assert not isinstance(inner, ast.Import | ast.ImportFrom), f"line {inner.lineno}"


@pytest.mark.parametrize("path", TESTS, ids=name_of)
def test_tests_do_not_patch_or_sleep(path: Path) -> None:
    if path == Path(__file__):
        return
    text = path.read_text()
    assert "mock.patch" not in text, "hand the thing in instead"
    real = {"clients", "flows", "runtimes", "front", "store", "cli", "running.py"}
    if not real & set(path.parts):
        assert "time.sleep" not in text, "time is moved, not slept"


@pytest.mark.parametrize("folder", SERVICES, ids=name_of)
def test_each_service_says_what_differs(folder: Path) -> None:
    readme = (folder / "README.md").read_text().lower()
    assert "cover" in readme or "operations" in readme or "reads" in readme, "what is covered"
    assert "different from aws" in readme, "what differs, and why"
