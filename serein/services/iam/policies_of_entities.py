"""The compiled policies of a user, group or role, from IAM's tables."""

from __future__ import annotations

from collections.abc import Iterator

from serein.engines.policy import MalformedPolicy, Policy, PolicyKind, parse_policy
from serein.services.iam.records import (
    ATTACHMENTS,
    GROUPS_OF,
    INLINE,
    POLICIES,
    VERSIONS,
    Group,
    OwnerKind,
    Role,
    User,
)
from serein.services.iam.rules.aws_managed import aws_document_or_none
from serein.store.interface import Snapshot

COMPILED_MAX = 4096


class Compiled:
    """Policies compiled once per text; bounded."""

    def __init__(self) -> None:
        self._kept: dict[tuple[str, PolicyKind, str], Policy | None] = {}

    def policy_or_none(self, text: str, kind: PolicyKind, name: str) -> Policy | None:
        """The compiled policy; None for a text that is none (texts are checked when they are stored)."""
        key = (text, kind, name)
        if key in self._kept:
            return self._kept[key]
        try:
            made: Policy | None = parse_policy(text, kind, name=name)
        except MalformedPolicy:
            made = None
        if len(self._kept) >= COMPILED_MAX:
            self._kept.clear()
        self._kept[key] = made
        return made


def document_or_none(snapshot: Snapshot, arn: str) -> str | None:
    """The document of a managed policy that holds now."""
    known = aws_document_or_none(arn)
    if known is not None:
        return known
    parts = arn.split(":", 5)
    if len(parts) != 6:
        return None
    policy = snapshot.get(POLICIES, parts[4], arn.rpartition("/")[2].lower())
    if policy is None or policy.arn != arn:
        return None
    version = snapshot.get(VERSIONS, arn, policy.default_version)
    return None if version is None else version.document


def policies_of_entity(
    snapshot: Snapshot, kind: OwnerKind, entity: User | Group | Role, compiled: Compiled
) -> tuple[list[Policy], Policy | None]:
    """Identity policies (a user's with its groups') and boundary.

    A boundary whose policy is gone allows nothing.
    """
    account, name = entity.account, entity.name.lower()
    texts = list(_texts(snapshot, account, kind, name))
    if kind == "user":
        for member in snapshot.scan(GROUPS_OF, (account, name)):
            texts.extend(_texts(snapshot, account, "group", member.group.lower()))
    identity = [
        policy
        for label, text in texts
        if (policy := compiled.policy_or_none(text, "identity", label)) is not None
    ]
    boundary = None
    if not isinstance(entity, Group) and entity.boundary:
        text = document_or_none(snapshot, entity.boundary)
        found = compiled.policy_or_none(text or "", "boundary", entity.boundary)
        boundary = found or Policy("boundary", entity.boundary, ())
    return identity, boundary


def _texts(
    snapshot: Snapshot, account: str, kind: OwnerKind, owner: str
) -> Iterator[tuple[str, str]]:
    for policy in snapshot.scan(INLINE, (account, kind, owner)):
        yield policy.name, policy.document
    for attached in snapshot.scan(ATTACHMENTS, (account, kind, owner)):
        text = document_or_none(snapshot, attached.arn)
        if text is not None:
            yield attached.arn, text
