"""Tags by ARN: uniform in AWS, so they live once. Limits and wording differ, so those stay with the services."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec

from serein.store.interface import Snapshot, Transaction
from serein.store.tables import Table


class Tag(msgspec.Struct, frozen=True, kw_only=True):
    """One tag of one resource."""

    arn: str
    key: str
    value: str


TAGS = Table("kernel.tags", Tag, key=lambda tag: (tag.arn, tag.key), watched=True)


def tags_of(snapshot: Snapshot, arn: str) -> dict[str, str]:
    """The tags of a resource, in the order of their keys."""
    return {tag.key: tag.value for tag in snapshot.scan(TAGS, (arn,))}


def put_tags(transaction: Transaction, arn: str, added: Mapping[str, str]) -> None:
    """Add or replace tags."""
    for key, value in added.items():
        transaction.put(TAGS, Tag(arn=arn, key=key, value=value))


def remove_tags(transaction: Transaction, arn: str, keys: Iterable[str] | None) -> None:
    """Remove these tags, or all."""
    if keys is None:
        transaction.delete_range(TAGS, (arn,))
        return
    for key in keys:
        transaction.delete(TAGS, arn, key)


def from_list(items: Iterable[Mapping[str, str]] | None) -> dict[str, str]:
    """AWS's `[{"Key": …, "Value": …}]` as a dict (later ones win)."""
    return {item["Key"]: item.get("Value", "") for item in items or ()}


def to_list(tags: Mapping[str, str]) -> list[dict[str, str]]:
    """A dict as AWS's `[{"Key": …, "Value": …}]`."""
    return [{"Key": key, "Value": value} for key, value in tags.items()]
