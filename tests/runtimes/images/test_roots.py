"""Layers laid over one another. https://github.com/opencontainers/image-spec/blob/main/layer.md#applying-changesets"""

from __future__ import annotations

import asyncio
import os
import tarfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from serein.runtimes.images.configuration import BadImage, parse_configuration
from serein.runtimes.images.inspection import boot_id, inspect
from serein.runtimes.images.larder import Larder
from serein.runtimes.images.layers import layer_folder
from serein.runtimes.images.programs import Overrides, entrypoint_words, image_root
from tests.oci import Entry, Image, archive, digest_of, entry


class Kitchen:
    """A larder, and how often each layer was fetched."""

    def __init__(self, folder: Path) -> None:
        self.larder = Larder(folder)
        self.folder = folder
        self.fetched: list[str] = []

    async def prepare(self, image: Image) -> str:
        blobs = image.blobs

        async def read(digest: str) -> AsyncIterator[bytes]:
            self.fetched.append(digest)
            yield blobs[digest]

        digests = [digest_of(layer) for layer in image.layers]
        return await self.larder.prepare(parse_configuration(image.config), digests, read)

    def lay(self, *layers: list[Entry]) -> Path:
        """The root of an image with these layers."""
        return Path(asyncio.run(self.prepare(Image([archive(layer) for layer in layers]))))


@pytest.fixture
def kitchen(tmp_path: Path) -> Kitchen:
    return Kitchen(tmp_path / "images")


def test_upper_layers_win_and_remove(kitchen: Kitchen):
    root = kitchen.lay(
        [
            entry("a", b"1"),
            entry("gone", b"1"),
            entry("full", mode=0o755),
            entry("full/old", b"1"),
            entry("folder/x", b"1"),
        ],
        [
            entry("a", b"2", mode=0o755),
            entry(".wh.gone", b""),
            entry("full/.wh..wh..opq", b""),
            entry("full/new", b"2"),
            entry("folder", b"a file now"),
        ],
    )
    assert (root / "a").read_bytes() == b"2"
    assert not (root / "gone").exists()
    assert os.listdir(root / "full") == ["new"]
    assert (root / "folder").read_bytes() == b"a file now"


def test_a_folder_of_which_a_layer_says_nothing_may_be_a_link(kitchen: Kitchen):
    """lib → usr/lib in the base, lib/tool in a layer above, without an entry for lib itself."""
    link = entry("lib", type=tarfile.SYMTYPE, linkname="usr/lib")
    root = kitchen.lay([entry("usr/lib/base", b"1"), link], [entry("lib/tool", b"2")])
    assert (root / "lib").is_symlink()
    assert (root / "usr/lib/tool").read_bytes() == b"2"


def test_a_link_out_of_the_root_leads_nowhere(kitchen: Kitchen, tmp_path: Path):
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "kept").write_text("kept")
    way = entry("way", type=tarfile.SYMTYPE, linkname=str(outside))
    root = kitchen.lay(
        [way],
        [entry("way/attack", b"x"), entry("way/.wh.kept", b"")],
        [entry("way/.wh..wh..opq", b"")],
    )
    assert os.listdir(outside) == ["kept"]
    # The path is made below the root instead, where the image would look for it.
    assert (Path(str(root) + str(outside))).is_dir()


@pytest.mark.parametrize("target", ["/etc/passwd", "../../../etc/passwd"])
def test_mount_points_are_real(kitchen: Kitchen, target: str):
    links = [
        entry(name, type=tarfile.SYMTYPE, linkname=target)
        for name in ("dev", "proc", "tmp", "etc/hosts", "etc/resolv.conf")
    ]
    root = kitchen.lay(links)
    for name in ("dev", "proc", "tmp"):
        assert (root / name).is_dir()
        assert not (root / name).is_symlink()
    for name in ("hosts", "resolv.conf"):
        assert (root / "etc" / name).is_file()
        assert not (root / "etc" / name).is_symlink()


def test_layers_are_unpacked_once_and_shared(kitchen: Kitchen):
    base, one, two = ([entry(name, name.encode())] for name in ("base", "one", "two"))
    first, second = kitchen.lay(base, one), kitchen.lay(base, two)
    assert len(kitchen.fetched) == 3
    assert (first / "base").stat().st_ino == (second / "base").stat().st_ino
    # Laid a second time it is the same folder, and nothing is fetched.
    assert kitchen.lay(base, one) == first
    assert len(kitchen.fetched) == 3


def test_what_several_ask_for_at_a_time_is_unpacked_once(kitchen: Kitchen):
    image = Image([archive([entry("a", b"1")])])

    async def both() -> list[str]:
        return await asyncio.gather(*[kitchen.prepare(image) for _ in range(5)])

    assert len(set(asyncio.run(both()))) == 1
    assert len(kitchen.fetched) == 1


def test_a_layer_that_does_not_come_is_given_up_with_the_larder(kitchen: Kitchen):
    image = Image([archive([entry("a", b"1")])])

    async def waits_and_closes() -> None:
        fetched = asyncio.Event()

        async def read(digest: str) -> AsyncIterator[bytes]:
            fetched.set()
            await asyncio.Event().wait()
            yield b""

        configuration = parse_configuration(image.config)
        digests = [digest_of(layer) for layer in image.layers]
        preparing = asyncio.ensure_future(kitchen.larder.prepare(configuration, digests, read))
        await fetched.wait()
        kitchen.larder.close()
        with pytest.raises(BadImage, match="do not come"):
            await preparing

    asyncio.run(waits_and_closes())


def test_hard_links_to_lower_layers(kitchen: Kitchen):
    other = entry("other", type=tarfile.LNKTYPE, linkname="base")
    root = kitchen.lay([entry("base", b"1")], [other])
    assert (root / "other").samefile(root / "base")
    with pytest.raises(BadImage, match="leads nowhere"):
        kitchen.lay([entry("x", b"1")], [entry("y", type=tarfile.LNKTYPE, linkname="absent")])


def test_what_a_power_cut_left_half_written_is_made_again(kitchen: Kitchen):
    image = Image([archive([entry("a", b"1" * 100)]), archive([entry("b", b"2")])])
    root = Path(asyncio.run(kitchen.prepare(image)))
    layer = layer_folder(kitchen.folder, digest_of(image.layers[0]))
    # What is lost when the power fails: the end of a file.
    os.truncate(layer / "tree" / "a", 0)
    assert inspect(kitchen.folder, boot_id()) == 0  # the machine runs since it was written
    assert inspect(kitchen.folder, "another start") == 1
    assert not root.exists()
    later = Kitchen(kitchen.folder)
    again = Path(asyncio.run(later.prepare(image)))
    assert (again / "a").read_bytes() == b"1" * 100
    assert later.fetched == [digest_of(image.layers[0])]
    assert inspect(kitchen.folder, "a third") == 0
    assert again.exists()


def test_a_layer_must_be_what_the_configuration_says(kitchen: Kitchen):
    image = Image([archive([entry("a", b"1")])])
    image.config = image.config.replace(b'"sha256:', b'"sha256:0')
    with pytest.raises(BadImage, match="not what"):
        asyncio.run(kitchen.prepare(image))


def test_what_nobody_needs_is_swept(kitchen: Kitchen):
    kept = Image([archive([entry("kept", b"1")])])
    gone = Image([archive([entry("gone", b"1")])])
    used = Image([archive([entry("used", b"1")])])
    roots = [asyncio.run(kitchen.prepare(image)) for image in (kept, gone, used)]
    digests = [[digest_of(layer) for layer in kept.layers]]
    assert kitchen.larder.sweep(digests, [roots[2]], 0.0) == 0
    # One root and the layers of two images: what is in a root stays there without its layer.
    assert kitchen.larder.sweep(digests, [roots[2]], 2**40) == 3
    assert [os.path.isdir(root) for root in roots] == [True, False, True]


@pytest.mark.parametrize(
    ("overrides", "command"),
    [
        (Overrides(), ("/entry", "app.handler")),
        (Overrides(command=("other",)), ("/entry", "other")),
        (Overrides(entry_point=("/own",)), ("/own",)),
        (Overrides(entry_point=("/own",), command=("x",)), ("/own", "x")),
    ],
)
def test_entry_points_and_commands(
    kitchen: Kitchen, overrides: Overrides, command: tuple[str, ...]
):
    image = Image([], {"Entrypoint": ["/entry"], "Cmd": ["app.handler"], "Env": ["A=b=c", "=x"]})
    root = asyncio.run(kitchen.prepare(image))
    made = image_root(root, parse_configuration(image.config), overrides)
    assert made.command == command
    assert made.environment["A"] == "b=c"
    assert made.folder == "/"


def test_extensions_of_an_image(kitchen: Kitchen):
    root = kitchen.lay(
        [
            entry("opt/extensions/one", b"x", mode=0o755),
            entry("opt/extensions/text", b"x", mode=0o644),
            entry("opt/extensions/out", type=tarfile.SYMTYPE, linkname="/../../../../bin/sh"),
        ]
    )
    made = image_root(str(root), parse_configuration(Image([]).config), Overrides())
    assert made.extensions == ("/opt/extensions/one",)


@pytest.mark.parametrize(
    ("command", "code", "expected"),
    [
        (("/absent",), 127, "fork/exec /absent: no such file or directory"),
        (("absent",), 127, 'exec: "absent": executable file not found in $PATH'),
        (("/strange",), 126, "fork/exec /strange: exec format error"),
        (("/private",), 126, "fork/exec /private: permission denied"),
        (("/script",), 127, "fork/exec /script: no such file or directory"),
        (("/strange",), 1, None),
    ],
)
def test_why_a_program_could_not_be_executed(
    kitchen: Kitchen, command: tuple[str, ...], code: int, expected: str | None
):
    root = kitchen.lay(
        [
            entry("strange", b"\x7fELF", mode=0o755),
            entry("private", b"x", mode=0o700),
            entry("script", b"#!/bin/absent\n", mode=0o755),
        ]
    )
    configuration = parse_configuration(Image([], {"Entrypoint": list(command)}).config)
    found = entrypoint_words(code, image_root(str(root), configuration, Overrides()))
    assert found == (("Runtime.InvalidEntrypoint", expected) if expected else None)
