"""Generated files are fresh."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def run(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *command], cwd=ROOT, capture_output=True, text=True, timeout=120
    )


def test_models_are_what_botocore_says() -> None:
    done = run("tools/generate_models.py", "--all", "--check")
    assert done.returncode == 0, done.stdout + done.stderr


def test_coverage_page() -> None:
    done = run("tools/coverage_page.py", "--check")
    assert done.returncode == 0, done.stdout + done.stderr
