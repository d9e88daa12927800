"""Where client programs are: in `.clients` (made by `make clients`), else on the PATH."""

from __future__ import annotations

import shutil
from pathlib import Path

ROOT = Path(__file__).parents[2]


def program(name: str) -> str | None:
    """The path of a client program, or None when it is absent."""
    own = ROOT / ".clients" / "bin" / name
    return str(own) if own.is_file() else shutil.which(name)
