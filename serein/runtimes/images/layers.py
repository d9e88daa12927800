"""A layer, unpacked safely, once per digest, into a folder that never changes.

What a layer removes from the ones below it is kept beside its files, for when it is laid over them.
https://github.com/opencontainers/image-spec/blob/main/layer.md
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import IO, TYPE_CHECKING, cast

import msgspec

from serein.base.later import later
from serein.runtimes.images.configuration import BadImage, ImageTooLarge
from serein.runtimes.images.inspection import bytes_in
from serein.runtimes.images.streams import (
    PIECE_BYTES,
    PieceReader,
    TarStream,
    broken,
    unpressed,
)
from serein.runtimes.images.trees import Parts, Tree, parts_of

if TYPE_CHECKING:
    import tarfile
else:
    tarfile = later("tarfile")

ENTRIES_MAX = 1_000_000
_ARCHIVE_OVERHEAD = 1.25
"""Headers and padding of small files: so much longer than its files an archive may be, and 64 MB."""
_WHITEOUT = ".wh."
_OPAQUE = ".wh..wh..opq"
_TIME_MAX = 2**33


class LayerFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of an unpacked layer. Paths are relative to its root."""

    diff_id: str
    size: int
    gone: list[str]  # what is removed from the layers below
    opaque: list[str]  # folders of which nothing below is to be seen
    implied: list[str]  # folders that the layer has nothing to say of, but files in them
    links: list[list[str]]  # hard links to files of layers below: path, target


def layer_folder(store: Path, digest: str) -> Path:
    """Where a layer is kept."""
    return store / "layers" / digest.partition(":")[2]


def facts_or_none(store: Path, digest: str) -> LayerFacts | None:
    """What is known of a layer that was unpacked before."""
    folder = layer_folder(store, digest)
    try:
        text = (folder / "facts.json").read_bytes()
    except OSError:
        return None
    os.utime(folder)  # it is in use: see `sweep`
    return _facts_of(text)


def _facts_of(text: bytes) -> LayerFacts:
    # Names that are no text have lone surrogates, which only this module writes and reads.
    return msgspec.convert(json.loads(text), LayerFacts)


def unpack_layer(
    next_piece: Callable[[], bytes], store: Path, digest: str, bytes_max: int
) -> LayerFacts:
    """Unpack a layer whose bytes `next_piece` gives. It appears whole or not at all. Blocking.

    Raises BadImage, ImageTooLarge, OSError.
    """
    target = layer_folder(store, digest)
    target.parent.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(prefix=".unpacking-", dir=target.parent))
    try:
        tree = scratch / "tree"
        tree.mkdir(mode=0o755)
        facts = _Unpacking(str(tree), bytes_max).run(next_piece)
        text = json.dumps(msgspec.to_builtins(facts)).encode()
        (scratch / "facts.json").write_bytes(text)
        (scratch / "bytes").write_text(str(bytes_in(str(tree))))
        scratch.chmod(0o755)
        try:
            scratch.rename(target)
        except OSError:
            # Another was faster with the same layer.
            if not target.is_dir():
                raise
        return facts
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


class _Unpacking:
    """One layer's archive, entry by entry."""

    def __init__(self, root: str, bytes_max: int) -> None:
        self._tree = Tree(root)
        self._left = bytes_max
        self._bytes_max = bytes_max
        self._gone: list[str] = []
        self._opaque: list[str] = []
        self._links: list[list[str]] = []

    def run(self, next_piece: Callable[[], bytes]) -> LayerFacts:
        limit = int(self._bytes_max * _ARCHIVE_OVERHEAD) + 64 * 1024 * 1024
        try:
            stream = TarStream(unpressed(PieceReader(next_piece)), limit)
            self._entries(stream)
            diff_id = stream.finish()
        except broken() as error:
            raise BadImage(f"a layer cannot be read: {error}") from error
        return LayerFacts(
            diff_id=diff_id,
            size=self._bytes_max - self._left,
            gone=self._gone,
            opaque=self._opaque,
            implied=sorted(self._tree.implied),
            links=self._links,
        )

    def _entries(self, stream: TarStream) -> None:
        count = 0
        with tarfile.TarFile(fileobj=cast(IO[bytes], stream), mode="r") as archive:
            while (entry := archive.next()) is not None:
                count += 1
                if count > ENTRIES_MAX:
                    raise BadImage(f"a layer has more than {ENTRIES_MAX} entries")
                # It would remember them all.
                archive.members.clear()  # type: ignore[attr-defined]
                self._entry(archive, entry)

    def _entry(self, archive: tarfile.TarFile, entry: tarfile.TarInfo) -> None:
        parts = parts_of(entry.name)
        if not parts:
            return
        *above, name = parts
        if name.startswith(_WHITEOUT):
            self._remove(tuple(above), name)
            return
        if entry.isdev():
            if parts[0] == "dev":
                return  # the sandbox has its own
            raise BadImage(f"the image has a device or pipe: {entry.name[:200]!r}")
        place = self._tree.folder(tuple(above))
        if entry.isdir():
            self._folder(place, name, entry)
        elif entry.issym():
            if not entry.linkname or len(os.fsencode(entry.linkname)) > 4095:
                raise BadImage(f"unsafe link in the image: {entry.name[:200]!r}")
            self._tree.clear(place, name)
            os.symlink(entry.linkname, self._tree.path((*place, name)))
        elif entry.islnk():
            self._hard_link(place, name, entry)
        else:
            self._file(archive, place, name, entry)

    def _remove(self, above: Parts, name: str) -> None:
        if name == _OPAQUE:
            self._opaque.append("/".join(above))
        elif not name.startswith(_WHITEOUT + _WHITEOUT):
            gone = name[len(_WHITEOUT) :]
            if gone in ("", ".", ".."):
                raise BadImage("the image removes what is no name")
            self._gone.append("/".join((*above, gone)))

    def _folder(self, place: Parts, name: str, entry: tarfile.TarInfo) -> None:
        path = self._tree.path((*place, name))
        if not self._tree.clear(place, name, keep_folder=True):
            os.mkdir(path)
        os.chmod(path, entry.mode & 0o777 | 0o700)
        self._tree.implied.discard("/".join((*place, name)))

    def _hard_link(self, place: Parts, name: str, entry: tarfile.TarInfo) -> None:
        *above, last = parts_of(entry.linkname) or ("",)
        found = self._tree.folder_or_none(tuple(above))
        source = self._tree.path((*found, last)) if found is not None and last else ""
        if not source or not os.path.lexists(source):
            self._tree.clear(place, name)
            self._links.append(["/".join((*place, name)), "/".join((*above, last))])
            return
        target = self._tree.path((*place, name))
        if os.path.isdir(source) and not os.path.islink(source):
            raise BadImage(f"unsafe link in the image: {entry.name[:200]!r}")
        if os.path.lexists(target) and os.path.samefile(source, target):
            return
        self._tree.clear(place, name)
        os.link(source, target, follow_symlinks=False)

    def _file(
        self, archive: tarfile.TarFile, place: Parts, name: str, entry: tarfile.TarInfo
    ) -> None:
        # What holes a sparse file has are written out: they count.
        self._left -= entry.size
        if self._left < 0:
            raise ImageTooLarge
        self._tree.clear(place, name)
        path = self._tree.path((*place, name))
        content = archive.extractfile(entry)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        with open(os.open(path, flags, 0o600), "wb", buffering=0) as file:
            while content is not None and (piece := content.read(PIECE_BYTES)):
                file.write(piece)
            # No set-user-id, and the files are the server's, whoever they were of.
            os.fchmod(file.fileno(), entry.mode & 0o777 | 0o400)
            # Compiled Python code names the time of its source.
            at = min(max(0, int(entry.mtime)), _TIME_MAX)
            os.utime(file.fileno(), (at, at))
