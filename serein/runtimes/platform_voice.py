"""What the platform itself says of an environment: in its log, as text or as JSON, and to extensions that subscribed.

https://docs.aws.amazon.com/lambda/latest/dg/telemetry-schema-reference.html;
levels: https://docs.aws.amazon.com/lambda/latest/dg/monitoring-cloudwatchlogs-log-level.html
"""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Callable
from typing import Any

from serein.runtimes.log_lines import (
    billed_ms,
    end_line,
    platform_line,
    report_line,
    start_line,
    traced_line,
)
from serein.runtimes.payloads import timestamp
from serein.runtimes.spec import FunctionSpec, Invocation, LogLine
from serein.runtimes.telemetry import Telemetry

_NAME = re.compile(r"([a-z]+?)(\d.*|\.al.*)?\Z")
ON_DEMAND = "on-demand"
SNAP_START = "snap-start"


def runtime_version(runtime: str) -> str:
    """As INIT_START names it: `python:3.13.v1`, `provided:al2023.v1`."""
    match = _NAME.match(runtime)
    family, version = (match[1], match[2] or "") if match else (runtime, "")
    version = version.removesuffix(".x").removeprefix(".")
    return f"{family}:{version}.v1" if version else f"{family}:v1"


def runtime_version_arn(spec: FunctionSpec) -> str:
    """The version's ARN, the one that a function's configuration shows."""
    digest = hashlib.sha256(spec.runtime.encode()).hexdigest()
    return f"arn:aws:lambda:{spec.region}::runtime:{digest}"


class PlatformVoice:
    """Speaks for one environment. `hold` takes log lines; `aside` those that are no part of an invocation's tail."""

    def __init__(
        self,
        spec: FunctionSpec,
        hold: Callable[[LogLine], None],
        aside: Callable[[LogLine], None],
        telemetry: Telemetry | None,
    ) -> None:
        self._spec = spec
        self._hold = hold
        self._aside = aside
        self._telemetry = telemetry
        self._is_json = spec.log_format == "JSON"
        self._sends = telemetry is not None
        self.kind = ON_DEMAND

    @property
    def _is_restored(self) -> bool:
        return self.kind == SNAP_START

    # The init phase, or the restore phase of what was forked from a snapshot.

    def init_start(self, now: float) -> None:
        """The environment begins."""
        spec = self._spec
        about = {
            "runtimeVersion": runtime_version(spec.runtime),
            "runtimeVersionArn": runtime_version_arn(spec),
        }
        if not self._is_json:
            word = "RESTORE_START" if self._is_restored else "INIT_START"
            text = (
                f"{word} Runtime Version: {about['runtimeVersion']}\t"
                f"Runtime Version ARN: {about['runtimeVersionArn']}\n"
            )
            self._aside(LogLine(now, text))
        if not self._is_json and not self._sends:
            return
        record: dict[str, Any] = {
            "functionName": spec.name,
            "functionVersion": spec.version,
            "instanceMaxMemory": spec.memory_mb * 1024 * 1024,
            **about,
        }
        if not self._is_restored:
            record |= {"initializationType": self.kind, "phase": "init"}
        self._say("INFO", self._phase("Start"), now, record, aside=True)

    def init_done(self, now: float, took_ms: float, status: str, error_type: str | None) -> None:
        """The environment is ready for its first invocation, or never will be."""
        word = "RESTORE" if self._is_restored else "INIT"
        if not self._is_json and (status != "success" or self._is_restored):
            name = "Restore" if self._is_restored else "Init"
            text = f"{word}_REPORT {name} Duration: {took_ms:.2f} ms"
            if status != "success":
                phase = "" if self._is_restored else "\tPhase: init"
                text += f"{phase}\tStatus: {status}"
                text += f"\tError Type: {error_type}" if status == "error" else ""
            (self._aside if status == "success" else self._hold)(LogLine(now, text + "\n"))
        if self._is_json or self._sends:
            record: dict[str, Any] = {"status": status}
            if not self._is_restored:
                record = {"initializationType": self.kind, "phase": "init", "status": status}
            if error_type is not None:
                record["errorType"] = error_type
            failed = status != "success"
            self._say("WARN" if failed else "DEBUG", self._phase("RuntimeDone"), now, record)
            quiet = not self._is_restored and self.kind == ON_DEMAND
            level = "WARN" if failed else "DEBUG" if quiet else "INFO"
            metrics = {"durationMs": round(took_ms, 3)}
            self._say(level, self._phase("Report"), now, {**record, "metrics": metrics})
        if self._telemetry is not None:
            self._telemetry.end_early()

    def _phase(self, what: str) -> str:
        return f"restore{what}" if self._is_restored else f"init{what}"

    # Invocations.

    def start(self, now: float, invocation: Invocation) -> None:
        """An invocation begins."""
        if not self._is_json:
            self._hold(LogLine(now, start_line(invocation.request_id, self._spec.version)))
            if not self._sends:
                return
        record = {"requestId": invocation.request_id, "version": self._spec.version}
        self._say("INFO", "start", now, {**record, **self._tracing(invocation)})

    def report(
        self,
        now: float,
        invocation: Invocation,
        *,
        took_ms: float,
        used_mb: int,
        init_ms: float | None,
        error_type: str | None,
        produced_bytes: int,
    ) -> None:
        """An invocation is over; with `init_ms` it was the environment's first."""
        status = _status(error_type)
        if not self._is_json:
            self._report_text(now, invocation, took_ms, used_mb, init_ms, status, error_type)
            if not self._sends:
                return
        record: dict[str, Any] = {"requestId": invocation.request_id, "status": status}
        if error_type is not None and status != "timeout":
            record["errorType"] = error_type
        record |= self._tracing(invocation)
        level = "INFO" if error_type is None else "WARN"
        done = {"durationMs": round(took_ms, 3), "producedBytes": produced_bytes}
        spans = [_span("responseLatency", now, took_ms)]
        done_level = "DEBUG" if error_type is None else "WARN"
        self._say(done_level, "runtimeDone", now, {**record, "metrics": done, "spans": spans})
        metrics: dict[str, Any] = {
            "durationMs": round(took_ms, 3),
            "billedDurationMs": billed_ms(took_ms, init_ms),
            "memorySizeMB": self._spec.memory_mb,
            "maxMemoryUsedMB": used_mb,
        }
        if init_ms is not None and self._is_restored:
            metrics["restoreDurationMs"] = round(init_ms, 3)
            metrics["billedRestoreDurationMs"] = math.ceil(init_ms)
        elif init_ms is not None:
            metrics["initDurationMs"] = round(init_ms, 3)
        self._say(level, "report", now, {**record, "metrics": metrics})

    def _report_text(
        self,
        now: float,
        invocation: Invocation,
        took_ms: float,
        used_mb: int,
        init_ms: float | None,
        status: str,
        error_type: str | None,
    ) -> None:
        request_id, memory_mb = invocation.request_id, self._spec.memory_mb
        self._hold(LogLine(now, end_line(request_id)))
        told = None
        if status == "timeout":
            told = status
        elif error_type is not None and error_type.startswith(
            ("Runtime.Exit", "Runtime.Invalid", "Extension.")
        ):
            told = f"error\tError Type: {error_type}"
        text = report_line(
            request_id, took_ms, memory_mb, used_mb, init_ms, told, self._is_restored
        )
        if self._spec.tracing == "Active":
            text += traced_line(invocation.trace_header or "")
        self._hold(LogLine(now, text))

    def _tracing(self, invocation: Invocation) -> dict[str, Any]:
        if self._spec.tracing != "Active" or not invocation.trace_header:
            return {}
        tracing = {"type": "X-Amzn-Trace-Id", "value": invocation.trace_header}
        return {"tracing": tracing}

    # Extensions, and what the function writes.

    def extension(self, now: float, name: str, events: list[str]) -> None:
        """An extension has started."""
        if not self._is_json:
            text = f"EXTENSION\tName: {name}\tState: Ready\tEvents: [{', '.join(events)}]\n"
            self._aside(LogLine(now, text))
        record = {"name": name, "state": "Ready", "events": events}
        self._say("INFO", "extension", now, record, aside=True)

    def subscription(self, now: float, name: str, kinds: list[str]) -> None:
        """An extension has subscribed to telemetry."""
        if not self._is_json:
            types = ", ".join(kind.capitalize() for kind in kinds)
            text = f"TELEMETRY\tName: {name}\tState: Subscribed\tTypes: [{types}]\n"
            self._aside(LogLine(now, text))
        record = {"name": name, "state": "Subscribed", "types": kinds}
        self._say("INFO", "telemetrySubscription", now, record, aside=True)

    def output(self, kind: str, lines: list[LogLine]) -> None:
        """Lines that the function, or an extension, wrote."""
        telemetry = self._telemetry
        if telemetry is not None and telemetry.wanted:
            for line in lines:
                telemetry.tell(kind, kind, timestamp(line.at), line.message)

    def _say(
        self, level: str, kind: str, now: float, record: dict[str, Any], *, aside: bool = False
    ) -> None:
        at = timestamp(now)
        if self._telemetry is not None and self._telemetry.wanted:
            self._telemetry.tell("platform", f"platform.{kind}", at, record)
        if self._is_json:
            line = platform_line(level, self._spec.system_level, kind, at, record)
            if line is not None:
                (self._aside if aside else self._hold)(LogLine(now, line))


def _span(name: str, now: float, took_ms: float) -> dict[str, Any]:
    return {
        "name": name,
        "start": timestamp(now - took_ms / 1000),
        "durationMs": round(took_ms, 3),
    }


def _status(error_type: str | None) -> str:
    if error_type is None:
        return "success"
    if error_type == "Sandbox.Timedout":
        return "timeout"
    return "failure" if error_type.startswith("Runtime.Exit") else "error"
