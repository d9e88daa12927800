"""`serein logs FUNCTION [-f]`."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Any

import click
from botocore.exceptions import ClientError

from serein.cli.client import Cloud, Speaking
from serein.cli.endpoint import endpoint_option


@click.command("logs")
@click.argument("function")
@click.option("-f", "--follow", is_flag=True, help="Stay and show lines as they come.")
@click.option("--since", default=3600, show_default=True, help="Seconds to look back.")
@endpoint_option
def command(function: str, follow: bool, since: int, endpoint: str) -> None:
    """Show the log lines of FUNCTION (a function's name, or a log group that begins with "/").

    \b
      serein logs hello -f
      serein logs /aws/lambda/hello --since 60
    """
    logs = Cloud(endpoint).client("logs")
    group = function if function.startswith("/") else f"/aws/lambda/{function}"
    start_ms = int((time.time() - since) * 1000)
    seen: set[str] = set()
    with Speaking(endpoint):
        while True:
            start_ms = _show(logs, group, start_ms, seen, follow)
            if not follow:
                return
            time.sleep(0.5)


def _show(logs: Any, group: str, start_ms: int, seen: set[str], patient: bool) -> int:
    """Print events not yet seen; the time of the last one."""
    last_ms = start_ms
    pages = logs.get_paginator("filter_log_events").paginate(logGroupName=group, startTime=start_ms)
    try:
        for page in pages:
            for event in page["events"]:
                if event["eventId"] not in seen:
                    seen.add(event["eventId"])
                    _say(event)
                last_ms = max(last_ms, event["timestamp"])
    except ClientError as error:
        if not (patient and error.response["Error"]["Code"] == "ResourceNotFoundException"):
            raise
    return last_ms


def _say(event: dict[str, Any]) -> None:
    at = datetime.fromtimestamp(event["timestamp"] / 1000, UTC).strftime("%H:%M:%S.%f")
    click.echo(f"{click.style(at[:-3], dim=True)} {event['message'].rstrip()}")
