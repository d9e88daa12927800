"""`serein faults`: what goes wrong on purpose, in development."""

from __future__ import annotations

from typing import Any

import click
from rich.console import Console
from rich.table import Table

from serein.cli.durations import Duration, words_of
from serein.cli.endpoint import endpoint_option
from serein.cli.house import ask_house

PATH = "/_serein/faults"


@click.group("faults")
def command() -> None:
    """Make calls fail on purpose, to see how your application bears it (development).

    A fault strikes calls of a service and operation: it answers an error, throttles, is slow, drops the connection, or kills
    the server. Under the same --seed the same calls are struck again. Nothing is slower while no fault is set; a restart forgets all.

    \b
      serein faults add dynamodb:PutItem --throttle --probability 0.1
      serein faults add 's3:*' --latency 200ms --latency-max 2s
      serein faults add sqs:SendMessage --drop --after --times 3      done, but the answer is lost
      serein faults add lambda:Invoke --error ServiceException
      serein faults add sqs:SendMessage --crash commit --skip 10      kill -9 in the eleventh transaction
      serein faults list
      serein faults clear
    """


@command.command("add")
@click.argument("target")
@click.option("--error", "code", metavar="CODE", help="Answer this error.")
@click.option(
    "--throttle", is_flag=True, help="Answer that it is too much, in the service's words."
)
@click.option("--latency", type=Duration(), help="Be late by this much (200ms, 2s).")
@click.option("--drop", is_flag=True, help="End the connection without an answer.")
@click.option(
    "--crash",
    type=click.Choice(["before", "commit", "after"]),
    help="kill -9 of the server: before the call does anything, inside its transaction, or once that is durable and "
    "before the answer.",
)
@click.option(
    "--after",
    is_flag=True,
    help="Strike when the call has done its work: only the answer is wrong, late or lost.",
)
@click.option("--latency-max", type=Duration(), help="Late by anything from --latency to this.")
@click.option("--message", default="", help="The error's message.")
@click.option("--status", type=click.IntRange(400, 599), help="The error's HTTP status.")
@click.option(
    "--probability",
    type=click.FloatRange(0.0, 1.0, min_open=True),
    default=1.0,
    show_default=True,
    help="How likely a call is struck.",
)
@click.option("--times", type=click.IntRange(1), help="Strike so often, then no more.")
@click.option("--skip", type=click.IntRange(0), default=0, help="Let so many calls pass first.")
@click.option(
    "--callers",
    type=click.Choice(["all", "clients", "house"]),
    default="all",
    show_default=True,
    help="Whose calls: clients' by HTTP, or those of the house's own workers and deliveries.",
)
@click.option("--seed", type=int, default=0, show_default=True, help="Of the fault's dice.")
@endpoint_option
def add(
    target: str,
    code: str | None,
    throttle: bool,
    latency: float | None,
    drop: bool,
    crash: str | None,
    after: bool,
    latency_max: float | None,
    endpoint: str,
    **more: Any,
) -> None:
    """Set a fault on TARGET: a service (sqs), an operation (sqs:SendMessage), or patterns ('s3:Get*', '*')."""
    service, _, operation = target.partition(":")
    kinds = {
        "error": code is not None,
        "throttle": throttle,
        "latency": latency is not None,
        "drop": drop,
        "crash": crash is not None,
    }
    chosen = [kind for kind, is_chosen in kinds.items() if is_chosen]
    if len(chosen) != 1:
        raise click.UsageError("Say one of --error CODE, --throttle, --latency, --drop, --crash.")
    if crash is not None and after:
        raise click.UsageError("--crash says itself when: before, commit or after.")
    params = {key: value for key, value in more.items() if value is not None}
    params |= {
        "service": service or "*",
        "operation": operation or "*",
        "kind": chosen[0],
        "at": crash or ("after" if after else "before"),
        "code": code or "",
    }
    if latency is not None:
        params |= {"delay_s": latency, "delay_s_max": latency_max or 0.0}
    told = ask_house(endpoint, "POST", PATH, params)
    click.echo(f"{told['id']}: {_words(told)}")


@command.command("list")
@endpoint_option
def list_(endpoint: str) -> None:
    """Say which faults are set and how often each has struck."""
    faults = ask_house(endpoint, "GET", PATH)["faults"]
    if not faults:
        click.echo("No faults are set.")
        return
    table = Table(box=None, pad_edge=False)
    for title in ("Id", "Fault", "Calls", "Struck"):
        table.add_column(title)
    for fault in faults:
        table.add_row(fault["id"], _words(fault), str(fault["matched"]), str(fault["struck"]))
    Console(soft_wrap=True).print(table)


@command.command("clear")
@click.argument("ids", nargs=-1)
@endpoint_option
def clear(ids: tuple[str, ...], endpoint: str) -> None:
    """Take away the faults with these IDS, or all of them."""
    cleared = ask_house(endpoint, "DELETE", PATH, {"ids": list(ids)})["cleared"]
    click.echo(f"{cleared} cleared.")


def _words(fault: dict[str, Any]) -> str:
    kind, at = fault["kind"], fault["at"]
    said = f"{fault['service']}:{fault['operation']} "
    if kind == "error":
        said += f"answers {fault['code']}"
    elif kind == "latency":
        most = fault["delay_s_max"]
        said += f"is late by {words_of(fault['delay_s'])}" + (
            f" to {words_of(most)}" if most else ""
        )
    else:
        said += {"throttle": "is throttled", "drop": "drops the connection", "crash": "crashes"}[
            kind
        ]
    if at == "commit":
        said += " in its transaction"
    elif at == "after":
        said += " when its work is done"
    if fault["probability"] < 1:
        said += f", at {fault['probability'] * 100:g} %"
    if fault["skip"]:
        said += f", after {fault['skip']} calls"
    if fault["times"]:
        said += f", {fault['times']} times"
    if fault["callers"] != "all":
        said += f" ({fault['callers']} only)"
    return said
