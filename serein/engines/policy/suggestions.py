"""The least policy that what was seen would have needed: actions, and resources gathered into patterns where they are many.

Many keys of one bucket become the folder they share and a star; the streams of a log group become the group's; what is one or few stays
as it was.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

NAMED_MAX = 3
"""So many resources of one kind are named one by one."""
_SEPARATORS = "/:-_."


class Needed(msgspec.Struct, frozen=True):
    """An action on a resource that was needed. `service` is whom a role was passed to; `refused` whether it was not allowed."""

    action: str
    arn: str
    service: str = ""
    refused: bool = False


def gathered(needs: Iterable[Needed]) -> list[Needed]:
    """The needs with the resources of each action gathered into patterns."""
    by_action: dict[tuple[str, str, bool], list[str]] = {}
    for need in needs:
        by_action.setdefault((need.action, need.service, need.refused), []).append(need.arn)
    return [
        Needed(action, arn, service, refused)
        for (action, service, refused), arns in by_action.items()
        for arn in patterns_of(arns)
    ]


def suggested_policy(needs: Iterable[Needed]) -> dict[str, Any]:
    """An identity policy that allows these needs: a statement for each set of resources, in AWS's form."""
    by_action: dict[tuple[str, str], list[str]] = {}
    for need in needs:
        by_action.setdefault((need.action, need.service), []).append(need.arn)
    by_resources: dict[tuple[tuple[str, ...], str, str], list[str]] = {}
    for (action, service), arns in by_action.items():
        key = (tuple(patterns_of(arns)), action.partition(":")[0], service)
        by_resources.setdefault(key, []).append(action)
    statements = []
    for (resources, _, service), actions in sorted(by_resources.items(), key=lambda each: each[1]):
        statement: dict[str, Any] = {
            "Effect": "Allow",
            "Action": sorted(set(actions)),
            "Resource": list(resources),
        }
        if service:
            statement["Condition"] = {"StringEquals": {"iam:PassedToService": service}}
        statements.append(statement)
    return {"Version": "2012-10-17", "Statement": statements}


def patterns_of(arns: Iterable[str]) -> list[str]:
    """The fewest patterns that are still about these resources: never across a service, region, account or first name."""
    places: dict[tuple[str, ...], list[str]] = {}
    for arn in dict.fromkeys(map(_settled, arns)):
        places.setdefault(_place(arn), []).append(arn)
    found: list[str] = []
    for place, members in places.items():
        literal = [arn for arn in members if not _covered(arn, members)]
        found.extend(literal if len(literal) <= NAMED_MAX else [_common(place, literal)])
    return sorted(found)


def _settled(arn: str) -> str:
    """What changes from run to run, as a star: the streams of a log group."""
    head, stream, _ = arn.partition(":log-stream:")
    return f"{head}:*" if stream and arn.startswith("arn:aws:logs:") else arn


def _place(arn: str) -> tuple[str, ...]:
    """What a pattern must keep: all before the resource, and its kind or bucket (with the table, the function …)."""
    parts = arn.split(":", 5)
    if len(parts) < 6:
        return (arn,)
    kind = re.split(r"[/:]", parts[5], maxsplit=1)[0]
    return (*parts[:5], kind)


def _covered(arn: str, others: Sequence[str]) -> bool:
    """Whether another of them, a beginning and a star, already means this one."""
    return any(
        other != arn and other.endswith("*") and arn.startswith(other[:-1]) for other in others
    )


def _common(place: tuple[str, ...], arns: Sequence[str]) -> str:
    """The longest beginning that all share, cut back to a separator, and a star; the kind at least."""
    first, last = min(arns), max(arns)
    size = next(
        (index for index, (a, b) in enumerate(zip(first, last, strict=False)) if a != b),
        min(len(first), len(last)),
    )
    least = len(":".join(place)) + 1
    while size > least and first[size - 1] not in _SEPARATORS:
        size -= 1
    return first[: max(size, least)] + "*"
