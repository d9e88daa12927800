"""`serein logs [FUNCTION…] [-f]`."""

from __future__ import annotations

import time
import zlib
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

import click
from botocore.exceptions import ClientError

from serein.cli.client import Cloud, Speaking
from serein.cli.durations import Duration
from serein.cli.endpoint import endpoint_option

PREFIX = "/aws/lambda/"
COLOURS = ("cyan", "green", "magenta", "yellow", "blue", "bright_red", "bright_cyan")
POLL_S = 0.4
GROUPS_AGAIN_S = 2.0
LATE_MS = 2000  # events that are stored after later ones
SEEN_MAX = 50_000


@click.command("logs")
@click.argument("functions", nargs=-1, metavar="[FUNCTION]...")
@click.option("-f", "--follow", is_flag=True, help="Stay and show lines as they come.")
@click.option(
    "--since",
    type=Duration(),
    default="1h",
    show_default=True,
    help="How far to look back: 90s, 30m, 2h.",
)
@click.option("--filter", "pattern", help="Only lines that match: a text, or CloudWatch's pattern.")
@click.option("--plain", is_flag=True, help="Without START, END and REPORT lines.")
@endpoint_option
def command(
    functions: tuple[str, ...],
    follow: bool,
    since: float,
    pattern: str | None,
    plain: bool,
    endpoint: str,
) -> None:
    """Show the log lines of FUNCTIONs (names, or log groups that begin with "/"); of all of them when none is named.

    Where there are several, each line begins with its function's name.

    \b
      serein logs -f
      serein logs hello orders -f --since 5m
      serein logs hello --filter ERROR
      serein logs hello --filter '{ $.level = "ERROR" }'
    """
    wanted = [name if name.startswith("/") else PREFIX + name for name in functions]
    view = View(Cloud(endpoint).client("logs"), wanted, pattern_of(pattern), plain, follow)
    start_ms = int((time.time() - since) * 1000)
    with Speaking(endpoint):
        view.show(start_ms)
        while follow:
            time.sleep(POLL_S)
            view.show(start_ms)


def pattern_of(text: str | None) -> str | None:
    """A plain text is looked for as it is; what looks like one of CloudWatch's patterns is one."""
    if text is None or text[:1] in ('"', "{", "[", "%", "?", "-"):
        return text
    return '"' + text.replace('"', '\\"') + '"'


class Line(NamedTuple):
    """An event, sorted by its time."""

    at_ms: int
    id: str
    group: str
    message: str


class View:
    """What is shown of some log groups: each event once, in the order of time within each look."""

    def __init__(
        self, logs: Any, wanted: Sequence[str], pattern: str | None, plain: bool, patient: bool
    ) -> None:
        self._logs = logs
        self._wanted = list(wanted)
        self._pattern = pattern
        self._plain = plain
        self._patient = patient
        self._groups: list[str] = list(wanted)
        self._looked_at = 0.0
        self._latest_ms: dict[str, int] = {}
        self._seen: dict[str, None] = {}

    def show(self, start_ms: int) -> None:
        """Print what has come since the last look."""
        if not self._wanted and time.monotonic() - self._looked_at > GROUPS_AGAIN_S:
            pages = self._logs.get_paginator("describe_log_groups").paginate(
                logGroupNamePrefix=PREFIX
            )
            self._groups = [g["logGroupName"] for page in pages for g in page["logGroups"]]
            self._looked_at = time.monotonic()
        lines = [line for group in self._groups for line in self._new_lines(group, start_ms)]
        several = len(self._groups) > 1 or not self._wanted
        width = max((len(short(group)) for group in self._groups), default=0)
        for line in sorted(lines):
            if not (self._plain and is_platform(line.message)):
                say(line, min(width, 30) if several else 0)

    def _new_lines(self, group: str, start_ms: int) -> list[Line]:
        latest = self._latest_ms.get(group)
        given: dict[str, Any] = {
            "logGroupName": group,
            "startTime": start_ms if latest is None else max(start_ms, latest - LATE_MS),
        }
        if self._pattern is not None:
            given["filterPattern"] = self._pattern
        found: list[Line] = []
        try:
            for page in self._logs.get_paginator("filter_log_events").paginate(**given):
                for event in page["events"]:
                    latest = max(latest or 0, event["timestamp"])
                    if event["eventId"] not in self._seen:
                        self._seen[event["eventId"]] = None
                        found.append(
                            Line(event["timestamp"], event["eventId"], group, event["message"])
                        )
        except ClientError as error:
            gone = error.response["Error"]["Code"] == "ResourceNotFoundException"
            if not (gone and (self._patient or not self._wanted)):
                raise
        if latest is not None:
            self._latest_ms[group] = latest
        while len(self._seen) > SEEN_MAX:
            del self._seen[next(iter(self._seen))]
        return found


def short(group: str) -> str:
    """A function's log group by the function's name."""
    return group.removeprefix(PREFIX)


def is_platform(message: str) -> bool:
    """Whether the platform wrote it, not the function."""
    return message.startswith(
        ("INIT_START ", "INIT_REPORT ", "START RequestId:", "END RequestId:", "REPORT Req")
    )


def say(line: Line, width: int) -> None:
    """One event: when, whose (if `width` says how long names may be), and what; errors are red."""
    at = datetime.fromtimestamp(line.at_ms / 1000, UTC).strftime("%H:%M:%S.%f")[:-3]
    text = line.message.rstrip()
    if is_platform(text):
        text = click.style(text, dim=True)
    elif text.startswith(("[ERROR]", "[CRITICAL]")) or "Task timed out" in text:
        text = click.style(text, fg="red")
    name = ""
    if width:
        colour = COLOURS[zlib.crc32(line.group.encode()) % len(COLOURS)]
        name = click.style(f"{short(line.group)[:width]:<{width}}", fg=colour) + " "
    click.echo(f"{click.style(at, dim=True)} {name}{text}")
