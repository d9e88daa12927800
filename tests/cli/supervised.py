"""A program for `test_supervisor.py`: a supervisor over workers that behave as the first argument says."""

from __future__ import annotations

import os
import signal
import socket
import sys
import time

from serein.base.frames import frame
from serein.base.siblings import Siblings
from serein.cli.supervisor import Supervisor


def main() -> int:
    how, siblings = sys.argv[1], Siblings(2)

    def run(slot: int, line: socket.socket) -> int:
        seat = siblings.seat(slot)
        if how == "refuses":
            line.sendall(frame(["failed", "the disk is not there"]))
            return 1
        if how == "crashes at once":
            os.kill(os.getpid(), signal.SIGSEGV)
        line.sendall(frame(["ready", str(os.getpid()), ["careful"]]))
        if how == "crashes":
            return 3
        signal.signal(signal.SIGTERM, lambda number, frame: os._exit(0))
        supervisor = os.getppid()
        while os.getppid() == supervisor:
            if how != "hangs":
                seat.beat()
            if how == "ignores":
                signal.signal(signal.SIGTERM, signal.SIG_IGN)
            time.sleep(0.05)
        return 0

    return Supervisor(
        siblings,
        run,
        grace_s=0.2,
        on_ready=lambda warnings: print("ready", *warnings, flush=True),
        stuck_s_max=1.0,
    ).run()


if __name__ == "__main__":
    sys.exit(main())
