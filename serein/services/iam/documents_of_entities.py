"""The policy documents of users, groups and roles, as texts with where they come from."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from serein.kernel.operations import Read
from serein.services.iam.model import InvalidInputException, NoSuchEntityException
from serein.services.iam.policies_of_entities import document_or_none
from serein.services.iam.records import (
    ATTACHMENTS,
    GROUPS,
    GROUPS_OF,
    INLINE,
    ROLES,
    USERS,
    Group,
    OwnerKind,
    Role,
    User,
)


class HeldPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """A policy of an entity. `arn` is "" for inline ones, whose owner is a user, group or role."""

    name: str
    arn: str
    owner_kind: OwnerKind
    owner: str
    document: str


def entity_of_arn(read: Read, arn: str) -> tuple[OwnerKind, User | Group | Role]:
    """The user, group or role of that ARN. Raises NoSuchEntity, InvalidInput."""
    parts = arn.split(":", 5)
    kind, _, rest = parts[-1].partition("/")
    if len(parts) != 6 or kind not in ("user", "group", "role"):
        raise InvalidInputException(
            f"Invalid Entity Arn: {arn} does not clearly define entity type and name."
        )
    name = rest.rpartition("/")[2].lower()
    found: User | Group | Role | None
    if kind == "user":
        found = read.get(USERS, read.account, name)
    elif kind == "group":
        found = read.get(GROUPS, read.account, name)
    else:
        found = read.get(ROLES, read.account, name)
    if found is None or found.arn != arn:
        raise NoSuchEntityException(f"The entity {arn} cannot be found.")
    if isinstance(found, User):
        return "user", found
    return ("group", found) if isinstance(found, Group) else ("role", found)


def policies_held(read: Read, kind: OwnerKind, entity: User | Group | Role) -> Iterator[HeldPolicy]:
    """An entity's policies, a user's with those of its groups."""
    yield from _own(read, kind, entity.name)
    if kind == "user":
        for member in read.scan(GROUPS_OF, (read.account, entity.name.lower())):
            yield from _own(read, "group", member.group)


def _own(read: Read, kind: OwnerKind, owner: str) -> Iterator[HeldPolicy]:
    key = (read.account, kind, owner.lower())
    for policy in read.scan(INLINE, key):
        yield HeldPolicy(
            name=policy.name, arn="", owner_kind=kind, owner=owner, document=policy.document
        )
    for attached in read.scan(ATTACHMENTS, key):
        document = document_or_none(read.snapshot, attached.arn)
        if document is not None:
            yield HeldPolicy(
                name=attached.arn.rpartition("/")[2],
                arn=attached.arn,
                owner_kind=kind,
                owner=owner,
                document=document,
            )
