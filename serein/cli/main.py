"""The `serein` command. Each subcommand is a module of its own, loaded when it is called (`serein up` must be quick)."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Mapping

import click

COMMANDS: Mapping[str, tuple[str, str]] = {
    "up": ("serein.cli.up", "Start Serein and stay in the foreground."),
    "deploy": ("serein.cli.deploy", "Package a template's code and create or update its stack."),
    "delete": ("serein.cli.delete", "Delete a stack and everything in it."),
    "status": ("serein.cli.status", "Show whether Serein runs, its stacks and functions."),
    "logs": ("serein.cli.logs", "Show a function's log lines, with -f as they come."),
    "invoke": ("serein.cli.invoke", "Call a function and print its answer."),
    "traces": ("serein.cli.traces", "Show what took how long within a request."),
    "clock": ("serein.cli.clock", "Show the clock, move it on, stop it (development)."),
    "faults": ("serein.cli.faults", "Make calls fail on purpose (development)."),
    "why": (
        "serein.cli.why",
        "Explain a refusal: which policy, and what would allow it.",
    ),
    "policy": ("serein.cli.policy", "Suggest the least policy for a role; check a policy."),
    "snapshot": ("serein.cli.snapshot", "Keep states of the data, go back, branch, compare."),
    "backup": ("serein.cli.backup", "Bring the present state to a directory or bucket."),
    "restore": ("serein.cli.restore", "Bring a backup into an empty store."),
    "store": ("serein.cli.store", "Move everything to another kind of store."),
    "doctor": ("serein.cli.doctor", "Look for what is wrong, and say how to mend it."),
    "env": ("serein.cli.env", "Print shell exports that point AWS tools at Serein."),
}


class LazyGroup(click.Group):
    """A command group that imports a command's module only when it runs."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = importlib.import_module(COMMANDS[cmd_name][0]).command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, said) for name, (_, said) in COMMANDS.items()])


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="serein")
def serein() -> None:
    """Serein: a serverless cloud on your own machine, behind the AWS APIs.

    Start it with `serein up`, then in another shell `eval "$(serein env)"` and use aws, sam, terraform or
    boto3 as you would with AWS. Exit codes: 0 done, 1 it failed (the reason is printed), 2 wrong usage.
    """


def main() -> None:
    """Run the command; whatever goes wrong is one line on stderr, never a traceback."""
    try:
        # An `Exit` that a command raises comes back as its code.
        code = serein.main(prog_name="serein", standalone_mode=False)
        sys.exit(code if isinstance(code, int) else 0)
    except click.exceptions.Abort:
        sys.exit(130)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:
        sys.exit(0)
    except Exception as error:
        if os.environ.get("SEREIN_TRACEBACK"):
            raise
        click.echo(
            f"Error: {type(error).__name__}: {error} (SEREIN_TRACEBACK=1 shows where)", err=True
        )
        sys.exit(1)


if __name__ == "__main__":
    main()
