"""Policy documents as they come in and go out, and their quotas.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html#reference_iam-quotas-entity-length
"""

from __future__ import annotations

import re
from urllib.parse import quote

import orjson

from serein.engines.policy import MalformedPolicy, Policy, PolicyKind, parse_policy
from serein.services.iam.model import LimitExceededException, MalformedPolicyDocumentException
from serein.services.iam.records import OwnerKind

_SPACE = re.compile(r"\s+")
POLICY_CHARACTERS_MAX = 6144
TRUST_CHARACTERS_MAX = 2048
INLINE_CHARACTERS_MAX = {"user": 2048, "role": 10240, "group": 5120}


def encoded(document: str) -> str:
    """A document as IAM answers it: percent-encoded (RFC 3986). SDKs decode it."""
    return quote(document, safe="-_.~")


def length_of(document: str) -> int:
    """What counts towards the quotas: characters but white space."""
    return len(_SPACE.sub("", document))


def check_document(document: str, kind: PolicyKind) -> Policy:
    """The compiled policy. Raises MalformedPolicyDocument in AWS's words."""
    try:
        return parse_policy(document, kind)
    except MalformedPolicy as error:
        raise MalformedPolicyDocumentException(error.message) from error


def check_managed(document: str) -> None:
    """Check a managed policy's document. Raises MalformedPolicyDocument, LimitExceeded.

    Inline policies may do without Version (SAM's do); it is then 2008-10-17, without policy variables.
    """
    check_document(document, "identity")
    if "Version" not in orjson.loads(document):
        raise MalformedPolicyDocumentException(
            "Policy document must be version 2012-10-17 or greater."
        )
    if length_of(document) > POLICY_CHARACTERS_MAX:
        raise LimitExceededException(f"Cannot exceed quota for PolicySize: {POLICY_CHARACTERS_MAX}")


def check_trust(document: str) -> Policy:
    """Check a role's trust policy, which is given back compiled. Raises MalformedPolicyDocument, LimitExceeded."""
    policy = check_document(document, "trust")
    if length_of(document) > TRUST_CHARACTERS_MAX:
        raise LimitExceededException(
            f"Cannot exceed quota for ACLSizePerRole: {TRUST_CHARACTERS_MAX}"
        )
    return policy


def check_inline(document: str, kind: OwnerKind, owner: str, others: int) -> None:
    """Check an inline policy beside `others` characters that its owner has already."""
    check_document(document, "identity")
    most = INLINE_CHARACTERS_MAX[kind]
    if length_of(document) + others > most:
        raise LimitExceededException(
            f"Maximum policy size of {most} bytes exceeded for {kind} {owner}"
        )
