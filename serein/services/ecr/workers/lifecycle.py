"""Lifecycle policies at work: each is worked out when it is put, and every hour."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec.structs import replace

from serein.base.errors import AwsError
from serein.kernel.operations import Context, Read, Tx
from serein.services.ecr.records import IMAGES, LIFECYCLE_DOORBELL, REPOSITORIES, Repository
from serein.services.ecr.rules.lifecycle import expired, parse_lifecycle
from serein.services.ecr.shelf import key_of, remove

EVERY_S = 3600.0
_FOREVER_S = 365 * 86_400.0
_AT_ONCE = 500


async def expire(cx: Context) -> None:
    """Remove the images that repositories no longer want."""
    while True:
        waiter = cx.listen(LIFECYCLE_DOORBELL)
        now = cx.clock.now()
        for repository in _due(cx.read(), now):
            while await cx.transact(_expire, repository):
                pass
        waiting = [one.lifecycle_at + EVERY_S for one in _with_policies(cx.read())]
        until = max(min(waiting, default=now + _FOREVER_S), now + 1.0)
        await cx.wait_for_ring(LIFECYCLE_DOORBELL, until=until, waiter=waiter)


def _with_policies(read: Read) -> Iterator[Repository]:
    return (
        repository
        for repository in read.scan(REPOSITORIES, skip_damaged=True)
        if repository.lifecycle
    )


def _due(read: Read, now: float) -> list[Repository]:
    return [one for one in _with_policies(read) if one.lifecycle_at + EVERY_S <= now]


def _expire(tx: Tx, seen: Repository) -> bool:
    """Remove some of what has expired; whether there may be more. The repository may have changed meanwhile."""
    repository = tx.get(REPOSITORIES, *key_of(seen))
    if repository is None or not repository.lifecycle:
        return False
    try:
        rules = parse_lifecycle(repository.lifecycle)
    except AwsError:
        rules = []
    gone = expired(rules, tx.scan(IMAGES, key_of(repository)), tx.now)
    for image, _ in gone[:_AT_ONCE]:
        remove(tx, image)
    if len(gone) > _AT_ONCE:
        return True
    tx.put(REPOSITORIES, replace(repository, lifecycle_at=tx.now))
    return False
