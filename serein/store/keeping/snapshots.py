"""`serein snapshot`: states of a data directory kept beside it, under names; on one machine, and while it is in use.

    <data>/snapshots/<name>/store.sqlite   the tables, as of one commit
    <data>/snapshots/<name>/blobs/         hard links: blobs never change, so they cost nothing but their names
    <data>/snapshots/<name>/about.json     when it was taken, how big it is

A snapshot is a data directory of its own, so a branch is one more of the same, and `serein up --data` starts it. Where the file system
can share blocks (btrfs, XFS, bcachefs) the tables are shared too and a snapshot is taken in milliseconds, whatever its size; elsewhere they
are copied, at the speed of the disk, while reads and writes go on.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
from collections.abc import Callable, Collection
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import orjson

from serein.store.errors import StoreError
from serein.store.keeping.cloning import copy_tables
from serein.store.keeping.folders import being_made, link_all, sizes, sync, sync_tree
from serein.store.keeping.sources import connect

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}\Z", re.ASCII)
FORMAT = 1

Missing = Callable[[Path], list[str]]
"""Which blobs the records of a data directory point at and are not there."""
TRIES_MAX = 5


class About(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a snapshot."""

    name: str
    taken_at: float
    """Epoch seconds, real time."""
    table_bytes: int
    blobs: int
    blob_bytes: int
    shared: bool
    """Whether the tables share their blocks with the original."""
    format: int = FORMAT


def check_name(name: str) -> str:
    """`name`, if it can name a snapshot. Raises StoreError."""
    if not NAME.match(name):
        raise StoreError(
            f"{name!r} cannot name a snapshot: letters, digits, dots, dashes and underscores can"
        )
    return name


def name_for_the_present(now: float, taken: Collection[str]) -> str:
    """A name under which to keep what is restored away, when nobody says one; none of those that are `taken`."""
    name = datetime.fromtimestamp(now, UTC).strftime("before-restore-%Y%m%d-%H%M%S")
    found, count = name, 1
    while found in taken:
        count += 1
        found = f"{name}-{count}"
    return found


def folder_of(data: Path, name: str) -> Path:
    """Where a snapshot lies, which is there. Raises StoreError."""
    folder = data / "snapshots" / check_name(name)
    if not (folder / "about.json").is_file():
        there = ", ".join(about.name for about in list_snapshots(data)) or "none"
        raise StoreError(f"there is no snapshot {name} of {data} (there: {there})")
    return folder


def list_snapshots(data: Path) -> list[About]:
    """All that are whole, the oldest first."""
    found = []
    for path in (data / "snapshots").glob("[!.]*/about.json"):
        with contextlib.suppress(OSError, msgspec.MsgspecError):
            found.append(msgspec.json.decode(path.read_bytes(), type=About))
    return sorted(found, key=lambda about: (about.taken_at, about.name))


def save(data: Path, name: str, now: float, missing: Missing) -> About:
    """Keep the state of `data` under `name`. Raises StoreError when the name is taken."""
    folder = data / "snapshots" / check_name(name)
    if folder.exists():
        raise StoreError(f"there is a snapshot {name} already: choose another name, or delete it")
    connect(data).close(True)
    with being_made(folder) as making:
        about = _save_into(data, making, name, now, missing)
    return about


def _save_into(data: Path, making: Path, name: str, now: float, missing: Missing) -> About:
    blobs = making / "blobs"
    for _ in range(TRIES_MAX):
        link_all(data / "blobs", blobs)
        shared = copy_tables(data, making)
        # Once more: what was written since the first round, the copied state may point at.
        link_all(data / "blobs", blobs)
        if not missing(making):
            break
    else:
        raise StoreError("blobs are removed faster than they can be linked; try again")
    count, size = sizes(blobs)
    return conclude(
        making,
        About(
            name=name,
            taken_at=now,
            table_bytes=(making / "store.sqlite").stat().st_size,
            blobs=count,
            blob_bytes=size,
            shared=shared,
        ),
    )


def conclude(folder: Path, about: About, *, synced: bool = False) -> About:
    """Make everything in a folder durable (`synced`: it is), and then what is known of it: from then on it is a snapshot."""
    if not synced:
        sync_tree(folder)
    path = folder / "about.json"
    path.write_bytes(orjson.dumps(msgspec.to_builtins(about), option=orjson.OPT_INDENT_2))
    sync(path)
    sync(folder)
    return about


def branch(data: Path, name: str, target: Path) -> None:
    """Make `target` a data directory of its own that begins as the snapshot. Raises StoreError if it holds anything."""
    folder = folder_of(data, name)
    if target.exists() and any(target.iterdir()):
        raise StoreError(f"{target} is not empty: a branch begins in a new directory")
    with being_made(target) as making:
        copy_tables(folder, making)
        link_all(folder / "blobs", making / "blobs")
        sync_tree(making)


def delete(data: Path, name: str) -> None:
    """Forget a snapshot. Raises StoreError if there is none."""
    folder = folder_of(data, name)
    gone = folder.with_name(f".gone-{name}")
    os.rename(folder, gone)
    shutil.rmtree(gone)
