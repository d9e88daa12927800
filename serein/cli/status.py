"""`serein status`."""

from __future__ import annotations

import urllib.request
from http.client import HTTPException

import click
import orjson
from rich.console import Console
from rich.table import Table

from serein.cli.client import Cloud, Speaking
from serein.cli.endpoint import endpoint_option


@click.command("status")
@endpoint_option
def command(endpoint: str) -> None:
    """Show whether Serein runs, how functions are isolated, its stacks and functions."""
    try:
        with urllib.request.urlopen(f"{endpoint}/_serein/health", timeout=3) as answer:
            health = orjson.loads(answer.read())
        isolation = health["isolation"]
    except (OSError, ValueError, KeyError, TypeError, HTTPException) as error:
        raise click.ClickException(
            f"Nothing answers at {endpoint}. Start Serein with `serein up`, "
            "or say where it is with --endpoint."
        ) from error
    console = Console()
    console.print(f"Serein {health['version']} runs at {endpoint}; functions: {isolation['level']}")
    for reason in isolation.get("reasons", ()):
        console.print(f"  {reason}")
    store = health.get("store", {})
    if store.get("status") == "full":
        console.print(
            f"[red]Its disk is full[/red] ({store['free_bytes'] // 1_000_000} MB free, "
            f"{store['free_bytes_min'] // 1_000_000} MB are kept): writes are refused until there is room. "
            "Delete something, or make room on the disk of the data directory."
        )
    cloud = Cloud(endpoint)
    with Speaking(endpoint):
        stacks = [
            stack
            for page in cloud.client("cloudformation").get_paginator("describe_stacks").paginate()
            for stack in page["Stacks"]
        ]
        functions = [
            function
            for page in cloud.client("lambda").get_paginator("list_functions").paginate()
            for function in page["Functions"]
        ]
    _print_table(console, "Stacks", [(s["StackName"], s["StackStatus"]) for s in stacks])
    rows = [
        (f["FunctionName"], f"{f.get('Runtime', 'image')}, {f['MemorySize']} MB") for f in functions
    ]
    _print_table(console, "Functions", rows)


def _print_table(console: Console, title: str, rows: list[tuple[str, str]]) -> None:
    if not rows:
        console.print(f"{title}: none")
        return
    table = Table(title=title, title_justify="left", show_header=False, box=None, pad_edge=False)
    for name, said in rows:
        table.add_row(name, said)
    console.print(table)
