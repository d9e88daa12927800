"""The Principal element: whom a resource's policy means, and how directly.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_principal.html
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import IntEnum

import msgspec

from serein.engines.policy.request import Request


class Grant(IntEnum):
    """How directly a policy names the caller.

    ACCOUNT delegates to the caller's account, whose own policies then have to allow; ROLE names the role of a session,
    whose boundary and session policies still limit; DIRECT names the user or session itself, or everyone.
    https://docs.aws.amazon.com/IAM/latest/UserGuide/access_policies_boundaries.html#access_policies_boundaries-eval-logic
    """

    NONE = 0
    ACCOUNT = 1
    ROLE = 2
    DIRECT = 3


class Principals(msgspec.Struct, frozen=True, kw_only=True):
    """A compiled Principal element."""

    everyone: bool = False
    accounts: frozenset[str] = frozenset()
    arns: frozenset[str] = frozenset()
    """ARNs of users, roles, role sessions and federated users, and unique ids (AIDA…, AROA…)."""
    services: frozenset[str] = frozenset()
    every_service: bool = False
    providers: frozenset[str] = frozenset()
    canonical_users: frozenset[str] = frozenset()

    def grant(self, request: Request) -> Grant:
        """How directly this names the caller."""
        if self.everyone:
            return Grant.DIRECT
        kind = request.kind
        if kind == "service":
            named = self.every_service or request.service in self.services
            return Grant.DIRECT if named else Grant.NONE
        if request.provider and request.provider in self.providers:
            return Grant.DIRECT
        if kind == "anonymous":
            return Grant.NONE
        if request.arn in self.arns or request.id in self.arns:
            return Grant.DIRECT
        if request.role_arn and (
            request.role_arn in self.arns or request.id.partition(":")[0] in self.arns
        ):
            return Grant.ROLE
        if request.canonical_user and request.canonical_user in self.canonical_users:
            return Grant.ACCOUNT
        if request.account in self.accounts:
            return Grant.DIRECT if kind == "root" else Grant.ACCOUNT
        return Grant.NONE

    def spares(self, request: Request) -> bool:
        """Whether, read as NotPrincipal, this excepts the caller.

        A user is excepted when it and its account are named, a session when its role is named as well:
        https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_notprincipal.html
        """
        if self.grant(request) is not Grant.DIRECT:
            return False
        if self.everyone or request.kind in ("service", "anonymous", "root"):
            return True
        if request.account not in self.accounts:
            return False
        return not request.role_arn or request.role_arn in self.arns


EVERYONE = Principals(everyone=True)


def compile_principals(element: Mapping[str, Sequence[str]]) -> Principals:
    """The Principals of a checked element: kinds ("AWS", "Service" …) to lists of names."""
    accounts: set[str] = set()
    arns: set[str] = set()
    everyone = False
    for name in element.get("AWS", ()):
        if name == "*":
            everyone = True
        elif name.isdigit() and len(name) == 12:
            accounts.add(name)
        elif name.endswith(":root") and name.startswith("arn:"):
            accounts.add(name.split(":")[4])
        else:
            arns.add(name)
    services = frozenset(element.get("Service", ()))
    return Principals(
        everyone=everyone,
        accounts=frozenset(accounts),
        arns=frozenset(arns),
        services=services,
        every_service="*" in services,
        providers=frozenset(element.get("Federated", ())),
        canonical_users=frozenset(element.get("CanonicalUser", ())),
    )
