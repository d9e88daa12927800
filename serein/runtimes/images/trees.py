"""A folder that is the root of an image: every path in it is found as the image means it, and never outside.

Links that point upwards or to absolute paths are followed below the root, as they will be when it is somebody's `/`.
Nobody else writes there meanwhile.
"""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Sequence

from serein.runtimes.images.configuration import BadImage

_LINKS_MAX = 40
_DEPTH_MAX = 256
_PATH_BYTES_MAX = 4096
_NAME_BYTES_MAX = 255
_REMEMBERED_MAX = 20_000

Parts = tuple[str, ...]


def parts_of(path: str) -> Parts:
    """The parts of an archive's path. Raises BadImage for one that climbs, or that no file system would take."""
    parts = tuple(part for part in path.split("/") if part not in ("", "."))
    if ".." in parts:
        raise BadImage(f"unsafe path in the image: {path[:200]!r}")
    if len(parts) > _DEPTH_MAX or len(os.fsencode(path)) > _PATH_BYTES_MAX or "\0" in path:
        raise BadImage(f"unsafe path in the image: {path[:200]!r}")
    if any(len(os.fsencode(part)) > _NAME_BYTES_MAX for part in parts):
        raise BadImage(f"unsafe path in the image: {path[:200]!r}")
    return parts


class Tree:
    """The root of an image, while it is being made."""

    def __init__(self, root: str) -> None:
        self.root = root
        self.implied: set[str] = set()
        """Folders that nothing but a path within them spoke of."""
        self._known: dict[Parts, Parts] = {}

    def path(self, parts: Sequence[str]) -> str:
        """The host's path of something in a folder that `folder` gave."""
        return "/".join((self.root, *parts))

    def folder(self, parts: Parts) -> Parts:
        """Where a folder really is, made where it is missing. Raises BadImage where something else is in its place."""
        known = self._known.get(parts)
        if known is None:
            known = self._walk(parts, make=True)
            assert known is not None
            if len(self._known) >= _REMEMBERED_MAX:
                self._known.clear()
            self._known[parts] = known
        return known

    def folder_or_none(self, parts: Parts) -> Parts | None:
        """Where a folder really is, if it is there."""
        return self._walk(parts, make=False)

    def file_or_none(self, path: str) -> str | None:
        """The host's path of what `path` leads to, links followed; None where nothing is."""
        todo = path
        for _ in range(_LINKS_MAX):
            *before, name = [part for part in todo.split("/") if part not in ("", ".")] or [""]
            place = self._walk(tuple(before), make=False)
            if place is None or name in ("", ".."):
                return None
            found = self.path((*place, name))
            try:
                points_to = os.readlink(found)
            except FileNotFoundError:
                return None
            except OSError:
                return found
            todo = points_to if points_to.startswith("/") else "/".join((*place, points_to))
        return None

    def clear(self, place: Parts, name: str, *, keep_folder: bool = False) -> bool:
        """Make room for `name` in a folder; whether a folder was kept that was there."""
        path = self.path((*place, name))
        try:
            mode = os.lstat(path).st_mode
        except FileNotFoundError:
            return False
        if stat.S_ISDIR(mode):
            if keep_folder:
                return True
            shutil.rmtree(path)
        else:
            os.unlink(path)
        self._known.clear()
        return False

    def empty(self, place: Parts) -> None:
        """Remove what is in a folder."""
        for name in os.listdir(self.path(place)):
            self.clear(place, name)

    def _walk(self, parts: Parts, *, make: bool) -> Parts | None:
        done: list[str] = []
        todo = list(reversed(parts))
        links = 0
        while todo:
            name = todo.pop()
            if name in ("", "."):
                continue
            if name == "..":
                if done:
                    done.pop()
                continue
            path = self.path((*done, name))
            try:
                mode = os.lstat(path).st_mode
            except FileNotFoundError:
                if not make:
                    return None
                os.mkdir(path, 0o755)
                done.append(name)
                self.implied.add("/".join(done))
                continue
            if stat.S_ISLNK(mode):
                links += 1
                points_to = os.readlink(path)
                if links > _LINKS_MAX or len(todo) > _DEPTH_MAX * 4:
                    self._no_folder(parts, make)
                    return None
                if points_to.startswith("/"):
                    done.clear()
                todo.extend(reversed(points_to.split("/")))
            elif stat.S_ISDIR(mode):
                done.append(name)
            else:
                self._no_folder(parts, make)
                return None
        return tuple(done)

    def _no_folder(self, parts: Parts, make: bool) -> None:
        if make:
            raise BadImage(f"not a folder in the image: {'/'.join(parts)[:200]!r}")
