"""`serein policy`: the least policy that was needed, and policies checked before they are used."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, cast

import click
import orjson

from serein.cli.endpoint import endpoint_option
from serein.cli.house import ask_house
from serein.engines.policy import MalformedPolicy, PolicyKind, parse_policy

PATH = "/_serein/needs"
KINDS = ("identity", "resource", "trust", "scp", "rcp")


@click.group("policy")
def command() -> None:
    """Write and check IAM policies.

    \b
      serein policy suggest my-role > policy.json
      serein policy check policy.json
    """


@command.command("suggest")
@click.argument("role")
@click.option("--needs", is_flag=True, help="List each need instead of the policy.")
@endpoint_option
def suggest(role: str, needs: bool, endpoint: str) -> None:
    """Print the least policy that what ROLE did (or tried) would have needed.

    ROLE is a role's name or ARN, or user/NAME. It goes by every action that the door was asked for so far, the refused ones
    too; many resources of one kind are gathered into a pattern. With `serein up --auth record` nothing is refused, so one
    run of your application's tests shows all it needs. You need the permission access-analyzer:GetGeneratedPolicy.

    \b
      serein policy suggest my-role
      serein policy suggest my-role | aws iam put-role-policy --role-name my-role --policy-name least \\
          --policy-document file:///dev/stdin
    """
    told = ask_house(endpoint, "POST", PATH, {"principal": role})
    seen: list[dict[str, Any]] = told["needs"]
    if not seen:
        known = ", ".join(arn.rpartition(":")[2] for arn in told["known"]) or "nobody"
        raise click.ClickException(
            f"{told['principal']} has asked for nothing so far (seen: {known})."
        )
    if needs:
        for need in seen:
            mark = click.style("refused ", fg="red") if need["refused"] else "allowed "
            click.echo(f"{mark} {need['action']}  {need['arn']}")
        return
    refused = sum(need["refused"] for need in seen)
    click.echo(f"{told['principal']}: {len(seen)} needs seen, {refused} of them refused.", err=True)
    click.echo(orjson.dumps(told["policy"], option=orjson.OPT_INDENT_2).decode())


@command.command("check")
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--kind",
    type=click.Choice(KINDS),
    default="identity",
    show_default=True,
    help="What the policy is for: trust is a role's, scp and rcp an organization's.",
)
def check(file: Path, kind: str) -> None:
    """Check the policy in FILE (- for standard input), with AWS's words where it is wrong."""
    try:
        text = sys.stdin.read() if str(file) == "-" else file.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise click.ClickException(f"{file} cannot be read: {error}") from error
    try:
        policy = parse_policy(text, cast(PolicyKind, kind))
    except MalformedPolicy as error:
        raise click.ClickException(error.message) from None
    count = len(policy.statements)
    click.echo(f"A valid {kind} policy with {count} statement{'' if count == 1 else 's'}.")
