"""A line per resource event while a stack changes."""

from __future__ import annotations

import time
from typing import Any

import click

GOOD = ("CREATE_COMPLETE", "UPDATE_COMPLETE", "DELETE_COMPLETE", "IMPORT_COMPLETE")


def events_of(cloudformation: Any, stack: str) -> list[dict[str, Any]]:
    """Every event of a stack, oldest first."""
    pages = cloudformation.get_paginator("describe_stack_events").paginate(StackName=stack)
    return [event for page in pages for event in page["StackEvents"]][::-1]


def follow_stack(cloudformation: Any, stack: str, seen: set[str] | None = None) -> str:
    """Print events not in `seen` until the stack rests; its last status."""
    seen = set() if seen is None else seen
    while True:
        status: str = cloudformation.describe_stacks(StackName=stack)["Stacks"][0]["StackStatus"]
        for event in events_of(cloudformation, stack):
            if event["EventId"] not in seen:
                seen.add(event["EventId"])
                _say(event)
        if not status.endswith("_IN_PROGRESS"):
            return status
        time.sleep(0.05)


def _say(event: dict[str, Any]) -> None:
    status = event["ResourceStatus"]
    if status.endswith("_IN_PROGRESS") and not event.get("ResourceStatusReason"):
        return
    colour = "green" if status in GOOD else "red" if "FAILED" in status else "yellow"
    line = f"  {click.style(f'{status:<28}', fg=colour)} {event['LogicalResourceId']:<34} "
    line += click.style(event.get("ResourceType", ""), dim=True)
    reason = event.get("ResourceStatusReason")
    click.echo(line + (f"\n      {reason}" if reason and "FAILED" in status else ""))
