"""`serein traces`: what took how long within one request, as a tree."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from urllib.parse import urlencode

import click
import orjson

from serein.cli.endpoint import endpoint_option
from serein.cli.house import ask_house

PATH = "/_serein/traces"
_FLAGS = ("throttle", "fault", "error")
_DETAILS = ("error_code", "error_type", "condition", "status")


@click.command("traces")
@click.argument("trace", default="")
@click.option("--function", default="", metavar="NAME", help="Only traces with this function.")
@click.option(
    "--count", type=click.IntRange(1, 1000), default=5, show_default=True, help="So many at most."
)
@click.option("--json", "as_json", is_flag=True, help="As JSON, for scripts.")
@endpoint_option
def command(trace: str, function: str, count: int, as_json: bool, endpoint: str) -> None:
    """Show what took how long within sampled requests, newest first; or one TRACE by its id (1-…-…).

    A request is sampled when its X-Amzn-Trace-Id header says Sampled=1, or when it invokes a function with active
    tracing (TracingConfig Mode=Active): the first of a second and 5 % of the others.

    \b
      serein traces --function orders
      serein traces 1-5759e988-bd862e3fe1be46a994272793
    """
    asked = {"trace": trace, "function": function, "count": count}
    told = ask_house(endpoint, "GET", f"{PATH}?{urlencode({k: v for k, v in asked.items() if v})}")
    if as_json:
        click.echo(orjson.dumps(told["traces"], option=orjson.OPT_INDENT_2))
        return
    if not told["traces"]:
        click.echo("No such trace is kept." if trace or function else "No traces are kept.")
        return
    for index, one in enumerate(told["traces"]):
        click.echo("\n".join(([""] if index else []) + lines_of(one)))


def lines_of(trace: dict[str, Any]) -> list[str]:
    """A trace as a tree, with the time since its beginning and the length of each span in milliseconds."""
    spans: list[dict[str, Any]] = trace["spans"]
    known = {span["id"] for span in spans}
    below: dict[str, list[dict[str, Any]]] = {}
    for span in spans:
        parent = span.get("parent_id", "")
        below.setdefault(parent if parent in known else "", []).append(span)
    began = datetime.fromtimestamp(trace["start_time"]).astimezone()
    lines = [f"{trace['id']}  {began:%Y-%m-%d %H:%M:%S}  {trace['duration'] * 1000:.1f} ms"]
    # Parents are made up by clients: what goes round in a circle is not below anything, and not shown.
    waiting = [(span, 0) for span in reversed(below.pop("", []))]
    while waiting:
        span, depth = waiting.pop()
        lines.append(_line(span, depth, trace["start_time"]))
        waiting += [(child, depth + 1) for child in reversed(below.pop(span["id"], []))]
    return lines


def _line(span: dict[str, Any], depth: int, began: float) -> str:
    after_ms = (span["start_time"] - began) * 1000
    took_ms = (span["end_time"] - span["start_time"]) * 1000
    about = span.get("annotations", {})
    origin = span.get("origin", "")
    said = [span["name"], f"({origin})" if origin.startswith("AWS::") else ""]
    said += [flag.upper() for flag in _FLAGS if span.get(flag)]
    if span.get("fault") or span.get("error"):
        said += [str(about[name]) for name in _DETAILS if name in about]
    words = " ".join(word for word in said if word)
    return f"{after_ms:10.1f} {took_ms:10.1f}  {'  ' * depth}{words}"
