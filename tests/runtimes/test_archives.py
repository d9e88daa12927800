"""Archives that try things. Limits: https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html"""

from __future__ import annotations

import io
import os
import stat
import struct
import zipfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serein.runtimes.archives import ArchiveTooLarge, BadArchive, merged_layers, sweep, unpack


def archive(*entries: tuple[str, bytes, int]) -> bytes:
    """An archive of (name, content, unix mode)."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as made:
        for name, content, mode in entries:
            info = zipfile.ZipInfo(name)
            info.external_attr = mode << 16
            info.compress_type = zipfile.ZIP_DEFLATED
            made.writestr(info, content)
    return buffer.getvalue()


def test_files_folders_and_modes(tmp_path: Path):
    data = archive(
        ("a.py", b"1", 0o600), ("bin/run", b"2", 0o700), ("d/", b"", 0o40755), ("x", b"3", 0)
    )
    folder = unpack(data, tmp_path)
    assert (folder / "a.py").read_bytes() == b"1"
    assert stat.S_IMODE((folder / "a.py").stat().st_mode) == 0o644
    assert stat.S_IMODE((folder / "bin/run").stat().st_mode) == 0o755
    assert (folder / "d").is_dir()
    assert unpack(data, tmp_path) == folder
    assert [p.name for p in tmp_path.iterdir()] == [folder.name]


@pytest.mark.parametrize("name", ["../x", "/x", "a/../../x", "..\\x", "a/../../../etc/x"])
def test_traversal_is_refused(tmp_path: Path, name: str):
    with pytest.raises(BadArchive):
        unpack(archive((name, b"x", 0o644)), tmp_path / "store")
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize("target", ["/etc/passwd", "../../x", "a/../../x", ".."])
def test_links_out_are_refused(tmp_path: Path, target: str):
    with pytest.raises(BadArchive):
        unpack(archive(("link", target.encode(), stat.S_IFLNK | 0o777)), tmp_path)


def test_links_inside_are_kept_and_nothing_is_written_through_them(tmp_path: Path):
    link = stat.S_IFLNK | 0o777
    folder = unpack(archive(("lib/a.so.1", b"x", 0o644), ("lib/a.so", b"a.so.1", link)), tmp_path)
    assert (folder / "lib/a.so").read_bytes() == b"x"
    with pytest.raises(BadArchive):
        unpack(archive(("d", b".", link), ("d/f", b"x", 0o644)), tmp_path)
    with pytest.raises(BadArchive):
        # A link below a link that leads out.
        unpack(archive(("d/e", b"..", link), ("d/e/f", b"../../..", link)), tmp_path)


def test_a_bomb_is_stopped(tmp_path: Path):
    data = archive(("big", bytes(3_000_000), 0o644))
    with pytest.raises(ArchiveTooLarge):
        unpack(data, tmp_path, unzipped_max=2_000_000)
    assert list(tmp_path.iterdir()) == []


def test_a_lie_about_the_size_is_noticed(tmp_path: Path):
    data = bytearray(archive(("big", bytes(3_000_000), 0o644)))
    for mark, offset in ((b"PK\x03\x04", 22), (b"PK\x01\x02", 24)):
        at = data.index(mark)
        struct.pack_into("<I", data, at + offset, 10)
    with pytest.raises((ArchiveTooLarge, BadArchive)):
        unpack(bytes(data), tmp_path, unzipped_max=2_000_000)


@given(st.binary(max_size=300))
def test_no_bytes_raise_anything_else(tmp_path_factory: pytest.TempPathFactory, data: bytes):
    store = tmp_path_factory.mktemp("store")
    try:
        unpack(data, store)
    except (BadArchive, ArchiveTooLarge):
        pass


@given(st.integers(0, 400), st.integers(1, 255))
def test_damaged_archives_raise_nothing_else(
    tmp_path_factory: pytest.TempPathFactory, at: int, flip: int
):
    data = bytearray(archive(("a/b.py", b"print(1)" * 50, 0o644), ("c", b"x" * 100, 0o755)))
    data[at % len(data)] ^= flip
    try:
        unpack(bytes(data), tmp_path_factory.mktemp("store"))
    except (BadArchive, ArchiveTooLarge):
        pass


def test_later_layers_win(tmp_path: Path):
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "shared").write_text(name)
        (tmp_path / name / name).write_text(name)
    folder = merged_layers([str(tmp_path / "one"), str(tmp_path / "two")], tmp_path / "store")
    assert (folder / "shared").read_text() == "two"
    assert sorted(p.name for p in folder.iterdir()) == ["one", "shared", "two"]


def test_a_sweep_keeps_what_is_wanted_and_what_is_new(tmp_path: Path):
    for name in ("wanted", "old", "new"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").write_text("x")
    for name in ("wanted", "old"):
        os.utime(tmp_path / name, (1000, 1000))
    assert sweep(tmp_path, {"wanted"}, 2000.0) == 1
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["new", "wanted"]
    assert sweep(tmp_path / "absent", set(), 0.0) == 0
