"""What the pool is asked to run, and what it answers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Literal, Protocol

import msgspec

ErrorKind = Literal["handled", "unhandled"]
Standing = Literal["sandboxed", "partial", "none"]
Outlook = Literal["warm", "cold", "full"]
"""What an invocation would find: an idle environment; room for a new one; a queue."""


class ImageRoot(msgspec.Struct, frozen=True, kw_only=True):
    """A container image, unpacked at `root`, and how a function is run in it."""

    root: str
    command: tuple[str, ...]
    handler: str  # the first word of the image's command, which runtime interface clients take for the handler
    folder: str
    environment: dict[str, str]
    extensions: tuple[str, ...] = ()


class FunctionSpec(msgspec.Struct, frozen=True, kw_only=True):
    """One version of a function, with everything that its environments are made of.

    `key` is its identity: whatever differs in code or configuration has another key. `code` and `layers` are
    unpacked folders that never change. `environment` holds the function's own variables.
    """

    key: str
    name: str
    version: str
    runtime: str
    handler: str
    code: str
    layers: tuple[str, ...] = ()
    environment: dict[str, str] = {}
    memory_mb: int = 128
    timeout_s: float = 3.0
    ephemeral_mb: int = 512
    region: str = "us-east-1"
    account: str = "000000000000"
    log_group: str = ""
    log_format: str = "Text"
    application_level: str = ""
    system_level: str = "INFO"
    snap_start: bool = False
    tracing: str = "PassThrough"
    image: ImageRoot | None = None  # what it runs in, if not in this machine's own runtime
    egress: bool = True  # whether it may reach the world: one in a VPC without a way out may not


class Invocation(msgspec.Struct, frozen=True, kw_only=True):
    """What is particular to one call of a function. Texts of JSON are passed on as they came."""

    request_id: str
    arn: str
    client_context: str | None = None
    identity: str | None = None
    trace_header: str | None = None
    want_tail: bool = False
    want_phases: bool = False  # whether its outcome is to say how long each phase took


class Phase(msgspec.Struct, frozen=True):
    """A part of an invocation: Initialization, Restore, Invocation, Extensions, Overhead or Shutdown.

    Times are epoch seconds of the house's clock. `failed` is the type of the error that ended it, or "".
    """

    name: str
    began: float
    ended: float
    failed: str = ""


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """How an invocation ended. `payload` is the answer, or AWS's error payload when `error` is set.

    Durations are milliseconds; `tail` is the last 4 KB of the log, if it was wanted.
    """

    payload: bytes
    error: ErrorKind | None = None
    error_type: str | None = None
    duration_ms: float = 0.0
    billed_ms: int = 0
    init_ms: float | None = None
    memory_used_mb: int = 0
    tail: bytes = b""
    log_stream: str = ""
    phases: tuple[Phase, ...] = ()  # in their order, if they were wanted


class LogLine(msgspec.Struct, frozen=True):
    """One event of a function's log."""

    at: float  # epoch seconds
    message: str


class Credentials(msgspec.Struct, frozen=True):
    """What a function signs its requests with; good until `expires_at` (epoch seconds)."""

    access_key_id: str
    secret_access_key: str
    session_token: str
    expires_at: float


class Isolation(msgspec.Struct, frozen=True):
    """How well functions are shut in on this machine, and what is missing for better."""

    standing: Standing
    reasons: tuple[str, ...] = ()
    memory_limit: str = "none"  # "cgroup v1", "cgroup v2", "rlimit" or "none"


class Sink(Protocol):
    """Takes a streamed answer piece by piece. `write` says whether more may come at once; `ready` waits until so."""

    def begin(self, content_type: str) -> None:
        """The answer begins; called once, before the first piece."""
        ...

    def write(self, data: bytes) -> None:
        """The next piece."""
        ...

    @property
    def full(self) -> bool:
        """Whether the reader is behind: nothing more is read from the function until it is not."""
        ...


class PoolBusy(Exception):
    """So many invocations wait already that one more is refused."""


class RuntimeUnavailable(Exception):
    """No interpreter for this runtime is installed on the machine; the message names it."""


LogSink = Callable[[FunctionSpec, str, list[LogLine]], None]  # spec, log stream, events
CredentialSource = Callable[[FunctionSpec], Awaitable[Credentials | None]]
