"""What is measured: for each group a function that prepares an endpoint and gives its signed requests by label.

A label begins with its group: `ddb_get` is of the group `ddb`.
"""

from __future__ import annotations

from collections.abc import Callable

from ends import Case, End

from cases.dynamodb import indexes, items, many
from cases.functions import api, express, invoke
from cases.messages import notifications, queues, streams
from cases.objects import objects

CASES: dict[str, Callable[[End], Case]] = {
    "ddb": items,
    "ddbmany": many,
    "ddbgsi": indexes,
    "s3": objects,
    "sqs": queues,
    "sns": notifications,
    "kinesis": streams,
    "lambda": invoke,
    "apigw": api,
    "sfn": express,
}
OF_THE_FLOOR = ("ddb",)
"""The groups whose requests the bare pipeline understands (some of them)."""


def groups_of(labels: list[str]) -> dict[str, Callable[[End], Case]]:
    """The groups that these labels (or names of groups) belong to; all where none is named."""
    wanted = {label.split("_")[0] for label in labels}
    return {name: case for name, case in CASES.items() if not wanted or name in wanted}
