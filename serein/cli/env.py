"""`serein env`: shell exports that point AWS tools at Serein."""

from __future__ import annotations

import os
import shlex

import click

from serein.cli.endpoint import endpoint_option


@click.command("env")
@endpoint_option
@click.option(
    "--region",
    envvar="AWS_REGION",
    default="us-east-1",
    show_default=True,
    help="The region to use.",
)
def command(endpoint: str, region: str) -> None:
    """Print shell exports that point AWS tools at Serein.

    Use it as: eval "$(serein env)"
    """
    region = shlex.quote(region)
    key = shlex.quote(os.environ.get("AWS_ACCESS_KEY_ID", "test"))
    click.echo(f"export AWS_ENDPOINT_URL={shlex.quote(endpoint)}")
    click.echo(f"export AWS_ACCESS_KEY_ID={key}")
    click.echo("export AWS_SECRET_ACCESS_KEY=${AWS_SECRET_ACCESS_KEY:-test}")
    click.echo(f"export AWS_REGION={region} AWS_DEFAULT_REGION={region}")
