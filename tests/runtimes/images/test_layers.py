"""Layers on their way to files, honest ones and others.

https://github.com/opencontainers/image-spec/blob/main/layer.md
"""

from __future__ import annotations

import gzip
import os
import stat
import tarfile
import tracemalloc
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest
import zstandard

from serein.runtimes.images.configuration import BadImage, ImageTooLarge
from serein.runtimes.images.layers import facts_or_none, layer_folder, unpack_layer
from tests.oci import Entry, archive, digest_of, entry

DIGEST = digest_of(b"layer")
MEGABYTE = 1024 * 1024


def unpack(store: Path, content: bytes, *, bytes_max: int = 64 * MEGABYTE) -> Path:
    """Unpack a layer given as bytes; where its files are."""
    pieces = (content[at : at + 1000] for at in range(0, len(content), 1000))
    return unpack_pieces(store, pieces, bytes_max)


def unpack_pieces(store: Path, pieces: Iterator[bytes], bytes_max: int = 64 * MEGABYTE) -> Path:
    given = filter(None, pieces)
    unpack_layer(lambda: next(given, b""), store, DIGEST, bytes_max)
    return layer_folder(store, DIGEST) / "tree"


def unpack_entries(store: Path, *entries: Entry, bytes_max: int = 64 * MEGABYTE) -> Path:
    return unpack(store, archive(entries), bytes_max=bytes_max)


@pytest.mark.parametrize("press", [bytes, gzip.compress, zstandard.compress])
def test_files_folders_and_links(tmp_path: Path, press: object):
    assert callable(press)
    content = archive(
        [
            entry("bin", mode=0o755),
            entry("bin/tool", b"#!/bin/sh\n", mode=0o4755, uid=1000, uname="somebody"),
            entry("bin/same", type=tarfile.LNKTYPE, linkname="bin/tool"),
            entry("./lib/deep/file", b"x", mode=0o600),
            entry("link", type=tarfile.SYMTYPE, linkname="/etc/passwd"),
        ]
    )
    tree = unpack(tmp_path, press(content))
    tool = os.lstat(tree / "bin/tool")
    # No set-user-id, and the server's own file.
    assert (stat.S_IMODE(tool.st_mode), tool.st_uid, tool.st_nlink) == (0o755, os.getuid(), 2)
    assert tool.st_mtime == 1_700_000_000
    assert (tree / "lib/deep/file").read_bytes() == b"x"
    assert os.readlink(tree / "link") == "/etc/passwd"
    facts = facts_or_none(tmp_path, DIGEST)
    assert facts is not None
    assert facts.diff_id == digest_of(content)
    assert facts.implied == ["lib", "lib/deep"]


def test_what_is_removed_is_remembered(tmp_path: Path):
    unpack_entries(
        tmp_path,
        entry("etc/.wh.hosts", b""),
        entry("var/.wh..wh..opq", b""),
        entry("var/new", b"1"),
    )
    facts = facts_or_none(tmp_path, DIGEST)
    assert facts is not None
    assert (facts.gone, facts.opaque) == (["etc/hosts"], ["var"])


def test_later_entries_take_the_place_of_earlier_ones(tmp_path: Path):
    tree = unpack_entries(
        tmp_path,
        entry("a", b"1"),
        entry("a", mode=0o755),
        entry("a/b", b"2"),
        entry("c", type=tarfile.SYMTYPE, linkname="a"),
        entry("c", b"3"),
    )
    assert (tree / "a/b").read_bytes() == b"2"
    assert (tree / "c").read_bytes() == b"3"
    assert not (tree / "c").is_symlink()


@pytest.mark.parametrize("name", ["../outside", "a/../../outside", "a/../b", "/../outside"])
def test_names_that_climb_are_refused(tmp_path: Path, name: str):
    with pytest.raises(BadImage, match="unsafe path"):
        unpack_entries(tmp_path / "store", entry(name, b"x"))
    assert not (tmp_path / "outside").exists()


@pytest.mark.parametrize("target", ["/", "/etc", "../../../../../../..", "..", "loop"])
def test_nothing_is_written_through_a_link(tmp_path: Path, target: str):
    outside = tmp_path / "outside"
    outside.mkdir()
    store = tmp_path / "store"
    entries = [
        entry("loop", type=tarfile.SYMTYPE, linkname="loop"),
        entry("way", type=tarfile.SYMTYPE, linkname=target),
        entry("way/attack", b"x"),
        entry("way/outside/attack", b"x"),
    ]
    try:
        tree = unpack_entries(store, *entries)
    except BadImage:
        assert target == "loop"
    else:
        # Links lead where they do when the image is somebody's root: inside.
        found = [path for path in tree.rglob("attack") if path.is_file()]
        assert found
        assert all(path.resolve().is_relative_to(tree) for path in found)
    assert list(outside.iterdir()) == []
    assert not Path("/attack").exists()
    assert not Path("/etc/attack").exists()


def test_an_absolute_name_is_below_the_root(tmp_path: Path):
    tree = unpack_entries(tmp_path, entry("/etc/attack", b"x"))
    assert (tree / "etc/attack").read_bytes() == b"x"


def test_a_file_is_replaced_not_written_through_a_link(tmp_path: Path):
    victim = tmp_path / "victim"
    victim.write_text("before")
    unpack_entries(
        tmp_path / "store",
        entry("way", type=tarfile.SYMTYPE, linkname=str(victim)),
        entry("way", b"after"),
    )
    assert victim.read_text() == "before"


@pytest.mark.parametrize("target", ["../../victim", "/../victim"])
def test_a_hard_link_to_what_is_outside(tmp_path: Path, target: str):
    (tmp_path / "victim").write_text("secret")
    with pytest.raises(BadImage, match="unsafe path"):
        unpack_entries(tmp_path / "store", entry("x", type=tarfile.LNKTYPE, linkname=target))


def test_a_hard_link_through_a_link_stays_inside(tmp_path: Path):
    (tmp_path / "victim").write_text("secret")
    tree = unpack_entries(
        tmp_path / "store",
        entry("way", type=tarfile.SYMTYPE, linkname=str(tmp_path)),
        entry("x", type=tarfile.LNKTYPE, linkname="way/victim"),
    )
    assert not os.path.lexists(tree / "x")  # looked for in the layers below, later


@pytest.mark.parametrize("kind", [tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE])
def test_devices_are_refused_but_for_those_of_dev(tmp_path: Path, kind: bytes):
    tree = unpack_entries(tmp_path / "one", entry("dev/null", type=kind, devmajor=1, devminor=3))
    assert not os.path.lexists(tree / "dev/null")
    with pytest.raises(BadImage, match="device"):
        unpack_entries(tmp_path / "two", entry("disk", type=kind, devmajor=8, devminor=0))


def test_a_bomb_is_stopped_by_its_size(tmp_path: Path):
    """A gigabyte of zeros, in a megabyte."""
    info = tarfile.TarInfo("zeros")
    info.size = 1024 * MEGABYTE

    def pieces() -> Iterator[bytes]:
        packer = zlib.compressobj(1, wbits=31)
        yield packer.compress(info.tobuf())
        for _ in range(1024):
            yield packer.compress(bytes(MEGABYTE))

    with pytest.raises(ImageTooLarge):
        unpack_pieces(tmp_path, pieces(), 16 * MEGABYTE)
    assert list((tmp_path / "layers").iterdir()) == []


def test_a_bomb_of_padding_is_stopped(tmp_path: Path):
    """What follows the end of the archive counts, too."""

    def pieces() -> Iterator[bytes]:
        packer = zlib.compressobj(1, wbits=31)
        yield packer.compress(archive([entry("a", b"1")]))
        for _ in range(200):
            yield packer.compress(bytes(MEGABYTE))

    with pytest.raises(ImageTooLarge):
        unpack_pieces(tmp_path, pieces(), MEGABYTE)


def test_a_header_that_would_fill_the_memory(tmp_path: Path):
    """An extended header that says it has a gigabyte, and would have."""
    info = tarfile.TarInfo("././@PaxHeader")
    info.type = tarfile.XHDTYPE
    info.size = 1024 * MEGABYTE

    def pieces() -> Iterator[bytes]:
        yield info.tobuf()
        for _ in range(1024):
            yield b"9" * MEGABYTE

    tracemalloc.start()
    try:
        with pytest.raises(BadImage):
            unpack_pieces(tmp_path, pieces(), 2048 * MEGABYTE)
        assert tracemalloc.get_traced_memory()[1] < 32 * MEGABYTE
    finally:
        tracemalloc.stop()


def test_many_small_layers_of_one_size(tmp_path: Path):
    with pytest.raises(ImageTooLarge):
        unpack_entries(
            tmp_path, *[entry(f"f{n}", bytes(300_000)) for n in range(4)], bytes_max=MEGABYTE
        )


@pytest.mark.parametrize(
    "content",
    [
        b"no archive at all" * 100,
        gzip.compress(b"no archive either" * 100, mtime=0),
        gzip.compress(archive([entry("a", b"1" * 5000)]), mtime=0)[:-200],
        archive([entry("a", b"1" * 5000)])[:3000],
        b"\x28\xb5\x2f\xfd broken",
    ],
)
def test_what_is_no_layer(tmp_path: Path, content: bytes):
    with pytest.raises(BadImage):
        unpack(tmp_path, content)
    assert list((tmp_path / "layers").iterdir()) == []


@pytest.mark.parametrize("name", ["x" * 256, "/".join(["d"] * 300), "a\udcff" * 2000])
def test_names_that_no_file_system_takes(tmp_path: Path, name: str):
    with pytest.raises(BadImage, match="unsafe path"):
        unpack_entries(tmp_path, entry(name, b"x"))


def test_names_that_are_no_text(tmp_path: Path):
    tree = unpack_entries(tmp_path, entry("caf\udce9/.wh.old\udce9", b""), entry("\udce9", b"x"))
    assert os.path.exists(os.fsencode(tree) + b"/\xe9")
    facts = facts_or_none(tmp_path, DIGEST)
    assert facts is not None
    assert facts.gone == ["caf\udce9/old\udce9"]
