"""Session policies and tags: checked, and how much of a token they fill.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html#reference_iam-quotas-entity-length
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Mapping
from typing import Any

import msgspec

from serein.engines.policy import MalformedPolicy, parse_policy
from serein.services.sts.model import (
    MalformedPolicyDocumentException,
    PackedPolicyTooLargeException,
)
from serein.services.sts.rules.words import ValidationError

POLICY_ARNS_MAX = 10
TAGS_MAX = 50
_PACKED_BYTES_MAX = 2048
"""How large policies and tags may be once packed; AWS tells only the share that is taken."""
_TAG = re.compile(r"[\w\s.:/=+\-@]*")
_POLICY_ARN = re.compile(r"arn:aws[a-z-]*:iam::(aws|\d{12}):policy/[\x21-\x7e]+")


class SessionLimits(msgspec.Struct, frozen=True, kw_only=True):
    """What narrows a session. `policies` are texts and ARNs; None when the request named none."""

    policies: tuple[str, ...] | None
    tags: dict[str, str]
    packed_percent: int | None


def session_limits(request: Mapping[str, Any], account: str) -> SessionLimits:
    """The session policies and tags of a request.

    Raises MalformedPolicyDocument, PackedPolicyTooLarge, ValidationError.
    """
    policies: list[str] = []
    text = request.get("Policy")
    if text is not None:
        try:
            parse_policy(text, "session")
        except MalformedPolicy as error:
            raise MalformedPolicyDocumentException(error.message) from error
        policies.append(text)
    arns = [str(entry.get("arn", "")) for entry in request.get("PolicyArns") or ()]
    _check_arns(arns, account)
    policies += arns
    tags = _tags(request)
    percent = None
    if policies or tags:
        packed = zlib.compress(msgspec.json.encode((policies, tags)), 9)
        percent = -(-len(packed) * 100 // _PACKED_BYTES_MAX)
        if percent > 100:
            raise PackedPolicyTooLargeException(
                f"Packed size of session tags and policies consumes {percent}% of allotted space."
            )
    return SessionLimits(
        policies=tuple(policies) if policies else None, tags=tags, packed_percent=percent
    )


def _check_arns(arns: list[str], account: str) -> None:
    if len(arns) > POLICY_ARNS_MAX:
        raise ValidationError(
            f"The number of managed session policy ARNs must not exceed {POLICY_ARNS_MAX}."
        )
    for arn in arns:
        found = _POLICY_ARN.fullmatch(arn)
        if found is None:
            raise ValidationError(f"{arn} is invalid")
        if found[1] not in ("aws", account):
            raise ValidationError(
                "The managed session policies must belong to the account of the role or user."
            )


def tags_checked(given: Mapping[str, str]) -> dict[str, str]:
    """Tags that an identity provider passes, under the same rules. Raises ValidationError."""
    return _tags({"Tags": [{"Key": key, "Value": value} for key, value in given.items()]})


def tags_of_token(claim: object) -> tuple[dict[str, str], tuple[str, ...]]:
    """Tags and transitive keys of a web identity token's claim. Raises ValidationError.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/id_session-tags.html#id_session-tags_adding-assume-role-idp
    """
    if not isinstance(claim, dict):
        return {}, ()
    told = claim.get("principal_tags")
    keys = claim.get("transitive_tag_keys")
    tags: dict[str, str] = {}
    for key, values in told.items() if isinstance(told, dict) else ():
        value = values[0] if isinstance(values, list) and values else values
        tags[str(key)] = str(value)
    listed = keys if isinstance(keys, list) else []
    return tags_checked(tags), tuple(str(key) for key in listed)


def _tags(request: Mapping[str, Any]) -> dict[str, str]:
    tags: dict[str, str] = {}
    seen: set[str] = set()
    for tag in request.get("Tags") or ():
        key = tag["Key"]
        if key.lower() in seen:
            raise ValidationError(
                "Duplicate tag keys found. Please note that Tag keys are case insensitive."
            )
        if key.lower().startswith("aws:"):
            raise ValidationError("System tags cannot be passed as session tags.")
        if not _TAG.fullmatch(key) or not _TAG.fullmatch(tag["Value"]):
            raise ValidationError("Invalid characters in a session tag.")
        seen.add(key.lower())
        tags[key] = tag["Value"]
    if len(tags) > TAGS_MAX:
        raise ValidationError(f"The number of session tags must not exceed {TAGS_MAX}.")
    return tags
