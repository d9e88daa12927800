"""The images at hand: their layers unpacked when a function first needs them, their roots laid, both swept when nobody does."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from concurrent.futures import TimeoutError as PieceTimeout
from pathlib import Path

from serein.runtimes.images.configuration import (
    IMAGE_BYTES_MAX,
    BadImage,
    ImageConfiguration,
    ImageTooLarge,
)
from serein.runtimes.images.inspection import boot_id, inspect
from serein.runtimes.images.layers import LayerFacts, facts_or_none, unpack_layer
from serein.runtimes.images.roots import lay, root_folder

_AT_ONCE = 2  # layers that are unpacked at a time
_PIECE_LIMIT_S = 120.0
_LOOK_S = 0.5

ReadLayer = Callable[[str], AsyncIterator[bytes]]
"""The bytes of the layer of a digest, as they were pushed."""


class Larder:
    """Images below a folder, which several processes may share."""

    def __init__(self, store: Path) -> None:
        self._store = store
        self._under_way: dict[str, asyncio.Task[LayerFacts]] = {}
        self._turns = asyncio.Semaphore(_AT_ONCE)
        self._closed = False
        self._inspecting: asyncio.Future[int] | None = None

    def close(self) -> None:
        """End what is being unpacked, soon: its threads would hold up the end of the process."""
        self._closed = True

    async def prepare(
        self, configuration: ImageConfiguration, digests: Sequence[str], read: ReadLayer
    ) -> str:
        """The folder with an image's root, made of the layers of these digests. Raises BadImage, ImageTooLarge."""
        await self._inspected()
        diff_ids = configuration.rootfs.diff_ids
        if len(diff_ids) != len(digests):
            raise BadImage("the image's configuration and manifest tell of different layers")
        root = root_folder(self._store, digests)
        if await asyncio.to_thread(_is_there, root):
            return str(root)
        layers: list[tuple[str, LayerFacts]] = []
        left = IMAGE_BYTES_MAX
        for digest, diff_id in zip(digests, diff_ids, strict=True):
            facts = await self._layer(digest, read, left)
            if facts.diff_id != diff_id:
                raise BadImage("a layer is not what the image's configuration says")
            left -= facts.size
            if left < 0:
                raise ImageTooLarge
            layers.append((digest, facts))
        return str(await asyncio.to_thread(lay, self._store, layers))

    async def _inspected(self) -> None:
        """See once that what was unpacked before is whole: the machine's power may have failed."""
        if self._inspecting is None:
            self._inspecting = asyncio.ensure_future(
                asyncio.to_thread(inspect, self._store, boot_id())
            )
        await asyncio.shield(self._inspecting)

    async def _layer(self, digest: str, read: ReadLayer, bytes_max: int) -> LayerFacts:
        """A layer, unpacked once however many ask for it at a time."""
        task = self._under_way.get(digest)
        if task is None:
            task = asyncio.get_running_loop().create_task(self._unpack(digest, read, bytes_max))
            self._under_way[digest] = task
            task.add_done_callback(lambda _: self._under_way.pop(digest, None))
        return await asyncio.shield(task)

    async def _unpack(self, digest: str, read: ReadLayer, bytes_max: int) -> LayerFacts:
        known = await asyncio.to_thread(facts_or_none, self._store, digest)
        if known is not None:
            return known
        async with self._turns:
            pieces = read(digest)
            loop = asyncio.get_running_loop()

            def next_piece() -> bytes:
                coming = asyncio.run_coroutine_threadsafe(_next(pieces), loop)
                for _ in range(int(_PIECE_LIMIT_S / _LOOK_S)):
                    if self._closed:
                        break
                    try:
                        return coming.result(_LOOK_S)
                    except PieceTimeout:
                        continue
                raise BadImage("a layer's bytes do not come")

            return await asyncio.to_thread(unpack_layer, next_piece, self._store, digest, bytes_max)

    def sweep(
        self, kept: Sequence[Sequence[str]], used: Collection[str], unused_since: float
    ) -> int:
        """Remove roots and layers that were not used since, but for those of the images `kept` (their layers' digests).

        Roots that some environment is in are `used`. Blocking. How many were removed.
        """
        roots = {root_folder(self._store, digests).name for digests in kept}
        roots.update(Path(folder).name for folder in used)
        layers = {digest.partition(":")[2] for digests in kept for digest in digests}
        removed = 0
        for folder, names in (("roots", roots), ("layers", layers)):
            removed += _sweep(self._store / folder, names, unused_since)
        return removed


async def _next(pieces: AsyncIterator[bytes]) -> bytes:
    async for piece in pieces:
        if piece:
            return piece
    return b""


def _is_there(root: Path) -> bool:
    try:
        os.utime(root)
    except FileNotFoundError:
        return False
    return True


def _sweep(folder: Path, names: set[str], unused_since: float) -> int:
    removed = 0
    try:
        entries = list(os.scandir(folder))
    except OSError:
        return 0
    for entry in entries:
        if entry.name not in names and entry.stat(follow_symlinks=False).st_mtime < unused_since:
            shutil.rmtree(entry.path, ignore_errors=True)
            removed += 1
    return removed
