"""Encoded authorization messages: what some services put into a refusal, and STS decodes for who may ask.

Of AWS's services EC2 does so, and few others; a service of ours that is to follow them writes `encoded(…)` into its refusal:
"Encoded authorization failure message: …". The text is encrypted and authenticated under the key that seals session tokens.

https://docs.aws.amazon.com/STS/latest/APIReference/API_DecodeAuthorizationMessage.html
"""

from __future__ import annotations

import base64
import binascii
import json
from typing import TYPE_CHECKING

from serein.base.ids import Randomness
from serein.base.later import later
from serein.contracts.sessions import KEYS, SealingKey
from serein.store.interface import Snapshot

if TYPE_CHECKING:
    from serein.base import sealing
else:
    sealing = later("serein.base.sealing")

_MAGIC = b"serein-authorization-message"
CHARACTERS_MAX = 10_240


def refusal(
    *,
    principal_id: str,
    principal_arn: str,
    action: str,
    resource: str,
    explicit_deny: bool,
) -> str:
    """The text of a refusal as DecodeAuthorizationMessage shows it."""
    told = {
        "allowed": False,
        "explicitDeny": explicit_deny,
        "matchedStatements": {"items": []},
        "failures": {"items": []},
        "context": {
            "principal": {
                "id": principal_id,
                "name": principal_arn.rpartition("/")[2],
                "arn": principal_arn,
            },
            "action": action,
            "resource": resource,
            "conditions": {"items": []},
        },
    }
    return json.dumps(told, separators=(",", ":"))


def encoded(key: SealingKey, text: str, randomness: Randomness) -> str:
    """`text` as an opaque message."""
    head = key.number.to_bytes(2, "big")
    sealed = sealing.seal(key.secret, text.encode(), _MAGIC + head, randomness)
    return base64.urlsafe_b64encode(head + sealed).decode()


def decoded_or_none(snapshot: Snapshot, message: str) -> str | None:
    """What a message says; None when it is none of this house's, or was altered."""
    if len(message) > CHARACTERS_MAX:
        return None
    try:
        raw = base64.urlsafe_b64decode(message)
    except (binascii.Error, ValueError):
        return None
    head, sealed = raw[:2], raw[2:]
    key = snapshot.get(KEYS, int.from_bytes(head, "big"))
    if key is None:
        return None
    try:
        return sealing.unseal(key.secret, sealed, _MAGIC + head).decode()
    except (sealing.NotSealed, UnicodeDecodeError):
        return None
