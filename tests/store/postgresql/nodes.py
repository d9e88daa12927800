"""Nodes for tests: `serein up --store postgresql://…` as processes."""

from __future__ import annotations

import signal

from tests.running import RunningSerein


class Node(RunningSerein):
    """One of several real servers on one database."""

    def __init__(self, url: str, *options: str, port: int = 0) -> None:
        super().__init__(None, *options, port=port)
        self._where = ["--store", url]

    def pause(self) -> None:
        """Let it do nothing at all, as a machine that stands still."""
        assert self.process is not None
        self.process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on where it was."""
        assert self.process is not None
        self.process.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
        super().kill()
