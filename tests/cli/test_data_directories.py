"""`serein up` on a directory that is not for it: one line that says what and how to mend it, exit code 1, nothing touched."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import apsw
import pytest

from tests.running import RunningSerein


def up(data: Path) -> tuple[int, str]:
    """Its exit code and what it said."""
    command = [sys.executable, "-m", "serein.cli.main", "up", "--port", "0", "--data", str(data)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout == ""
    return done.returncode, done.stderr


def no_database(data: Path) -> None:
    data.mkdir()
    (data / "store.sqlite").write_bytes(b"a letter to a friend")


def foreign(data: Path) -> None:
    data.mkdir()
    connection = apsw.Connection(str(data / "store.sqlite"))
    connection.execute("CREATE TABLE theirs (a)")
    connection.close()


def newer(data: Path) -> None:
    with RunningSerein(data):
        pass
    connection = apsw.Connection(str(data / "store.sqlite"))
    connection.execute("PRAGMA user_version=99")
    connection.close()


def below_a_file(data: Path) -> None:
    data.parent.joinpath("file").write_bytes(b"")
    data.symlink_to(data.parent / "file" / "sub")


def contents(data: Path) -> dict[str, bytes]:
    found = {}
    for path in data.rglob("*"):
        if path.is_file():
            found[str(path.relative_to(data))] = path.read_bytes()
    return found


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (no_database, "none of Serein's"),
        (foreign, "not one of Serein's"),
        (newer, "newer Serein (format 99"),
        (below_a_file, "cannot use"),
    ],
)
def test_what_is_not_for_us(tmp_path: Path, make: Callable[[Path], None], said: str) -> None:
    data = tmp_path / "data"
    make(data)
    before = contents(data)
    code, answer = up(data)
    assert code == 1
    assert answer.startswith("Error: ")
    assert answer.count("\n") == 1
    assert said in answer
    assert "choose another" in answer
    assert contents(data) == before


def test_doctor_says_what_is_bad_by_its_exit_code(tmp_path: Path) -> None:
    data = tmp_path / "data"
    no_database(data)
    command = [sys.executable, "-m", "serein.cli.main", "doctor", "--quick", "--data", str(data)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 1
    assert "BAD" in done.stdout
    assert "restore" in done.stdout.split("BAD")[1].splitlines()[1]


def test_a_second_server_is_refused(tmp_path: Path) -> None:
    with RunningSerein(tmp_path / "data") as serein:
        assert serein.process is not None
        code, answer = up(tmp_path / "data")
        assert code == 1
        assert f"in use by process {serein.process.pid}" in answer
        assert answer.count("\n") == 1


@pytest.mark.skipif(os.geteuid() == 0, reason="root may do everything")
def test_a_directory_without_rights(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    code, answer = up(tmp_path / "data")
    assert code == 1
    assert "may read and write" in answer
