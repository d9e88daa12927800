"""What users, groups, roles, instance profiles and policies have in common: how they are made, bounded and removed."""

from __future__ import annotations

from typing import TypeVar

import msgspec

from serein.kernel.operations import Read, Tx
from serein.services.iam.access import Request, check_policy_arn, policy_or_none
from serein.services.iam.model import (
    DeleteConflictException,
    EntityAlreadyExistsException,
    LimitExceededException,
    NoSuchEntityException,
)
from serein.services.iam.records import ATTACHMENTS, INLINE, OwnerKind
from serein.store.tables import Table

R = TypeVar("R", bound=msgspec.Struct)


def check_new(read: Read, table: Table[R], noun: str, name: str, most: int) -> None:
    """Raises EntityAlreadyExists for a name that is taken (whatever its case), LimitExceeded where there are too many.

    `table` has its records by account and name in lower case.
    """
    if read.get(table, read.account, name.lower()) is not None:
        raise EntityAlreadyExistsException(f"{noun} with name {name} already exists.")
    if read.count(table, (read.account,)) >= most:
        quota = noun.title().replace(" ", "")
        raise LimitExceededException(f"Cannot exceed quota for {quota}sPerAccount: {most}")


def boundary_of_request(read: Read, request: Request) -> str:
    """The permissions boundary that a request names, or "". Raises NoSuchEntity, ValidationError.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/access_policies_boundaries.html
    """
    arn: str = request.get("PermissionsBoundary") or ""
    if arn:
        check_policy_arn(arn)
        policy = policy_or_none(read, arn)
        if policy is None or policy.account not in ("aws", read.account):
            raise NoSuchEntityException(f"Scope ARN: {arn} does not exist or is not attachable.")
    return arn


def check_without_policies(tx: Tx, kind: OwnerKind, name: str) -> None:
    """Raises DeleteConflict while an entity has policies."""
    owner = (tx.account, kind, name.lower())
    if tx.count(ATTACHMENTS, owner):
        raise DeleteConflictException("Cannot delete entity, must detach all policies first.")
    if tx.count(INLINE, owner):
        raise DeleteConflictException("Cannot delete entity, must delete policies first.")


def move_tags(tx: Tx, old: str, new: str) -> None:
    """Let the tags follow an entity that got another name or path."""
    if old != new:
        tags = tx.tags_of(old)
        tx.untag(old)
        tx.tag(new, tags)
