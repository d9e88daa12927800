"""What a policy is asked: who, what action, on what resource, in which circumstances."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

import msgspec

PrincipalKind = Literal["root", "user", "role", "federated", "service", "anonymous"]
ContextLookup = Callable[[str], Sequence[str] | None]
"""From a condition key in lower case ("aws:sourceip") to its values; None when the request has no such key."""


def _nothing(key: str) -> None:
    return None


class Request(msgspec.Struct, kw_only=True):
    """One question to the policies.

    `kind` "role" is a session of a role: `arn` is then the assumed-role ARN and `role_arn` the role's. `context` is
    asked only for the keys that a statement names; the keys that follow from the principal itself (aws:PrincipalArn,
    aws:userid, aws:username …) are answered here and never asked.
    """

    action: str
    resource: str = "*"
    kind: PrincipalKind
    arn: str = ""
    account: str = ""
    id: str = ""
    """The unique id, for a role session with `:session-name` (aws:userid)."""
    name: str = ""
    """The friendly name of a user (aws:username)."""
    role_arn: str = ""
    """The role of a session; for a federated user the ARN of the user that made it."""
    service: str = ""
    """The DNS name of a service principal."""
    provider: str = ""
    """The identity provider (ARN or name) that a web identity or SAML assertion came from."""
    canonical_user: str = ""
    context: ContextLookup = _nothing

    def values_of(self, key: str) -> Sequence[str] | None:
        """The values of a condition key (lower case), or None when the request does not have it."""
        fact = _FACTS.get(key)
        return self.context(key) if fact is None else fact(self)


def _principal_arn(request: Request) -> Sequence[str] | None:
    # For a session the key holds the role's ARN:
    # https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html#condition-keys-principalarn
    if request.kind in ("service", "anonymous"):
        return None
    return (request.role_arn if request.kind == "role" else request.arn,)


_PRINCIPAL_TYPES = {
    "root": "Account",
    "user": "User",
    "role": "AssumedRole",
    "federated": "FederatedUser",
    "anonymous": "Anonymous",
}


def _principal_type(request: Request) -> Sequence[str] | None:
    found = _PRINCIPAL_TYPES.get(request.kind)
    return None if found is None else (found,)


def _principal_account(request: Request) -> Sequence[str] | None:
    if request.kind in ("service", "anonymous") or not request.account:
        return None
    return (request.account,)


def _user_id(request: Request) -> Sequence[str] | None:
    if request.kind == "anonymous":
        return ("anonymous",)
    if request.kind == "service" or not request.id:
        return None
    return (request.id,)


def _user_name(request: Request) -> Sequence[str] | None:
    return (request.name,) if request.kind == "user" and request.name else None


def _is_service(request: Request) -> Sequence[str] | None:
    if request.kind == "anonymous":
        return None
    return ("true",) if request.kind == "service" else ("false",)


def _service_name(request: Request) -> Sequence[str] | None:
    return (request.service,) if request.kind == "service" else None


# https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html
_FACTS: dict[str, Callable[[Request], Sequence[str] | None]] = {
    "aws:principalarn": _principal_arn,
    "aws:principaltype": _principal_type,
    "aws:principalaccount": _principal_account,
    "aws:userid": _user_id,
    "aws:username": _user_name,
    "aws:principalisawsservice": _is_service,
    "aws:principalservicename": _service_name,
    "aws:principalservicenameslist": _service_name,
}
