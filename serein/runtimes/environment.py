"""One execution environment: a process, its channel and its log, seen from the server."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
from collections.abc import Callable
from time import perf_counter
from typing import NamedTuple

from serein.base.clock import Clock
from serein.runtimes import channels
from serein.runtimes.inside import frames
from serein.runtimes.log_lines import INVOCATION_BYTES_MAX, LineSplitter
from serein.runtimes.platform_voice import PlatformVoice
from serein.runtimes.spec import LogLine, Sink
from serein.runtimes.stragglers import Stragglers
from serein.runtimes.telemetry import Telemetry

RESPONSE_BYTES_MAX = 6_291_556
_LOG_READ_BYTES = 65_536
_LOG_DRAIN_BYTES_MAX = 1024 * 1024
_END_LIMIT_S = 5.0
_HOLD_S = 0.005
_COPIED_BYTES_MAX = 65_536


class Answer(NamedTuple):
    """What came back over the channel: a frame, or `kind` 0 when the process ended instead."""

    kind: int
    body: bytes
    peak_kib: int


ENDED = Answer(0, b"", 0)
TOO_LARGE = -1  # `peak_kib` then holds the size that was announced


class Environment:
    """A process that serves one function, or waits to become some function's.

    The pool asks `request` and hears the answer; `lines` are given to `on_lines` as they come.
    `ended` is done when the process is gone, with its exit status (negative: signal; None: unknown).
    """

    def __init__(self, number: int, slot: int, clock: Clock) -> None:
        loop = asyncio.get_running_loop()
        self.number = number
        self.slot = slot
        self.pid: int | None = None
        self.tmp: str | None = None  # its own folder on the host, where it has no private /tmp
        self.ended: asyncio.Future[int | None] = loop.create_future()
        self.attached: asyncio.Future[bool] | None = None
        self.on_lines: Callable[[list[LogLine]], None] | None = None
        self.on_extension_lines: Callable[[list[LogLine]], None] | None = None
        self.telemetry: Telemetry | None = None  # where extensions may subscribe to it
        self.voice: PlatformVoice | None = None
        self.ask_socket: Callable[[], None] | None = None
        self.broke: tuple[str, str] | None = None  # the platform's reason to end it: type, words
        self.on_served: Callable[[dict[str, int]], None] | None = None
        self.ask_device: Callable[[], None] | None = None
        self.on_device: Callable[[int | None], None] = close_device
        self._loop = loop
        self._clock = clock
        self._splitter = LineSplitter()
        self._log_bytes = 0
        self._pidfd: int | None = None
        self._killed = False
        self.lost = False  # nothing can be asked any more
        self.frozen = False
        self._stragglers = Stragglers()
        self.may_leave = False  # whether its function may reach the world
        self.first: asyncio.Future[Answer] | None = None  # where readiness comes without asking
        self.sink: Sink | None = None  # who takes a streamed answer
        self._held = False
        self._settled = False
        self._ask: Callable[[], None] | None = None
        self._waiting: asyncio.Future[Answer] | None = None
        self._unsent: memoryview | None = None
        self._partial: bytearray | None = None
        self._filled = 0
        self._early = b""
        self._socket, self._their_socket = channels.make_channel()
        self._log, self._their_log = channels.make_log()
        self._channel = self._socket.fileno()
        loop.add_reader(self._channel, self._on_readable)
        loop.add_reader(self._log, self._on_log)

    @property
    def child_descriptors(self) -> tuple[int, ...]:
        """What the zygote passes to the child: its ends of channel and log, and of a log for extensions."""
        return self._their_socket.fileno(), self._their_log

    def release_child_descriptors(self) -> None:
        """Close the child's ends here, once they are on their way."""
        self._their_socket.close()
        os.close(self._their_log)

    def send(self, kind: int, meta: bytes, body: bytes = b"") -> None:
        """Send a frame; what the socket does not take at once follows when it can."""
        if self._unsent is not None:
            raise RuntimeError("one frame at a time")
        head = frames.HEADER.pack(kind, len(meta), len(body), 0) + meta
        try:
            if len(body) < _COPIED_BYTES_MAX:
                head, body = head + body, b""
                sent = self._socket.send(head)
            else:
                sent = self._socket.sendmsg((head, body))
        except BlockingIOError:
            sent = 0
        except OSError:
            return  # the process is gone: the reader notices
        if sent < len(head) + len(body):
            is_body = sent >= len(head)
            rest = (
                memoryview(body)[sent - len(head) :] if is_body else memoryview(head + body)[sent:]
            )
            self._unsent = rest
            self._loop.add_writer(self._channel, self._on_writable)

    def request(self, kind: int, meta: bytes, body: bytes = b"") -> asyncio.Future[Answer]:
        """Send a frame and give the future of its answer."""
        self._waiting = self._loop.create_future()
        if self.ended.done():
            self._waiting.set_result(ENDED)
            return self._waiting
        self._log_bytes = 0
        self.send(kind, meta, body)
        return self._waiting

    def request_with(
        self, kind: int, meta: bytes, descriptors: list[int]
    ) -> asyncio.Future[Answer]:
        """The same with descriptors, for a frame that is small enough to go at once."""
        self._waiting = self._loop.create_future()
        data = frames.HEADER.pack(kind, len(meta), 0, 0) + meta
        try:
            sent = socket.send_fds(self._socket, [data], descriptors)
        except OSError:
            sent = 0
        if sent < len(data):
            self._waiting.set_result(ENDED)
        return self._waiting

    def answer_again(self) -> asyncio.Future[Answer]:
        """Another future for the frame that is under way, when the first was cancelled."""
        self._waiting = self._loop.create_future()
        if self.ended.done():
            self._waiting.set_result(ENDED)
        return self._waiting

    def retire(self) -> None:
        """End it, in whatever way is friendly to what runs there."""
        self.kill()

    def kill(self) -> None:
        """SIGKILL to the process and, by its namespace or its process group, all that it started."""
        self._killed = True
        if self.pid is None or self._pidfd is None or self.ended.done():
            return
        try:
            signal.pidfd_send_signal(self._pidfd, signal.SIGKILL)
            os.killpg(self.pid, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):
            pass

    def freeze(self) -> None:
        """Stop the process and what it started until `thaw`: between invocations nothing of a function runs."""
        if self.pid is None or self._pidfd is None or self.ended.done() or self.frozen:
            return
        try:
            os.killpg(self.pid, signal.SIGSTOP)
        except (ProcessLookupError, PermissionError):
            return
        self.frozen = True
        self._stragglers.stop(self.pid)

    def thaw(self) -> None:
        """Let it go on."""
        if not self.frozen:
            return
        self.frozen = False
        if self.pid is not None and not self.ended.done():
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.pid, signal.SIGCONT)
        self._stragglers.go_on()

    def drain_log(self) -> None:
        """Read what the process has written so far."""
        taken = 0
        while taken < _LOG_DRAIN_BYTES_MAX:
            got = self._read_log()
            if not got:
                return
            taken += got

    def unfinished_lines(self) -> list[LogLine]:
        """What was begun on the log and not ended by a line break."""
        return self._splitter.finish(self._clock.now())

    async def end(self) -> int | None:
        """Kill the process and wait until it is gone."""
        self.kill()
        try:
            return await asyncio.wait_for(asyncio.shield(self.ended), _END_LIMIT_S)
        except TimeoutError:
            return None

    # What the zygote tells.

    def on_spawned(self, pid: int, pidfd: int) -> None:
        """The process runs."""
        self.pid = pid
        self._pidfd = pidfd
        if self._killed:
            self.kill()

    def on_blank(self, served: dict[str, int]) -> None:
        """The process is shut in."""
        if self.on_served is not None and not self.ended.done():
            self.on_served(served)
            return
        for descriptor in served.values():
            os.close(descriptor)

    def on_socket(self, descriptor: int | None) -> None:
        """A socket in the process's network, where one was asked for; or there is none."""
        close_device(descriptor)

    def attach(self, ask: Callable[[], None]) -> None:
        """Have code mounted by `ask`, as soon as the process is in its own file system; `attached` tells."""
        self.attached = self._loop.create_future()
        if self._settled:
            ask()
        else:
            self._ask = ask

    def on_settled(self) -> None:
        """The process is in its own file system."""
        self._settled = True
        if self._ask is not None and not self.ended.done():
            self._ask()

    def on_attached(self, done: bool) -> None:
        """The code is mounted, or could not be: then this environment is of no use."""
        if self.attached is not None and not self.attached.done():
            self.attached.set_result(done)
        if not done:
            self.kill()

    def on_exited(self, code: int | None) -> None:
        """The process is gone: read its last words, let go of everything."""
        if self.ended.done():
            return
        if self._held:
            self.sink = None
            self._held = False
        self._on_readable()  # an answer may have been sent just before the end
        self.drain_log()
        self._loop.remove_reader(self._channel)
        self._loop.remove_writer(self._channel)
        self._loop.remove_reader(self._log)
        self._socket.close()
        os.close(self._log)
        if self._pidfd is not None:
            os.close(self._pidfd)
            self._pidfd = None
        self._stragglers.go_on()
        self.ended.set_result(code)
        if self.attached is not None and not self.attached.done():
            self.attached.set_result(False)
        self._answer(ENDED)

    # The channel.

    def _on_writable(self) -> None:
        rest = self._unsent
        if rest is not None:
            try:
                rest = rest[self._socket.send(rest) :]
            except BlockingIOError:
                return
            except OSError:
                rest = None
        self._unsent = rest or None
        if not rest:
            self._loop.remove_writer(self._channel)

    def _on_readable(self) -> None:
        if self._partial is not None:
            self._read_on(self._partial)
            return
        try:
            data = self._socket.recv(65_536)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._lost()
            return
        if self._early:
            data = self._early + data
            self._early = b""
        self._on_data(data)

    def _on_data(self, data: bytes) -> None:
        while True:
            if len(data) < frames.HEADER_BYTES:
                self._early = data
                return
            kind, meta_bytes, body_bytes, number = frames.HEADER.unpack_from(data)
            if kind not in _FROM_PROCESS or meta_bytes:
                self._lost()
                return
            if body_bytes > RESPONSE_BYTES_MAX:
                self._answer(Answer(TOO_LARGE, b"", body_bytes))
                self._lost()
                return
            total = frames.HEADER_BYTES + body_bytes
            if len(data) < total:
                self._partial = bytearray(total)
                self._partial[: len(data)] = data
                self._filled = len(data)
                return
            self._on_frame(kind, data[frames.HEADER_BYTES : total], number)
            if len(data) == total:
                return
            data = data[total:]

    def _on_frame(self, kind: int, body: bytes, number: int) -> None:
        if kind == frames.CHUNK or kind == frames.STREAM:
            self._on_piece(kind, body)
        else:
            self._answer(Answer(kind, body, number))

    # A streamed answer.

    def _on_piece(self, kind: int, body: bytes) -> None:
        sink = self.sink
        if sink is None:
            return  # nobody listens any more: what is left of the answer is read and dropped
        if kind == frames.STREAM:
            sink.begin(body.decode("utf-8", "replace"))
            return
        sink.write(body)
        if sink.full and not self._held:
            self._held = True
            self.hold(True)
            self._loop.call_later(_HOLD_S, self._look_again)

    def _look_again(self) -> None:
        """Read on once the reader of a streamed answer has caught up, or is gone."""
        if self.ended.done() or self.lost or not self._held:
            return
        if self.sink is not None and self.sink.full:
            self._loop.call_later(_HOLD_S, self._look_again)
            return
        self._held = False
        self.hold(False)

    def hold(self, stop: bool) -> None:
        """Read no more of the answer for a while, or again."""
        if stop:
            self._loop.remove_reader(self._channel)
        else:
            self._loop.add_reader(self._channel, self._on_readable)

    def _read_on(self, partial: bytearray) -> None:
        while self._filled < len(partial):
            try:
                got = self._socket.recv_into(memoryview(partial)[self._filled :])
            except BlockingIOError:
                return
            except OSError:
                got = 0
            if not got:
                self._lost()
                return
            self._filled += got
        self._partial = None
        kind, _, _, number = frames.HEADER.unpack_from(partial)
        self._on_frame(kind, bytes(memoryview(partial)[frames.HEADER_BYTES :]), number)

    def _answer(self, answer: Answer) -> None:
        waiting, self._waiting = self._waiting, None
        if waiting is not None and not waiting.done():
            waiting.set_result(answer)

    def _lost(self) -> None:
        """The channel is closed or speaks nonsense: what is left of the process ends; its exit is the answer."""
        self._loop.remove_reader(self._channel)
        self.lost = True
        if self.ended.done():
            return
        # One that is ending by itself should tell its own exit status: a moment of grace.
        self._loop.call_later(0.05, self.kill)

    # The log.

    def _on_log(self) -> None:
        self._read_log()

    def _read_log(self) -> int:
        try:
            data = os.read(self._log, _LOG_READ_BYTES)
        except BlockingIOError:
            return 0
        except OSError:
            return 0
        if not data:
            self._loop.remove_reader(self._log)
            return 0
        self._log_bytes += len(data)
        if self._log_bytes > INVOCATION_BYTES_MAX:
            self._skip_output(len(data))
            return len(data)
        now = self._clock.now()
        lines = self._splitter.feed(data, now, now - self._clock.wall())
        if lines and self.on_lines is not None:
            self.on_lines(lines)
        return len(data)

    def _skip_output(self, size: int) -> None:
        """Beyond the bound output is read, so that the function is not held up, and dropped; that is said once."""
        if self._log_bytes - size <= INVOCATION_BYTES_MAX and self.on_lines is not None:
            text = (
                f"[serein] more than {INVOCATION_BYTES_MAX} bytes of output: the rest is dropped\n"
            )
            self.on_lines([LogLine(self._clock.now(), text)])


_FROM_PROCESS = range(frames.READY, frames.CHUNK + 1)


def close_device(device: int | None) -> None:
    """For who has no use for it."""
    if device is not None:
        os.close(device)


def elapsed_ms(since: float) -> float:
    """Milliseconds since a `perf_counter` reading."""
    return (perf_counter() - since) * 1000.0
