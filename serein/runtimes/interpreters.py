"""Which program runs which runtime, and what it needs to see of the host's file system."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import sys
from collections.abc import Iterable
from pathlib import Path

import msgspec

INSIDE = Path(__file__).resolve().parent / "inside"
# What AWS's Python runtimes hold besides the standard library, under the names that they are imported by.
_AWS_PACKAGES = ("boto3", "botocore", "s3transfer", "jmespath", "urllib3", "dateutil", "six")
INSIDE_SANDBOX = "/var/lang/inside"
_SYSTEM_FOLDERS = ["/usr/local/bin", "/usr/bin", "/opt/python/bin"]
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


Version = tuple[int, int]
OWN: Version = (sys.version_info.major, sys.version_info.minor)
OLDEST: Version = (3, 10)  # that AWS's packages, as they are installed here, run on
_NAMED = re.compile(r"python(\d+)\.(\d+)\Z")
_VERSIONED = re.compile(r"(?:cpython-)?(\d+)\.(\d+)\.\d+")


class Python(msgspec.Struct, frozen=True):
    """A Python to fork from: the interpreter without site packages, and where AWS's packages are."""

    executable: str
    prefix: str
    packages: dict[str, str]  # import name → path on the host
    version: Version = OWN

    @property
    def name(self) -> str:
        """As runtimes are called: python3.12."""
        return f"python{self.version[0]}.{self.version[1]}"


def wanted_version(runtime: str) -> Version | None:
    """The version that a runtime's name says, if it is a Python's."""
    match = _NAMED.match(runtime)
    return (int(match[1]), int(match[2])) if match else None


def installed_pythons() -> dict[Version, str]:
    """Version → executable of every Python on this machine; the one that runs Serein stands for its own version."""
    found: dict[Version, str] = {}
    for folder in dict.fromkeys(os.environ.get("PATH", "").split(os.pathsep) + _SYSTEM_FOLDERS):
        if folder and "shims" not in folder:
            _note(found, folder)
    for parent in _version_folders():
        for entry in sorted(parent.iterdir(), reverse=True) if parent.is_dir() else ():
            match = _VERSIONED.match(entry.name)
            if match:
                _note(found, str(entry / "bin"))
    found[OWN] = os.path.realpath(getattr(sys, "_base_executable", sys.executable))
    return {version: path for version, path in found.items() if version >= OLDEST}


def _version_folders() -> list[Path]:
    home = Path.home()
    pyenv = Path(os.environ.get("PYENV_ROOT") or home / ".pyenv")
    return [pyenv / "versions", home / ".local/share/uv/python"]


def _note(found: dict[Version, str], folder: str) -> None:
    try:
        names = os.listdir(folder)
    except OSError:
        return
    for name in names:
        version = wanted_version(name)
        path = os.path.join(folder, name)
        if version is not None and version not in found and os.access(path, os.X_OK):
            found[version] = os.path.realpath(path)


def nearest(installed: Iterable[Version], wanted: Version) -> Version:
    """The version that stands for one that is not installed: the next newer, else the newest."""
    newer = sorted(version for version in installed if version >= wanted)
    return newer[0] if newer else max(installed)


def find_python(version: Version = OWN, executable: str = "") -> Python:
    """An interpreter outside of virtual environments (default: the one that runs Serein), and AWS's packages for it."""
    if not executable:
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
    prefix = sys.base_prefix if version == OWN else str(Path(executable).parent.parent)
    return Python(executable, prefix, packages, version)


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
    binds = {"/var/runtime": str(INSIDE / "node"), INSIDE_SANDBOX: str(INSIDE)}
    if python.prefix != "/usr":
        # Not the interpreter's own site packages: the functions' world is what AWS's is.
        for below in ("bin", "lib", f"lib/{python.name}"):
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
