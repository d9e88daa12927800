"""An environment that serves one version of a function: its init, its invocations, its log."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from time import perf_counter

import orjson

from serein.base.clock import Clock
from serein.runtimes import payloads
from serein.runtimes.environment import (
    RESPONSE_BYTES_MAX,
    TOO_LARGE,
    Answer,
    Environment,
    elapsed_ms,
)
from serein.runtimes.inside import frames
from serein.runtimes.leaks import Growth
from serein.runtimes.log_lines import (
    TAIL_BYTES_MAX,
    billed_ms,
    tail_of,
)
from serein.runtimes.platform_voice import SNAP_START, PlatformVoice
from serein.runtimes.spec import (
    FunctionSpec,
    Invocation,
    LogLine,
    LogSink,
    Outcome,
    Phase,
    Sink,
)

# https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtime-environment.html#runtimes-lifecycle-ib
INIT_LIMIT_S = 10.0
_FLUSH_AFTER_S = 0.25
_LINES_HELD_MAX = 500

KeepTask = Callable[[Coroutine[None, None, None]], None]


class Tenancy:
    """One function version in one environment; one invocation at a time."""

    def __init__(
        self,
        spec: FunctionSpec,
        environment: Environment,
        assignment: bytes,
        *,
        clock: Clock,
        log: LogSink,
        log_stream: str,
        began: float,
    ) -> None:
        self.spec = spec
        self.environment = environment
        self.log_stream = log_stream
        self.retired = False
        self.expires_at: float | None = None
        self.idle_since = 0.0
        self.growth = Growth(spec.memory_mb)
        self.out_of_memory: Callable[[], bool] = lambda: False
        self._clock = clock
        self._log = log
        self._assignment = assignment
        self._began = began
        self._loop = asyncio.get_running_loop()
        self._ready = False
        self._timed_out = False
        self._init_ms: float | None = None
        self._marks: list[tuple[str, float, float, str]] = []
        """Phases of which the next report tells: name, from, to (by perf_counter), the type of the error that ended it."""
        self._peak_kib = 0
        self._lines: list[LogLine] = []
        self._tail: list[LogLine] | None = None
        self._tail_bytes = 0
        self._flusher: asyncio.TimerHandle | None = None
        environment.on_lines = self._on_lines
        environment.on_extension_lines = lambda lines: self._on_lines(lines, "extension")
        self._voice = PlatformVoice(spec, self._hold, self._set_aside, environment.telemetry)
        if environment.first is not None:
            self._voice.kind = SNAP_START
        environment.voice = self._voice

    @property
    def usable(self) -> bool:
        """Whether it can serve another invocation."""
        environment = self.environment
        return (
            self._ready
            and not self.retired
            and not environment.lost
            and not environment.ended.done()
        )

    async def run(
        self,
        payload: bytes,
        invocation: Invocation,
        done: Callable[[Tenancy], None],
        keep: KeepTask,
        sink: Sink | None = None,
    ) -> Outcome:
        """Serve one invocation. `done` is called when the environment is free again.

        When the caller is cancelled the function runs on, in a task given to `keep`, and its outcome is only logged.
        """
        if invocation.want_tail:
            self._tail, self._tail_bytes = [], 0
        try:
            failure = None if self._ready else await self._init(invocation)
        except BaseException:
            self.retired = True
            done(self)
            raise
        if failure is not None:
            done(self)
            return failure
        began = perf_counter()
        now = self._clock.now()
        self._voice.start(now, invocation)
        timer = self._loop.call_later(self.spec.timeout_s, self._on_timeout)
        environment = self.environment
        environment.sink = sink
        facts = self._facts(invocation, sink is not None)
        answered = environment.request(frames.INVOKE, facts, payload)
        try:
            answer = await answered
        except asyncio.CancelledError:
            environment.sink = None
            keep(self._run_on(invocation, began, timer, done))
            raise
        timer.cancel()
        environment.sink = None
        outcome = await self._conclude(invocation, answer, elapsed_ms(began))
        done(self)
        return outcome

    async def _run_on(
        self,
        invocation: Invocation,
        began: float,
        timer: asyncio.TimerHandle,
        done: Callable[[Tenancy], None],
    ) -> None:
        answer = await self.environment.answer_again()
        timer.cancel()
        await self._conclude(invocation, answer, elapsed_ms(began))
        done(self)

    async def prepare(self) -> bool:
        """The init phase ahead of any invocation; False when it failed (then its log tells why)."""
        answer = await self._initialise()
        if not self._ready:
            now = self._clock.now()
            self._lines += [
                LogLine(now, line.message) for line in self.environment.unfinished_lines()
            ]
            if answer.kind not in (frames.INIT_ERROR, frames.LAST_ERROR):
                await self.environment.end()
        self._flush()
        return self._ready

    async def _init(self, invocation: Invocation) -> Outcome | None:
        """The init phase of the first invocation; an outcome when it failed."""
        answer = await self._initialise()
        if self._ready:
            return None
        self._voice.start(self._clock.now(), invocation)
        return await self._conclude(invocation, answer, 0.0)

    async def _initialise(self) -> Answer:
        """Its time is not counted against the function's timeout."""
        self._voice.init_start(self._clock.now())
        limit = INIT_LIMIT_S + self.spec.timeout_s
        timer = self._loop.call_later(limit, self._on_timeout)
        try:
            if self.environment.attached is not None:
                await self.environment.attached
            answering = self.environment.first
            if answering is None:
                answering = self.environment.request(frames.ASSIGN, self._assignment)
            answer = await answering
        finally:
            timer.cancel()
            self._assignment = b""
        ended = perf_counter()
        self._init_ms = (ended - self._began) * 1000.0
        self._peak_kib = answer.peak_kib
        self._ready = answer.kind == frames.READY
        self.retired = self.retired or not self._ready
        failed = self._tell_init(answer)
        name = "Restore" if self._voice.kind == SNAP_START else "Initialization"
        self._marks = [(name, self._began, ended, failed or "")]
        return answer

    def _tell_init(self, answer: Answer) -> str | None:
        """The type of the error that ended the init phase."""
        status, error_type = "success", None
        if not self._ready:
            self.environment.drain_log()
            if answer.kind in (frames.INIT_ERROR, frames.LAST_ERROR):
                status, error_type = "error", _error_type(answer.body)
            elif self._timed_out:
                status = "timeout"
            else:
                broke = self.environment.broke
                status, error_type = "error", broke[0] if broke else "Runtime.ExitError"
        self._voice.init_done(self._clock.now(), self._init_ms or 0.0, status, error_type)
        return "Sandbox.Timedout" if status == "timeout" else error_type

    def _facts(self, invocation: Invocation, streams: bool) -> bytes:
        # The function compares its deadline with the machine's clock.
        return orjson.dumps(
            {
                "id": invocation.request_id,
                "stream": streams,
                "deadline_ms": int((self._clock.wall() + self.spec.timeout_s) * 1000),
                "arn": invocation.arn,
                "trace": invocation.trace_header,
                "client_context": invocation.client_context,
                "identity": invocation.identity,
            }
        )

    async def _conclude(self, invocation: Invocation, answer: Answer, took_ms: float) -> Outcome:
        answered = perf_counter()
        began = answered - took_ms / 1000.0
        self.environment.drain_log()
        kind, body, peak = answer
        error_type: str | None = None
        if kind == frames.RESULT:
            self._peak_kib = peak
        elif kind in (frames.ERROR, frames.INIT_ERROR, frames.LAST_ERROR):
            self._peak_kib = peak
            self.retired = self.retired or kind == frames.LAST_ERROR
            error_type = _error_type(body)
        elif kind == TOO_LARGE:
            body = payloads.too_large_payload(peak, RESPONSE_BYTES_MAX)
            error_type = "Function.ResponseSizeTooLarge"
            self.retired = True
        else:
            body, error_type, took_ms = await self._ended(invocation, took_ms)
        if began < answered:  # else it came to no invocation
            self._marks.append(("Invocation", began, answered, error_type or ""))
        if self.environment.ended.done():
            self._marks.append(("Shutdown", answered, perf_counter(), ""))
        return self._report(invocation, body, error_type, took_ms)

    async def _ended(self, invocation: Invocation, took_ms: float) -> tuple[bytes, str, float]:
        """The answer for a process that is gone."""
        code = await self.environment.end()
        self.retired = True
        if self._timed_out:
            now = self._clock.now()
            message = payloads.timed_out_message(invocation.request_id, self.spec.timeout_s, now)
            self._emit(now, message + "\n\n")
            return (
                payloads.timed_out_payload(message),
                "Sandbox.Timedout",
                self.spec.timeout_s * 1000.0,
            )
        if self.environment.broke is not None:
            kind, wrong = self.environment.broke
            self._emit(
                self._clock.now(), f"RequestId: {invocation.request_id} Error: {wrong}\n{kind}\n"
            )
            payload = payloads.entrypoint_payload(invocation.request_id, wrong, kind)
            return payload, kind, took_ms
        if not self._ready and self.spec.runtime.startswith("provided"):
            found = payloads.not_executed(code, self.spec)
            if found is not None:
                kind, wrong = found
                self._emit(self._clock.now(), f"{wrong}\n{kind}\n")
                payload = payloads.entrypoint_payload(invocation.request_id, wrong, kind)
                return payload, kind, took_ms
        if code == -9 and self.out_of_memory():
            self._peak_kib = self.spec.memory_mb * 1024
        words = f"RequestId: {invocation.request_id} Error: {payloads.exit_words(code)}"
        self._emit(self._clock.now(), f"{words}\nRuntime.ExitError\n")
        payload = payloads.exit_payload(invocation.request_id, code)
        return payload, "Runtime.ExitError", took_ms

    def _report(
        self,
        invocation: Invocation,
        body: bytes,
        error_type: str | None,
        took_ms: float,
    ) -> Outcome:
        now = self._clock.now()
        spec = self.spec
        init_ms, self._init_ms = self._init_ms, None
        used_mb = min(max(1, self._peak_kib // 1024), spec.memory_mb)
        self._lines += [LogLine(now, line.message) for line in self.environment.unfinished_lines()]
        self._voice.report(
            now,
            invocation,
            took_ms=took_ms,
            used_mb=used_mb,
            init_ms=init_ms,
            error_type=error_type,
            produced_bytes=len(body),
        )
        tail = tail_of(self._tail) if self._tail is not None else b""
        self._tail = None
        self._flush()
        phases = self._phases(now) if invocation.want_phases else ()
        self._marks.clear()
        return Outcome(
            payload=body,
            error=None if error_type is None else "unhandled",
            error_type=error_type,
            duration_ms=took_ms,
            billed_ms=billed_ms(took_ms, init_ms),
            init_ms=init_ms,
            memory_used_mb=used_mb,
            tail=tail,
            log_stream=self.log_stream,
            phases=phases,
        )

    def _phases(self, now: float) -> tuple[Phase, ...]:
        """What was marked, and what the platform itself needed after it, by the house's clock."""
        ended = perf_counter()
        marks = [*self._marks, ("Overhead", self._marks[-1][2], ended, "")]
        ahead = now - ended
        return tuple(Phase(name, ahead + a, ahead + b, failed) for name, a, b, failed in marks)

    def _on_timeout(self) -> None:
        self._timed_out = True
        self.environment.kill()

    # The log: held for a moment, so that an invocation costs one delivery.

    def began_as(self, kind: str) -> None:
        """How the environment came to be; before its init phase."""
        self._voice.kind = kind

    def _emit(self, now: float, message: str) -> None:
        self._hold(LogLine(now, message))

    def _set_aside(self, line: LogLine) -> None:
        """For the log alone: the tail of an invocation is what belongs to it."""
        self._lines.append(line)

    def _on_lines(self, lines: list[LogLine], kind: str = "function") -> None:
        self._voice.output(kind, lines)
        for line in lines:
            self._hold(line)
        if len(self._lines) >= _LINES_HELD_MAX:
            self._flush()
        elif self._flusher is None:
            self._flusher = self._loop.call_later(_FLUSH_AFTER_S, self._flush)

    def _hold(self, line: LogLine) -> None:
        self._lines.append(line)
        if self._tail is None:
            return
        self._tail.append(line)
        self._tail_bytes += len(line.message)
        while self._tail_bytes - len(self._tail[0].message) > 2 * TAIL_BYTES_MAX:
            self._tail_bytes -= len(self._tail.pop(0).message)

    def _flush(self) -> None:
        if self._flusher is not None:
            self._flusher.cancel()
            self._flusher = None
        if self._lines:
            lines, self._lines = self._lines, []
            self._log(self.spec, self.log_stream, lines)


def _error_type(body: bytes) -> str:
    """The type in a runtime's error payload; one that is no such payload is passed on as it is."""
    try:
        return str(orjson.loads(body)["errorType"])
    except (orjson.JSONDecodeError, KeyError, TypeError):
        return "Runtime.Unknown"
