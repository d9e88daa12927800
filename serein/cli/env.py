"""`serein env`: shell exports that point AWS tools at Serein."""

from __future__ import annotations

import os

import click

from serein.cli.endpoint import endpoint_option


@click.command("env")
@endpoint_option
@click.option("--region", default="us-east-1", show_default=True, help="The region to use.")
def command(endpoint: str, region: str) -> None:
    """Print shell exports that point AWS tools at Serein.

    Use it as: eval "$(serein env)"
    """
    region = os.environ.get("AWS_REGION", region)
    click.echo(f"export AWS_ENDPOINT_URL={endpoint}")
    click.echo(f"export AWS_ACCESS_KEY_ID={os.environ.get('AWS_ACCESS_KEY_ID', 'test')}")
    click.echo("export AWS_SECRET_ACCESS_KEY=${AWS_SECRET_ACCESS_KEY:-test}")
    click.echo(f"export AWS_REGION={region} AWS_DEFAULT_REGION={region}")
