"""How long this process has been running, imports included: what someone who waits for `serein up` sees."""

from __future__ import annotations

import os
import time
from pathlib import Path

_LOADED = time.perf_counter()
_STARTED_FIELD = 19
"""`starttime`, counted from the one after the command's name: https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html"""


def age_s() -> float:
    """Seconds since this process was started, to a hundredth; where the system does not tell, since this module was read."""
    try:
        fields = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
        started_s = int(fields[_STARTED_FIELD]) / os.sysconf("SC_CLK_TCK")
        return time.clock_gettime(time.CLOCK_BOOTTIME) - started_s
    except (OSError, ValueError, IndexError, AttributeError):
        return time.perf_counter() - _LOADED
