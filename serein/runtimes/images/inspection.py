"""Unpacked images after the machine's power failed: what had not reached the disk is thrown away, to be made again.

Unpacked files are not synced one by one: there are thousands, and all of them can be made again from blobs, which are. A file that was lost is
short or absent, so the sizes tell. This is looked at once after each start of the machine.
"""

from __future__ import annotations

import os
import shutil
import stat
from pathlib import Path

_BOOT = Path("/proc/sys/kernel/random/boot_id")


def bytes_in(folder: str) -> int:
    """The bytes of all files below a folder, those with several names once. Blocking."""
    seen: set[int] = set()
    total = 0
    for place, _, names in os.walk(folder):
        for name in names:
            facts = os.lstat(os.path.join(place, name))
            if stat.S_ISREG(facts.st_mode) and facts.st_ino not in seen:
                seen.add(facts.st_ino)
                total += facts.st_size
    return total


def boot_id() -> str:
    """What tells one start of the machine from another; "" where nothing does."""
    try:
        return _BOOT.read_text().strip()
    except OSError:
        return ""


def inspect(store: Path, boot: str) -> int:
    """Throw away layers that are not whole, unless it was done since the machine started; how many those were. Blocking.

    With one of them all roots go: their files are the layers'.
    """
    note = store / "boot"
    if _text(note) == boot:
        return 0
    damaged = 0
    layers = store / "layers"
    for folder in sorted(layers.iterdir()) if layers.is_dir() else ():
        if folder.name.startswith("."):
            continue  # another process may be at it; what nobody finishes is swept
        kept = _text(folder / "bytes")
        if not kept.isdigit() or int(kept) != bytes_in(str(folder / "tree")):
            damaged += 1
            shutil.rmtree(folder, ignore_errors=True)
    if damaged:
        shutil.rmtree(store / "roots", ignore_errors=True)
    store.mkdir(parents=True, exist_ok=True)
    note.write_text(boot)
    return damaged


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except (OSError, UnicodeDecodeError):
        return ""
