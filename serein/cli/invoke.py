"""`serein invoke FUNCTION [PAYLOAD]`."""

from __future__ import annotations

import base64
import sys

import click

from serein.cli.client import Cloud, Speaking
from serein.cli.endpoint import endpoint_option


@click.command("invoke")
@click.argument("function")
@click.argument("payload", default="{}")
@click.option("--logs/--no-logs", default=False, help="Also show the log lines of this call.")
@endpoint_option
def command(function: str, payload: str, logs: bool, endpoint: str) -> None:
    """Call FUNCTION with PAYLOAD (JSON text, or - for standard input) and print its answer.

    Exit code 1 when the function answered with an error.

    \b
      serein invoke hello '{"name": "world"}' --logs
      echo '{"name": "world"}' | serein invoke hello -
    """
    if payload == "-":
        payload = sys.stdin.read()
    client = Cloud(endpoint).client("lambda", read_timeout_s=910)
    with Speaking(endpoint):
        answer = client.invoke(FunctionName=function, Payload=payload.encode(), LogType="Tail")
    if logs and answer.get("LogResult"):
        click.echo(base64.b64decode(answer["LogResult"]).decode(errors="replace"), err=True)
    click.echo(answer["Payload"].read().decode(errors="replace"))
    if answer.get("FunctionError"):
        raise click.exceptions.Exit(1)
