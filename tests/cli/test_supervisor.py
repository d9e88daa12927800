"""The supervisor over workers that behave badly (tests/cli/supervised.py): what it says, and how it ends."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from serein.cli.many import WorkerCount, cores, folder_in_memory
from serein.cli.supervisor import DEATHS_MAX

PROGRAM = Path(__file__).parent / "supervised.py"
ROOT = Path(__file__).parents[2]
ENDS_S_MAX = 60


def start(how: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, str(PROGRAM), how],
        cwd=ROOT,
        env={"PYTHONPATH": str(ROOT), "PATH": ""},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_a_refusal_is_one_line() -> None:
    process = start("refuses")
    out, err = process.communicate(timeout=ENDS_S_MAX)
    assert (process.returncode, out, err) == (1, "", "Error: the disk is not there\n")


@pytest.mark.parametrize(("how", "word"), [("crashes at once", "SIGSEGV"), ("crashes", "with 3")])
def test_a_crash_loop_is_told_and_ended(how: str, word: str) -> None:
    process = start(how)
    _, err = process.communicate(timeout=ENDS_S_MAX)
    assert process.returncode == 1
    assert err.count(word) >= DEATHS_MAX
    assert re.search(r"replaced in [0-9.]+ s\.", err)
    assert err.splitlines()[-1].startswith(f"Error: worker processes died {DEATHS_MAX} times")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_told_to_stop_it_stops_them(number: signal.Signals) -> None:
    process = start("works")
    assert process.stdout is not None
    assert process.stdout.readline() == "ready careful\n"
    process.send_signal(number)
    out, err = process.communicate(timeout=ENDS_S_MAX)
    assert (process.returncode, out, err) == (0, "Stopping …\n", "")


def test_who_does_not_stop_is_killed_in_the_end() -> None:
    process = start("ignores")
    assert process.stdout is not None
    process.stdout.readline()
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=ENDS_S_MAX)
    assert process.returncode == 0


def test_who_is_stuck_is_replaced() -> None:
    process = start("hangs")
    assert process.stderr is not None
    said = ""
    while "was killed by SIGKILL; it is replaced" not in said:
        line = process.stderr.readline()
        assert line, said
        said += line
    assert "is stuck" in said
    process.terminate()
    process.communicate(timeout=ENDS_S_MAX)


def test_auto_is_what_this_process_may_run_on() -> None:
    assert WorkerCount().convert("auto", None, None) == cores() >= 1
    assert WorkerCount().convert("3", None, None) == 3


def test_folders_in_memory_that_nobody_holds_are_removed(tmp_path: Path) -> None:
    left = tmp_path / "serein-ephemeral-left"
    left.mkdir()
    (left / "lock").write_text("1\n")
    with folder_in_memory(tmp_path) as folder:
        assert not left.exists()
        assert folder.is_dir()
    assert not folder.exists()
