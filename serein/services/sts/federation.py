"""Whether a role's trust policy lets in who came by an identity provider. Such a caller has not signed, so the door did not judge.

https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_providers_create_oidc.html
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from serein.engines.policy import MalformedPolicy, Request, decide, parse_policy
from serein.kernel.calls import ANONYMOUS, Call
from serein.kernel.conditions import Circumstances
from serein.kernel.identities import Identities, PrincipalPolicies, RoleFacts
from serein.kernel.operations import Context, Read
from serein.services.sts.rules.words import AccessDenied, ValidationError


class Visitor(msgspec.Struct, frozen=True, kw_only=True):
    """Who comes by an identity provider: the provider as trust policies name it, and what it says of the visitor."""

    provider: str
    keys: Mapping[str, Sequence[str]]
    """Condition keys in lower case."""
    tags: dict[str, str] = {}
    transitive: tuple[str, ...] = ()
    source_identity: str = ""


def find_role(read: Read, identities: Identities, arn: str, operation: str) -> RoleFacts:
    """The role. Raises AccessDenied, in the words that one hears who may not assume it."""
    role = identities.role_or_none(read.snapshot, arn)
    if role is None:
        raise not_authorized(operation)
    return role


def not_authorized(operation: str) -> AccessDenied:
    """AWS does not say why."""
    return AccessDenied(f"Not authorized to perform sts:{operation}")


def judge(
    cx: Context,
    identities: Identities,
    role: RoleFacts,
    operation: str,
    visitor: Visitor,
    call: Call,
) -> None:
    """Return when the trust policy lets the visitor in, with its tags and source identity. Raises AccessDenied."""
    actions = [f"sts:{operation}"]
    if visitor.tags:
        actions.append("sts:TagSession")
    if visitor.source_identity:
        actions.append("sts:SetSourceIdentity")
    try:
        trust = parse_policy(role.trust, "trust")
    except MalformedPolicy as error:
        raise not_authorized(operation) from error
    read = cx.read()
    owner = identities.membership_or_none(read.snapshot, role.account)
    keys = _keys(visitor)
    circumstances = Circumstances(
        read,
        msgspec.structs.replace(call, principal=ANONYMOUS),
        role.arn,
        role.account,
        PrincipalPolicies(),
        lambda account: identities.membership_or_none(read.snapshot, account),
        need=keys,
    )

    def ask(key: str) -> Sequence[str] | None:
        # What the provider says is asked first: `aws:FederatedProvider` and tags are the visitor's.
        return keys[key] if key in keys else circumstances(key)

    for action in actions:
        request = Request(
            action=action,
            resource=role.arn,
            kind="anonymous",
            provider=visitor.provider,
            context=ask,
        )
        verdict = decide(
            request,
            (),
            trust,
            rcps=owner.resource_controls if owner is not None else (),
            same_account=False,
        )
        if not verdict.allowed:
            raise not_authorized(operation)


def _keys(visitor: Visitor) -> dict[str, Sequence[str]]:
    keys = dict(visitor.keys)
    keys["aws:federatedprovider"] = (visitor.provider,)
    for name, value in visitor.tags.items():
        keys[f"aws:requesttag/{name.lower()}"] = (value,)
    if visitor.tags:
        keys["aws:tagkeys"] = tuple(visitor.tags)
    if visitor.transitive:
        keys["sts:transitivetagkeys"] = visitor.transitive
    if visitor.source_identity:
        keys["sts:sourceidentity"] = (visitor.source_identity,)
    return keys


def check_transitive(tags: Mapping[str, str], keys: Sequence[str]) -> tuple[str, ...]:
    """Transitive keys must be tags. Raises ValidationError."""
    for key in keys:
        if key not in tags:
            raise ValidationError(
                "The specified transitive tag key must be included in the requested tags."
            )
    return tuple(dict.fromkeys(keys))
