"""`serein clock`: the house's clock, shown and (in development) moved."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import click

from serein.cli.durations import Duration, Moment, words_of
from serein.cli.endpoint import endpoint_option
from serein.cli.house import ask_house

PATH = "/_serein/clock"


@click.group("clock")
def command() -> None:
    """Show the house's clock and move it, so that nobody has to wait.

    Every timer of the house goes by this clock: visibility timeouts and delays, TTL, lifecycle rules and retention,
    the expiry of tokens and signed URLs, schedules, retries. So what happens in two weeks can be seen now. Moving the clock is for
    development: start Serein with --ephemeral or --dev. Function time limits and network timeouts stay real.

    \b
      serein clock show
      serein clock advance 2h          what is due meanwhile happens, in its order, before this returns
      serein clock advance --to 2030-01-01
      serein clock freeze              time stands still; long polls still end after their real time
      serein clock resume
    """


@command.command("show")
@endpoint_option
def show(endpoint: str) -> None:
    """Say what time it is in the house, and when the next timer is due."""
    _tell(ask_house(endpoint, "GET", PATH))


@command.command("advance")
@click.argument("duration", type=Duration(), required=False)
@click.option("--to", "moment", type=Moment(), help="Move on to this time (UTC) instead.")
@endpoint_option
def advance(duration: float | None, moment: float | None, endpoint: str) -> None:
    """Move the clock on by DURATION (90s, 30m, 2h, 1d12h), or --to a time.

    Timers on the way ring in their order, and what they set off has happened when this returns. The clock never goes back.
    """
    if (duration is None) == (moment is None):
        raise click.UsageError("Say how far, for example `serein clock advance 2h`, or --to when.")
    params = {"advance_s": duration} if moment is None else {"advance_to": moment}
    _tell(ask_house(endpoint, "POST", PATH, params))


@command.command("freeze")
@endpoint_option
def freeze(endpoint: str) -> None:
    """Let the house's time stand still; `advance` still moves it."""
    _tell(ask_house(endpoint, "POST", PATH, {"frozen": True}))


@command.command("resume")
@endpoint_option
def resume(endpoint: str) -> None:
    """Let time run on from where it stands."""
    _tell(ask_house(endpoint, "POST", PATH, {"frozen": False}))


def _tell(shown: dict[str, Any]) -> None:
    now = float(shown["now"])
    click.echo(f"{_text(now)}{', standing still' if shown['frozen'] else ''}")
    ahead_s = float(shown["ahead_s"])
    if abs(ahead_s) >= 0.5:
        click.echo(f"  {words_of(ahead_s)} {'ahead of' if ahead_s > 0 else 'behind'} the real time")
    if not shown["movable"]:
        click.echo("  the real clock; to move it start Serein with --dev (or --ephemeral)")
    alarm = shown["next_alarm"]
    if alarm is not None:
        click.echo(f"  next timer: {_text(alarm)} (in {words_of(alarm - now)})")


def _text(when: float) -> str:
    return datetime.fromtimestamp(when, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
