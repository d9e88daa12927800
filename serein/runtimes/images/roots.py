"""Layers laid over one another: the root of an image, as one folder whose files are the layers' own (hard links).

One folder costs a function's start one mount, needs no right and no kind of file system, and what several images share is
on disk and in memory once.
"""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

from serein.runtimes.images.configuration import BadImage
from serein.runtimes.images.layers import LayerFacts, layer_folder
from serein.runtimes.images.trees import Parts, Tree, parts_of

_FORM = "3"  # another one whenever roots are made otherwise
_MOUNT_POINTS = ("dev", "proc", "tmp")
_MOUNTED_FILES = ("hosts", "resolv.conf")


def root_folder(store: Path, digests: Sequence[str]) -> Path:
    """Where the root made of these layers is kept."""
    name = hashlib.sha256("\0".join((_FORM, *digests)).encode()).hexdigest()
    return store / "roots" / name


def lay(store: Path, layers: Sequence[tuple[str, LayerFacts]]) -> Path:
    """The root made of these layers, lowest first; made now unless it was before. Blocking. Raises BadImage, OSError."""
    target = root_folder(store, [digest for digest, _ in layers])
    if target.is_dir():
        os.utime(target)
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(prefix=".laying-", dir=target.parent))
    try:
        tree = Tree(str(scratch))
        for digest, facts in layers:
            _Laying(tree, str(layer_folder(store, digest) / "tree"), facts).run()
        _furnish(tree)
        scratch.chmod(0o755)
        try:
            scratch.rename(target)
        except OSError:
            if not target.is_dir():
                raise
        return target
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


class _Laying:
    """One layer over those that are there already."""

    def __init__(self, tree: Tree, source: str, facts: LayerFacts) -> None:
        self._tree = tree
        self._source = source
        self._facts = facts
        self._implied = frozenset(facts.implied)

    def run(self) -> None:
        tree = self._tree
        for path in self._facts.opaque:
            place = tree.folder_or_none(parts_of(path))
            if place is not None:
                tree.empty(place)
        for path in self._facts.gone:
            *above, name = parts_of(path)
            place = tree.folder_or_none(tuple(above))
            if place is not None:
                tree.clear(place, name)
        todo: list[tuple[Parts, Parts]] = [((), ())]
        while todo:
            here, place = todo.pop()
            with os.scandir("/".join((self._source, *here))) as entries:
                for entry in entries:
                    below = (*here, entry.name)
                    if entry.is_dir(follow_symlinks=False):
                        todo.append((below, self._folder(entry, below, place)))
                    else:
                        self._file(entry, place)
        for path, target in self._facts.links:
            self._link(path, target)

    def _folder(self, entry: os.DirEntry[str], below: Parts, place: Parts) -> Parts:
        tree = self._tree
        if "/".join(below) in self._implied:
            # The layer says nothing of it: where a link to a folder is, its files go there.
            return tree.folder((*place, entry.name))
        path = tree.path((*place, entry.name))
        if not tree.clear(place, entry.name, keep_folder=True):
            os.mkdir(path)
        os.chmod(path, entry.stat(follow_symlinks=False).st_mode & 0o777)
        return (*place, entry.name)

    def _file(self, entry: os.DirEntry[str], place: Parts) -> None:
        self._tree.clear(place, entry.name)
        target = self._tree.path((*place, entry.name))
        if entry.is_symlink():
            os.symlink(os.readlink(entry.path), target)
            return
        _share(entry.path, target)

    def _link(self, path: str, points_to: str) -> None:
        *above, name = parts_of(path)
        found = self._tree.file_or_none("/" + points_to)
        if found is None or not os.path.isfile(found) or os.path.islink(found):
            raise BadImage(f"a link in the image leads nowhere: {path[:200]!r}")
        place = self._tree.folder(tuple(above))
        target = self._tree.path((*place, name))
        if found != target:
            self._tree.clear(place, name)
            _share(found, target)


def _share(source: str, target: str) -> None:
    try:
        os.link(source, target, follow_symlinks=False)
    except OSError as error:
        if error.errno not in (errno.EMLINK, errno.EPERM, errno.EXDEV):
            raise
        # So many links a file may not have (or not across file systems): then it is there twice.
        shutil.copy2(source, target, follow_symlinks=False)


def _furnish(tree: Tree) -> None:
    """What the sandbox mounts there needs a place."""
    for name in _MOUNT_POINTS:
        if not tree.clear((), name, keep_folder=True):
            os.mkdir(tree.path((name,)))
        os.chmod(tree.path((name,)), 0o755)
    etc = tree.folder(("etc",))
    for name in _MOUNTED_FILES:
        # What was there may be a layer's, and other roots'.
        tree.clear(etc, name)
        path = tree.path((*etc, name))
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644))
