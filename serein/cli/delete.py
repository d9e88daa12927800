"""`serein delete STACK`."""

from __future__ import annotations

import click

from serein.cli.client import Cloud, Speaking
from serein.cli.endpoint import endpoint_option
from serein.cli.progress import follow_stack


@click.command("delete")
@click.argument("stack")
@endpoint_option
def command(stack: str, endpoint: str) -> None:
    """Delete STACK and everything in it, showing each resource as it goes.

    As on AWS, a bucket that is not empty stays, and so does the stack: empty the bucket, then delete again.
    Resources with DeletionPolicy Retain are kept.
    """
    cloudformation = Cloud(endpoint).client("cloudformation")
    with Speaking(endpoint):
        stack_id = cloudformation.describe_stacks(StackName=stack)["Stacks"][0]["StackId"]
        cloudformation.delete_stack(StackName=stack)
        status = follow_stack(cloudformation, stack_id)
    if status != "DELETE_COMPLETE":
        raise click.ClickException(f"{stack} is {status}; the lines above say why.")
