"""What the platform itself writes into a function's log in the JSON format.

https://docs.aws.amazon.com/lambda/latest/dg/telemetry-schema-reference.html
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from serein.runtimes.log_lines import billed_ms, platform_line
from serein.runtimes.payloads import timestamp
from serein.runtimes.spec import FunctionSpec, LogLine


class PlatformVoice:
    """Writes platform events for one function version; `hold` takes the lines."""

    def __init__(self, spec: FunctionSpec, hold: Callable[[LogLine], None]) -> None:
        self._spec = spec
        self._hold = hold

    def start(self, now: float, request_id: str) -> None:
        """An invocation begins."""
        record = {"requestId": request_id, "version": self._spec.version}
        self._say("INFO", "start", now, record)

    def report(
        self,
        now: float,
        request_id: str,
        took_ms: float,
        used_mb: int,
        init_ms: float | None,
        error_type: str | None,
    ) -> None:
        """An invocation is over."""
        metrics: dict[str, Any] = {
            "durationMs": round(took_ms, 3),
            "billedDurationMs": billed_ms(took_ms, init_ms),
            "memorySizeMB": self._spec.memory_mb,
            "maxMemoryUsedMB": used_mb,
        }
        if init_ms is not None:
            metrics["initDurationMs"] = round(init_ms, 3)
        status = _status(error_type)
        record: dict[str, Any] = {"requestId": request_id, "metrics": metrics, "status": status}
        level = "INFO" if error_type is None else "WARN"
        if error_type is not None and status != "timeout":
            record["errorType"] = error_type
        self._say(level, "report", now, record)

    def _say(self, level: str, kind: str, now: float, record: dict[str, Any]) -> None:
        line = platform_line(level, self._spec.system_level, kind, timestamp(now), record)
        if line is not None:
            self._hold(LogLine(now, line))


def _status(error_type: str | None) -> str:
    if error_type is None:
        return "success"
    if error_type == "Sandbox.Timedout":
        return "timeout"
    return "failure" if error_type.startswith("Runtime.Exit") else "error"
