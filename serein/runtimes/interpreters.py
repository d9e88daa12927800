"""Which program runs which runtime, and what it needs to see of the host's file system."""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys
from pathlib import Path

import msgspec

from serein.runtimes.spec import RuntimeUnavailable

INSIDE = Path(__file__).resolve().parent / "inside"
# What AWS's Python runtimes hold besides the standard library, under the names that they are imported by.
_AWS_PACKAGES = ("boto3", "botocore", "s3transfer", "jmespath", "urllib3", "dateutil", "six")
FAMILIES = ("python", "nodejs", "provided")
PYTHON_PRELOAD = (
    "asyncio",
    "base64",
    "boto3",
    "botocore.httpsession",
    "botocore.signers",
    "boto3.dynamodb.conditions",
    "concurrent.futures",
    "contextlib",
    "dataclasses",
    "datetime",
    "enum",
    "hashlib",
    "hmac",
    "http.client",
    "random",
    "re",
    "ssl",
    "typing",
    "urllib.request",
    "urllib3",
    "uuid",
    "decimal",
)


class Python(msgspec.Struct, frozen=True):
    """A Python to fork from: the interpreter without site packages, and where AWS's packages are."""

    executable: str
    prefix: str
    packages: dict[str, str]  # import name → path on the host


def find_python() -> Python:
    """The interpreter that runs Serein, outside of its virtual environment."""
    executable = os.path.realpath(getattr(sys, "_base_executable", sys.executable))
    packages: dict[str, str] = {}
    for name in _AWS_PACKAGES:
        found = importlib.util.find_spec(name)
        if found is None or found.origin is None:
            continue
        origin = Path(found.origin)
        path = origin.parent if found.submodule_search_locations else origin
        packages[path.name] = str(path)
        for facts in path.parent.glob(f"{_distribution(name)}-*.dist-info"):
            packages[facts.name] = str(facts)
    return Python(executable, sys.base_prefix, packages)


def _distribution(name: str) -> str:
    return "python_dateutil" if name == "dateutil" else name


def find_node() -> str | None:
    """The Node.js executable, or None."""
    found = shutil.which("node")
    return os.path.realpath(found) if found else None


def link_packages(python: Python, folder: Path) -> Path:
    """A folder in which exactly AWS's packages can be imported."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, path in python.packages.items():
        link = folder / name
        if link.is_symlink() and os.readlink(link) == path:
            continue
        link.unlink(missing_ok=True)
        link.symlink_to(path)
    return folder


def root_binds(python: Python, node: str | None) -> dict[str, str]:
    """Path inside the sandbox → path on the host, for what runs functions."""
    binds = {"/var/runtime": str(INSIDE / "node")}
    if python.prefix != "/usr":
        # Not the interpreter's own site packages: the functions' world is what AWS's is.
        version = f"python{sys.version_info.major}.{sys.version_info.minor}"
        for below in ("bin", "lib", f"lib/{version}"):
            for entry in Path(python.prefix, below).iterdir():
                name = entry.name
                if below == "lib" and not name.startswith("libpython"):
                    continue
                if name == "site-packages" or (below == "bin" and not name.startswith("python")):
                    continue
                binds[str(entry)] = str(entry)
    for path in python.packages.values():
        binds[path] = path
    if node is not None and not node.startswith("/usr/bin/"):
        binds[node] = node
    return binds


def family_of(runtime: str) -> str:
    """`python`, `nodejs` or `provided`. Raises RuntimeUnavailable for what is not built."""
    for family in FAMILIES:
        if runtime.startswith(family):
            return family
    raise RuntimeUnavailable(f"Serein does not run the runtime {runtime} yet")
