"""`serein up --workers N`: the process that owns port and data directory, and keeps N worker processes alive.

It has imported everything once and forks: a worker is there at once, and shares the memory of the code. It never opens the
store while workers live, runs no thread and no event loop (neither survives a fork well), and does next to nothing: it
binds, forks, waits, forks again, and carries questions between workers.

Nothing is lost with a worker: connections that nobody has accepted yet wait in the shared socket for another, what was
acknowledged is on disk, and what it was doing by itself moves to another by lease.
"""

from __future__ import annotations

import logging
import os
import selectors
import signal
import socket
import sys
import time
from collections.abc import Callable, Sequence
from types import FrameType
from typing import Any

import click
import msgspec

from serein.base.frames import BadFrame, Frames, frame
from serein.base.siblings import Siblings

STOPS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
ROLLS = signal.SIGUSR1
"""Workers are replaced one after the other."""

PAUSE_FIRST_S = 0.5
"""A worker that died is replaced at once; after further early deaths in a row the pause doubles."""
EARLY_S = 1.0
DEATHS_MAX = 6
"""So many early deaths in a row (before it was ready, or within EARLY_S of that) are a crash loop: Serein gives up."""
START_S_MAX = 60.0
STUCK_S_MAX = 60.0
"""A worker whose loop has not gone round for so long is killed and replaced."""
MARGIN_S = 3.0
"""Beyond the grace for requests, until workers that do not stop are killed."""
HOLD_S_MAX = 5.0
"""A worker that does not hold within so long, while another is to be alone, is killed and replaced."""
TICK_S = 0.5
_READ_BYTES = 262_144

log = logging.getLogger(__name__)

Run = Callable[[int, socket.socket], int]
"""Runs in the child: a worker's slot and its line to the supervisor; gives the exit code."""


class Worker(msgspec.Struct, eq=False):
    """One worker process."""

    slot: int
    pid: int
    line: socket.socket
    started_at: float
    frames: Frames
    owner: str = ""
    is_heard: bool = True
    ready_at: float | None = None
    failure: str = ""
    beats: int = 0
    beaten_at: float = 0.0


class Supervisor:
    """Keeps `siblings.count` workers. `run` returns the exit code.

    `on_ready` is called once, when all workers are there, with what one of them has to warn of.
    """

    def __init__(
        self,
        siblings: Siblings,
        run: Run,
        *,
        grace_s: float,
        on_ready: Callable[[Sequence[str]], None],
        stuck_s_max: float = STUCK_S_MAX,
    ) -> None:
        self._stuck_s_max = stuck_s_max
        self._siblings = siblings
        self._run = run
        self._grace_s = grace_s
        self._on_ready = on_ready
        self._workers: dict[int, Worker] = {}
        self._due: dict[int, float] = {}
        """Slots without a worker, and when they get one."""
        self._early_deaths = 0
        self._announced = False
        self._stopping_until: float | None = None
        self._code = 0
        self._rolling: list[int] = []
        self._selector = selectors.DefaultSelector()
        self._signals: list[int] = []
        self._alone_for: Worker | None = None
        """Who asked that all hold, so that nobody else has the store open."""
        self._held: set[int] = set()
        self._hold_until = 0.0

    # The parent's round.

    def run(self) -> int:
        """Until told to stop (SIGINT, SIGTERM), or until workers die as fast as they are started."""
        wake_read, wake_write = os.pipe()
        for fd in (wake_read, wake_write):
            os.set_blocking(fd, False)
        signal.set_wakeup_fd(wake_write, warn_on_full_buffer=False)
        for number in (*STOPS, ROLLS, signal.SIGCHLD):
            signal.signal(number, self._note)
        self._selector.register(wake_read, selectors.EVENT_READ)
        for slot in range(self._siblings.count):
            self._spawn(slot)
        try:
            while self._workers or self._due:
                for key, _ in self._selector.select(self._patience_s()):
                    if key.fd == wake_read:
                        os.read(wake_read, 4096)
                    elif key.data in self._workers.values():
                        self._hear(key.data)
                self._obey()
                self._reap()
                self._look_after()
        finally:
            signal.set_wakeup_fd(-1)
            for worker in self._workers.values():
                os.kill(worker.pid, signal.SIGKILL)
        return self._code

    def _patience_s(self) -> float:
        now = time.monotonic()
        return max(0.0, min([TICK_S, *(due - now for due in self._due.values())]))

    def _note(self, number: int, frame: FrameType | None) -> None:
        self._signals.append(number)

    def _obey(self) -> None:
        signals, self._signals = self._signals, []
        for number in signals:
            if number in STOPS:
                if self._stopping_until is None:
                    click.echo("Stopping …")
                self._stop(0)
            elif number == ROLLS:
                self._rolling = sorted(self._workers)
                self._roll()

    def _stop(self, code: int) -> None:
        if self._stopping_until is not None:
            return
        self._code = code
        self._due.clear()
        self._rolling.clear()
        self._stopping_until = time.monotonic() + self._grace_s + MARGIN_S
        for worker in self._workers.values():
            os.kill(worker.pid, signal.SIGTERM)

    def _roll(self) -> None:
        """Replace workers one after the other: the next once all are there."""
        is_whole = len(self._workers) == self._siblings.count
        if self._rolling and is_whole and all(w.ready_at for w in self._workers.values()):
            os.kill(self._workers[self._rolling.pop(0)].pid, signal.SIGTERM)

    # Workers come.

    def _spawn(self, slot: int) -> None:
        ours, theirs = socket.socketpair()
        sys.stdout.flush()
        sys.stderr.flush()
        pid = os.fork()
        if pid == 0:
            self._be_worker(slot, ours, theirs)
        theirs.close()
        now = time.monotonic()
        worker = Worker(slot, pid, ours, now, Frames(), beaten_at=now)
        self._workers[slot] = worker
        self._selector.register(ours, selectors.EVENT_READ, worker)

    def _be_worker(self, slot: int, ours: socket.socket, theirs: socket.socket) -> None:
        """In the child: be nothing of the parent any more; never return."""
        code = 1
        try:
            signal.set_wakeup_fd(-1)
            for number in (*STOPS, ROLLS, signal.SIGCHLD):
                signal.signal(number, signal.SIG_DFL)
            signal.signal(signal.SIGINT, signal.default_int_handler)
            self._selector.close()
            ours.close()
            for other in self._workers.values():
                other.line.close()
            code = self._run(slot, theirs)
        except KeyboardInterrupt:
            code = 0
        except BaseException:
            logging.getLogger(__name__).exception("worker process %d failed", slot + 1)
        finally:
            # Nothing that the parent has registered for its end is the child's to do.
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)

    # Workers go.

    def _reap(self) -> None:
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            for worker in list(self._workers.values()):
                if worker.pid == pid:
                    self._bury(worker, os.waitstatus_to_exitcode(status))

    def _bury(self, worker: Worker, code: int) -> None:
        self._hear(worker)
        del self._workers[worker.slot]
        if worker.is_heard:
            self._selector.unregister(worker.line)
        worker.line.close()
        self._siblings.clear(worker.slot)
        self._held.discard(worker.slot)
        if self._alone_for is worker:
            self._go_on()
        else:
            self._look_whether_alone()
        # What it still had to say to the others is lost: they look for themselves.
        for other in self._workers.values():
            self._siblings.say(other.slot, b"?")
            self._tell(other, "gone", worker.owner)
        if self._stopping_until is not None:
            return
        now = time.monotonic()
        is_early = worker.ready_at is None or now - worker.ready_at < EARLY_S
        was_asked = code == 0 and not worker.failure
        if worker.failure and not self._announced:
            # That is no crash but a refusal, and it would be the same again.
            click.echo(f"Error: {worker.failure}", err=True)
            self._stop(1)
            return
        pause_s = 0.0
        if not was_asked:
            self._early_deaths = self._early_deaths + 1 if is_early else 0
            if self._early_deaths > 1:
                pause_s = PAUSE_FIRST_S * 2.0 ** (self._early_deaths - 2)
            self._say_how(worker, code, pause_s)
            if self._early_deaths >= DEATHS_MAX:
                click.echo(
                    f"Error: worker processes died {self._early_deaths} times in a row soon after their start; "
                    "Serein stops. What was acknowledged is on disk.",
                    err=True,
                )
                self._stop(1)
                return
        self._due[worker.slot] = now + pause_s

    def _say_how(self, worker: Worker, code: int, pause_s: float) -> None:
        how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with {code}"
        why = f" ({worker.failure})" if worker.failure else ""
        when = f" in {pause_s:.1f} s" if pause_s else ""
        click.echo(
            f"Worker process {worker.slot + 1} (pid {worker.pid}) {how}{why}; it is replaced{when}.",
            err=True,
        )

    def _look_after(self) -> None:
        now = time.monotonic()
        for slot, due in list(self._due.items()):
            if due <= now and self._alone_for is None:
                del self._due[slot]
                self._spawn(slot)
        for worker in self._workers.values():
            beats = self._siblings.beats(worker.slot)
            if beats != worker.beats:
                worker.beats, worker.beaten_at = beats, now
            limit_s = self._stuck_s_max if worker.ready_at else START_S_MAX
            is_late = self._stopping_until is not None and now > self._stopping_until
            is_late = is_late or self._keeps_others_waiting(worker, now)
            if is_late or now - worker.beaten_at > limit_s:
                if not is_late:
                    click.echo(
                        f"Worker process {worker.slot + 1} (pid {worker.pid}) is stuck.", err=True
                    )
                    worker.beaten_at = now
                os.kill(worker.pid, signal.SIGKILL)

    # What workers say.

    def _hear(self, worker: Worker) -> None:
        try:
            worker.line.setblocking(False)
            data = worker.line.recv(_READ_BYTES)
            messages = worker.frames.take(data)
        except BlockingIOError:
            return
        except (OSError, BadFrame):
            data, messages = b"", []
        for message in messages:
            self._answer(worker, message)
        if not data and worker.is_heard:
            # It has closed its end and is about to exit.
            worker.is_heard = False
            self._selector.unregister(worker.line)

    def _answer(self, worker: Worker, message: Sequence[Any]) -> None:
        match message:
            case ["ready", owner, warnings]:
                worker.owner = owner
                worker.ready_at = time.monotonic()
                ready = sum(w.ready_at is not None for w in self._workers.values())
                if not self._announced and ready == self._siblings.count:
                    self._announced = True
                    self._on_ready(warnings)
                self._roll()
            case ["failed", words]:
                worker.failure = words
            case ["hold"]:
                self._hold(worker)
            case ["held"]:
                self._held.add(worker.slot)
                self._look_whether_alone()
            case ["go on"] if worker is self._alone_for:
                self._go_on()
            case ["ask", number, topic]:
                others = [w for w in self._workers.values() if w is not worker and w.ready_at]
                self._tell(worker, "expect", number, len(others))
                for other in others:
                    self._tell(other, "asked", worker.slot, number, topic)
            case ["answer", asker, number, answer] if asker in self._workers:
                self._tell(self._workers[asker], "answered", number, worker.slot, answer)

    # All hold while one of them exchanges what lies below all (`assembly/premises.py`).

    def _hold(self, worker: Worker) -> None:
        if self._alone_for is not None or self._stopping_until is not None:
            self._tell(worker, "order", "busy")
            return
        self._alone_for = worker
        self._held.clear()
        self._hold_until = time.monotonic() + HOLD_S_MAX
        for one in self._workers.values():
            self._tell(one, "order", "hold")

    def _look_whether_alone(self) -> None:
        worker = self._alone_for
        if worker is not None and self._held >= self._workers.keys():
            self._hold_until = float("inf")
            self._tell(worker, "order", "alone")

    def _go_on(self) -> None:
        self._alone_for = None
        for one in self._workers.values():
            self._tell(one, "order", "go on")

    def _keeps_others_waiting(self, worker: Worker, now: float) -> bool:
        is_waited_for = self._alone_for is not None and worker.slot not in self._held
        return is_waited_for and now > self._hold_until

    def _tell(self, worker: Worker, *message: object) -> None:
        try:
            worker.line.settimeout(1.0)
            worker.line.sendall(frame(message))
        except (BrokenPipeError, ConnectionResetError):
            pass  # it has ended, and will be missed in a moment
        except OSError as error:
            # It has half a message, and would understand nothing more.
            log.warning("worker process %d does not listen: %s", worker.slot + 1, error)
            os.kill(worker.pid, signal.SIGTERM)
