"""The Lambda Runtime API and the Extensions API, over HTTP inside the sandbox.

Custom runtimes fetch their events and give their answers here; extensions register and are told of invocations.
https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import uuid
from collections import deque
from pathlib import Path
from typing import Any

import orjson

from serein.base.clock import Clock
from serein.runtimes import channels, payloads
from serein.runtimes.environment import (
    ENDED,
    RESPONSE_BYTES_MAX,
    TOO_LARGE,
    Answer,
    Environment,
    close_device,
)
from serein.runtimes.extensions import Extensions
from serein.runtimes.inside import frames
from serein.runtimes.log_lines import LineSplitter
from serein.runtimes.spec import FunctionSpec
from serein.runtimes.telemetry import Telemetry
from serein.runtimes.zygote import ZygoteDied

# https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtime-environment.html#runtimes-lifecycle-shutdown
SHUTDOWN_LIMIT_S = 2.0


_LOG_READ_BYTES = 65_536
_EXIT_GRACE_S = 0.02


class Fetching:
    """What an environment needs of a connection on which the next event was asked for."""

    def give_event(self, facts: dict[str, Any], payload: bytes) -> None:
        """Answer it."""
        raise NotImplementedError

    def hold(self, stop: bool) -> None:
        """Read nothing more from it for a while, or again."""
        raise NotImplementedError


class ApiEnvironment(Environment):
    """An environment whose process fetches its events by the Runtime API.

    Its channel brings the assignment; a managed runtime that was started by a wrapper goes on speaking through it.
    """

    def __init__(self, number: int, slot: int, clock: Clock) -> None:
        super().__init__(number, slot, clock)
        self.extensions = Extensions()
        self.spec: FunctionSpec | None = None
        self._event: tuple[bytes, dict[str, Any], bytes] | None = None
        self._current = ""
        self._fetching: Fetching | None = None
        self._streaming: Fetching | None = None
        self._by_channel = False
        self._is_ready = False
        self._wants_ready = False
        self._is_retired = False
        self.telemetry: Telemetry = Telemetry(self._new_socket, lambda: self.frozen)
        self._sockets: deque[asyncio.Future[socket.socket | None]] = deque()
        self._extension_splitter = LineSplitter()
        self._extension_log, self._their_extension_log = channels.make_log()
        self._loop.add_reader(self._extension_log, self._read_extension_log)

    @property
    def child_descriptors(self) -> tuple[int, ...]:
        """The child's ends of channel, log and the log of extensions."""
        return (*super().child_descriptors, self._their_extension_log)

    def release_child_descriptors(self) -> None:
        """Close the child's ends here."""
        super().release_child_descriptors()
        os.close(self._their_extension_log)

    def drain_log(self) -> None:
        """Read what has been written so far, by extensions, too."""
        super().drain_log()
        self._read_extension_log()

    def _read_extension_log(self) -> None:
        try:
            data = os.read(self._extension_log, _LOG_READ_BYTES)
        except OSError:
            return
        if not data:
            self._loop.remove_reader(self._extension_log)
            # The exit code is there a moment after the log is closed.
            self._loop.call_later(_EXIT_GRACE_S, self._on_extensions_gone)
            return
        now = self._clock.now()
        lines = self._extension_splitter.feed(data, now, now - self._clock.wall())
        if lines and self.on_extension_lines is not None:
            self.on_extension_lines(lines)

    def _on_extensions_gone(self) -> None:
        """All of them have ended before their time, and with them the environment."""
        if self.ended.done() or self._is_retired:
            return
        if self.extensions.expected and self.pid is not None:
            self.broke = payloads.crash_words(self.pid)
            self.kill()

    def on_exited(self, code: int | None) -> None:
        """The process is gone."""
        if self.ended.done():
            return
        super().on_exited(code)
        self.telemetry.close()
        self._loop.remove_reader(self._extension_log)
        os.close(self._extension_log)
        while self._sockets:
            self.on_socket(None)

    async def _new_socket(self) -> socket.socket | None:
        if self.ask_socket is None or self.ended.done():
            return None
        given: asyncio.Future[socket.socket | None] = self._loop.create_future()
        self._sockets.append(given)
        try:
            self.ask_socket()
        except ZygoteDied:
            self._sockets.remove(given)
            return None
        return await given

    def on_socket(self, descriptor: int | None) -> None:
        """For who asked first."""
        given = self._sockets.popleft() if self._sockets else None
        if given is None or given.done():
            close_device(descriptor)
        else:
            given.set_result(None if descriptor is None else socket.socket(fileno=descriptor))

    def now(self) -> float:
        """The cloud's time."""
        return self._clock.now()

    def request(self, kind: int, meta: bytes, body: bytes = b"") -> asyncio.Future[Answer]:
        """The assignment goes over the channel, an event to whoever fetches the next one."""
        if kind == frames.ASSIGN:
            self._wants_ready = True
            return super().request(kind, meta, body)
        waiting = self.answer_again()
        if not waiting.done():
            self._log_bytes = 0
            self._event = (meta, orjson.loads(meta), body)
            self._hand_out()
        return waiting

    def fetch(self, connection: Fetching) -> None:
        """A runtime asks for the next event; its first question says that it is ready."""
        self._fetching = connection
        self._is_ready = True
        self._tell_ready()
        self._hand_out()

    def on_extension_asked(self) -> None:
        """An extension has done with the last event."""
        self._tell_ready()
        self._hand_out()

    def forget(self, connection: Any) -> None:
        """The connection is gone."""
        if self._fetching is connection:
            self._fetching = None
        if self._streaming is connection:
            self._streaming = None
        self.extensions.forget(connection)

    @property
    def current(self) -> str:
        """The id of the invocation under way, "" when there is none."""
        return self._current

    def finish(self, request_id: str, kind: int, body: bytes, size: int = 0) -> bool:
        """An answer, cut where it is too large (`size` tells how large); False when nothing of that id was asked."""
        if not self._current or request_id != self._current:
            return False
        self._current = ""
        if self._streaming is not None:
            if self._held:
                self._held = False
                self._streaming.hold(False)
            self._streaming = None
        if len(body) > RESPONSE_BYTES_MAX:
            self._answer(Answer(TOO_LARGE, b"", max(size, len(body))))
        else:
            self._answer(Answer(kind, body, self._peak_kib()))
        return True

    def stream(self, connection: Fetching, kind: int, body: bytes) -> None:
        """A piece of a streamed answer."""
        self._streaming = connection
        self._on_piece(kind, body)

    def hold(self, stop: bool) -> None:
        """Read no more of a streamed answer for a while, or again."""
        if self._streaming is not None:
            self._streaming.hold(stop)
        else:
            super().hold(stop)

    def fail_init(self, body: bytes) -> None:
        """The runtime, or an extension, could not start."""
        self._answer(Answer(frames.INIT_ERROR, body[:RESPONSE_BYTES_MAX], self._peak_kib()))

    def retire(self) -> None:
        """End it; extensions that want to know have a moment to finish what they do."""
        deadline_ms = int((self._clock.wall() + SHUTDOWN_LIMIT_S) * 1000)
        self._is_retired = True
        self.thaw()
        self.telemetry.wake()
        if not self.extensions.tell_shutdown("spindown", deadline_ms) or self.pid is None:
            self.kill()
            return
        try:
            os.kill(self.pid, signal.SIGTERM)
        except (ProcessLookupError, PermissionError):
            pass
        self._loop.call_later(SHUTDOWN_LIMIT_S, self.kill)

    def new_identifier(self) -> str:
        """What an extension is known by; a secret of its environment alone."""
        return str(uuid.UUID(bytes=os.urandom(16), version=4))

    def _tell_ready(self) -> None:
        if not (self._wants_ready and self._is_ready and self.extensions.are_initialised):
            return
        self._wants_ready = False
        self._answer(Answer(frames.READY, b"", self._peak_kib()))

    def _hand_out(self) -> None:
        if self._event is None or not self.extensions.are_waiting:
            return
        self.telemetry.wake()
        meta, facts, payload = self._event
        if self._by_channel:
            self._event = None
            self.extensions.tell_invoke(facts)
            self.send(frames.INVOKE, meta, payload)
            return
        if self._fetching is None:
            return
        self._event = None
        self.extensions.tell_invoke(facts)
        connection, self._fetching = self._fetching, None
        self._current = facts["id"]
        connection.give_event(facts, payload)

    def _on_frame(self, kind: int, body: bytes, number: int) -> None:
        if kind == frames.READY:
            self._by_channel = self._is_ready = True
            self._tell_ready()
            return
        super()._on_frame(kind, body, number)

    def _lost(self) -> None:
        """The channel's end means nothing: the process's exit is told by the zygote."""
        self._loop.remove_reader(self._channel)
        if self._by_channel:
            super()._lost()

    def _answer(self, answer: Answer) -> None:
        if answer == ENDED:
            self._current = ""
        super()._answer(answer)

    def _peak_kib(self) -> int:
        try:
            status = Path(f"/proc/{self.pid}/status").read_text()
        except OSError:
            return 0
        for line in status.splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1])
        return 0
