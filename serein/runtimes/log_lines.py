"""From the bytes that a function wrote to the events of its log."""

from __future__ import annotations

import math
from typing import Any

import orjson

from serein.runtimes.spec import LogLine

TAIL_BYTES_MAX = 4096  # what `LogType=Tail` answers
EVENT_BYTES_MAX = 262_144  # a longer line becomes several events; as the logs service limits events
INVOCATION_BYTES_MAX = 16 * 1024 * 1024

_FRAME = b"\xa5\x5a\x00\x03"
_FRAME_HEADER_BYTES = 16


class LineSplitter:
    """Turns a stream of bytes into events: a line each, or a framed message that keeps its line breaks.

    A frame is AWS's: 0xa55a0003, length (4 bytes, big-endian), microseconds (8 bytes), message.
    """

    __slots__ = ("_rest",)

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes, now: float, ahead_s: float = 0.0) -> list[LogLine]:
        """The events that `data` completes; the beginning of another is kept.

        `ahead_s`: how far `now` is ahead of the machine's clock, by which the function dates its messages.
        """
        if self._rest:
            data = self._rest + data
            self._rest = b""
        lines: list[LogLine] = []
        at, end = 0, len(data)
        while at < end:
            if data[at] == 0xA5 and _FRAME.startswith(data[at : at + 4]):
                if end - at < _FRAME_HEADER_BYTES:
                    break
                size = int.from_bytes(data[at + 4 : at + 8], "big")
                if size <= EVENT_BYTES_MAX:
                    stop = at + _FRAME_HEADER_BYTES + size
                    if stop > end:
                        break
                    when = int.from_bytes(data[at + 8 : at + 16], "big") / 1e6 + ahead_s
                    when = when if abs(when - now) < 86_400 else now
                    lines.append(LogLine(when, _text(data[at + _FRAME_HEADER_BYTES : stop])))
                    at = stop
                    continue
                # A longer message goes the way of long lines, without its frame.
                at += _FRAME_HEADER_BYTES
            stop = data.find(b"\n", at, at + EVENT_BYTES_MAX) + 1
            if not stop:
                if end - at < EVENT_BYTES_MAX:
                    break
                stop = at + EVENT_BYTES_MAX
            lines.append(LogLine(now, _text(data[at:stop])))
            at = stop
        self._rest = data[at:]
        return lines

    def finish(self, now: float) -> list[LogLine]:
        """What was begun and never ended."""
        rest, self._rest = self._rest, b""
        return [LogLine(now, _text(rest))] if rest else []


def _text(data: bytes) -> str:
    return data.decode("utf-8", "replace")


def start_line(request_id: str, version: str) -> str:
    """The event that opens an invocation."""
    return f"START RequestId: {request_id} Version: {version}\n"


def end_line(request_id: str) -> str:
    """The event that closes an invocation."""
    return f"END RequestId: {request_id}\n"


def billed_ms(duration_ms: float, init_ms: float | None) -> int:
    """What AWS would charge: whole milliseconds, the init phase included.

    https://aws.amazon.com/blogs/compute/aws-lambda-standardizes-billing-for-init-phase/
    """
    return math.ceil(duration_ms + (init_ms or 0.0))


def report_line(
    request_id: str,
    duration_ms: float,
    memory_mb: int,
    used_mb: int,
    init_ms: float | None,
    status: str | None = None,
    restored: bool = False,
) -> str:
    """The event that sums an invocation up; `status` is said only of what did not end well."""
    text = (
        f"REPORT RequestId: {request_id}\tDuration: {duration_ms:.2f} ms\t"
        f"Billed Duration: {billed_ms(duration_ms, init_ms)} ms\tMemory Size: {memory_mb} MB\t"
        f"Max Memory Used: {used_mb} MB\t"
    )
    if init_ms is not None and restored:
        text += f"Restore Duration: {init_ms:.2f} ms\tBilled Restore Duration: {math.ceil(init_ms)} ms\t"
    elif init_ms is not None:
        text += f"Init Duration: {init_ms:.2f} ms\t"
    if status is not None:
        text += f"Status: {status}"
    return text + "\n"


def traced_line(trace: str) -> str:
    """What a report says of the trace that the invocation belongs to; nothing for one that is not sampled."""
    parts = dict(part.partition("=")[::2] for part in trace.split(";"))
    if parts.get("Sampled") != "1":
        return ""
    segment = parts.get("Parent", "")
    return f"XRAY TraceId: {parts.get('Root', '')}\tSegmentId: {segment}\tSampled: true\t\n"


_LEVELS = {"DEBUG": 0, "INFO": 1, "WARN": 2}


def platform_line(
    level: str, wanted: str, kind: str, at: str, record: dict[str, Any]
) -> str | None:
    """A platform's event in the JSON format; None when the function's system log level is above its own.

    https://docs.aws.amazon.com/lambda/latest/dg/monitoring-cloudwatchlogs-log-level.html
    """
    if _LEVELS[level] < _LEVELS.get(wanted, 1):
        return None
    event = {"time": at, "type": f"platform.{kind}", "record": record}
    return orjson.dumps(event).decode() + "\n"


def tail_of(lines: list[LogLine]) -> bytes:
    """The last 4 KB of the events, as the `X-Amz-Log-Result` of an invocation holds them (before base64)."""
    pieces: list[str] = []
    size = 0
    for line in reversed(lines):
        pieces.append(line.message if line.message.endswith("\n") else line.message + "\n")
        size += len(pieces[-1])
        if size >= TAIL_BYTES_MAX:
            break
    return "".join(reversed(pieces)).encode("utf-8", "replace")[-TAIL_BYTES_MAX:]
