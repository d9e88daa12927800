"""What `serein up` says of its start counts from the process's beginning."""

from __future__ import annotations

import subprocess
import sys
import time


def test_the_age_counts_from_the_beginning_of_the_process() -> None:
    code = "import time; time.sleep(0.3); from serein.cli.age import age_s; print(age_s())"
    before = time.perf_counter()
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert 0.28 < float(done.stdout) < time.perf_counter() - before + 0.02
