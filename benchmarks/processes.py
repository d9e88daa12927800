"""The processor time of whoever listens on a port: a measure that other work on the machine disturbs little."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

TICKS_PER_S = os.sysconf("SC_CLK_TCK")
LISTENING = "0A"


def listeners_of(port: int) -> list[int]:
    """The processes that have the socket listening on a port of this machine, and their children."""
    sockets = set()
    for table in ("tcp", "tcp6"):
        with contextlib.suppress(OSError):
            for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
                words = line.split()
                if words[3] == LISTENING and int(words[1].rpartition(":")[2], 16) == port:
                    sockets.add(f"socket:[{words[9]}]")
    own, parents = set(), {}
    for folder in Path("/proc").glob("[0-9]*"):
        pid = int(folder.name)
        with contextlib.suppress(OSError):
            parents[pid] = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            if any(os.readlink(link) in sockets for link in (folder / "fd").iterdir()):
                own.add(pid)
    return [*own, *(pid for pid, parent in parents.items() if parent in own and pid not in own)]


def processor_s(pids: list[int]) -> float:
    """What these processes have used so far."""
    total = 0
    for pid in pids:
        with contextlib.suppress(OSError):
            words = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            total += int(words[11]) + int(words[12])
    return total / TICKS_PER_S
