"""The refusals that several operations share, in AWS's words."""

from __future__ import annotations

from serein.services.lambda_.model import (
    PreconditionFailedException,
    ResourceConflictException,
    ResourceNotFoundException,
)

_USER = {"Type": "User"}


def stale(what: str) -> PreconditionFailedException:
    """The caller knows another revision; `what` names the operations that tell the latest."""
    return PreconditionFailedException(
        "The Revision Id provided does not match the latest Revision Id. Call the "
        f"{what} API to retrieve the latest Revision Id",
        fields=_USER,
    )


def check_revision(known: str | None, revision: str, what: str = "GetFunction/GetAlias") -> None:
    """Raises PreconditionFailedException when the caller named a revision that is not the latest."""
    if known and known != revision:
        raise stale(what)


def statement_exists(sid: str) -> ResourceConflictException:
    """A policy has a statement of that id."""
    return ResourceConflictException(
        f"The statement id ({sid}) provided already exists. Please provide a new statement id,"
        " or remove the existing statement.",
        fields=_USER,
    )


def statement_missing(sid: str) -> ResourceNotFoundException:
    """A policy has no statement of that id."""
    return ResourceNotFoundException(
        f"Statement {sid} is not found in resource policy.", fields=_USER
    )


def not_there(
    message: str = "The resource you requested does not exist.",
) -> ResourceNotFoundException:
    """What was asked for does not exist."""
    return ResourceNotFoundException(message, fields=_USER)
