"""What `serein deploy --watch` looks at: the template, its local code, the variables beside it."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from serein.cli.package import SKIPPED, local_sources

POLL_S = 0.2
SETTLE_S = 0.15
FILES_MAX = 50_000
_PASSING = (".swp", ".swx", ".tmp", "~", ".pyc")

State = dict[str, tuple[int, int, int]]


def state_of(paths: list[Path]) -> State:
    """Each file's time, size and number: what was saved, deleted or renamed differs from before."""
    found: State = {}
    for path in paths:
        for file in _files(path):
            try:
                status = os.stat(file)
            except OSError:
                continue  # it went in this moment
            found[file] = (status.st_mtime_ns, status.st_size, status.st_ino)
            if len(found) >= FILES_MAX:
                return found
    return found


def changed(before: State, after: State) -> list[str]:
    """The files that are not what they were."""
    return sorted(
        path for path in before.keys() | after.keys() if before.get(path) != after.get(path)
    )


def watched(template: Path, variables: Path | None) -> list[Path]:
    """The files and folders that a deployment of `template` is made of."""
    beside = [variables.resolve()] if variables is not None else []
    return [template.resolve(), *beside, *local_sources(template)]


def wait_for_change(
    paths: list[Path], before: State, sleep: Callable[[float], None] = time.sleep
) -> tuple[list[str], State]:
    """What has changed, and the state after it: an editor that saves several files has finished."""
    while True:
        sleep(POLL_S)
        after = state_of(paths)
        if after == before:
            continue
        while True:
            sleep(SETTLE_S)
            later = state_of(paths)
            if later == after:
                break
            after = later
        differing = changed(before, after)
        if differing:
            return differing, after


def _files(path: Path) -> Iterator[str]:
    if not path.is_dir():
        yield str(path)
        return
    for base, folders, files in os.walk(path):
        folders[:] = [name for name in folders if name not in SKIPPED]
        for name in files:
            if not name.endswith(_PASSING) and name != "4913":  # vim tries whether it can write
                yield os.path.join(base, name)
