"""`serein invoke FUNCTION [PAYLOAD]`."""

from __future__ import annotations

import base64
import importlib
import sys
from pathlib import Path

import click

from serein.cli.client import Cloud, Speaking
from serein.cli.endpoint import endpoint_option


@click.command("invoke")
@click.argument("function")
@click.argument("payload", default="{}")
@click.option("--logs/--no-logs", default=False, help="Also show the log lines of this call.")
@click.option(
    "--debug", is_flag=True, help="Wait for a debugger (Python: debugpy; Node.js: its inspector)."
)
@click.option(
    "--code",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="With --debug: the folder of the function's sources, in place of what is deployed.",
)
@click.option("--debug-port", type=click.IntRange(1, 65_535), help="Default: 5678, or 9229.")
@endpoint_option
def command(
    function: str,
    payload: str,
    logs: bool,
    debug: bool,
    code: Path | None,
    debug_port: int | None,
    endpoint: str,
) -> None:
    """Call FUNCTION with PAYLOAD (JSON text, or - for standard input) and print its answer.

    Exit code 1 when the function answered with an error. With --debug it runs beside Serein, in a process of its own without
    time limit, and waits until a debugger is attached; how to do that is said.

    \b
      serein invoke hello '{"name": "world"}' --logs
      echo '{"name": "world"}' | serein invoke hello -
      serein invoke hello --debug --code src/hello
    """
    if payload == "-":
        payload = sys.stdin.read()
    if debug:
        _debug(Cloud(endpoint), function, payload, debug_port, code)
        return
    client = Cloud(endpoint).client("lambda", read_timeout_s=910)
    with Speaking(endpoint):
        answer = client.invoke(FunctionName=function, Payload=payload.encode(), LogType="Tail")
    if logs and answer.get("LogResult"):
        click.echo(base64.b64decode(answer["LogResult"]).decode(errors="replace"), err=True)
    click.echo(answer["Payload"].read().decode(errors="replace"))
    if answer.get("FunctionError"):
        raise click.exceptions.Exit(1)


def _debug(cloud: Cloud, function: str, payload: str, port: int | None, code: Path | None) -> None:
    debugging = importlib.import_module("serein.cli.debugging")  # only who debugs loads it
    with Speaking(cloud.endpoint):
        answer = debugging.debug(cloud, function, payload.encode(), port, code)
    click.echo(answer.payload.decode(errors="replace"))
    if answer.is_error:
        raise click.exceptions.Exit(1)
