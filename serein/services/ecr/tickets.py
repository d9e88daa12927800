"""What the registry hands out to be shown again: authorization tokens and addresses of layers.

Both are sealed: encrypted and authenticated under a key that is kept in the store, so that nothing is written when one is made. A token holds
who asked for it, with the limits of its session; what it may do is judged anew at every request.
https://docs.aws.amazon.com/AmazonECR/latest/userguide/registry_auth.html
"""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING, Literal

import msgspec

from serein.base.later import later
from serein.kernel.calls import Principal
from serein.kernel.operations import Read, Tx
from serein.services.ecr.records import TOKEN_KEYS, TokenKey
from serein.store.blobs import BlobId

if TYPE_CHECKING:
    from serein.base import sealing
else:
    sealing = later("serein.base.sealing")

TOKEN_S = 12 * 3600.0
DOWNLOAD_S = 3600.0
USER = "AWS"
_CHARACTERS_MAX = 32_768

Kind = Literal["token", "layer"]


class Token(msgspec.Struct, frozen=True, kw_only=True):
    """Who may act, until `expires_at` (epoch seconds)."""

    principal: Principal
    expires_at: float


class Ticket(msgspec.Struct, frozen=True, kw_only=True):
    """A layer's bytes, until `expires_at`."""

    blob: str
    size: int
    expires_at: float


class Refused(Exception):
    """What was shown is none of ours, or was altered; `expired`: it was ours."""

    def __init__(self, *, expired: bool = False) -> None:
        super().__init__()
        self.expired = expired


def token_of(tx: Tx, principal: Principal) -> tuple[str, float]:
    """A password for `principal`, and when it ends."""
    expires_at = tx.now + TOKEN_S
    content = msgspec.msgpack.encode(Token(principal=principal, expires_at=expires_at))
    return _seal(tx, "token", content), expires_at


def ticket_of(tx: Tx, blob: BlobId, size: int) -> str:
    """An address for a layer's bytes."""
    expires_at = tx.now + DOWNLOAD_S
    content = msgspec.msgpack.encode(Ticket(blob=blob, size=size, expires_at=expires_at))
    return _seal(tx, "layer", content)


def principal_of(read: Read, authorization: str) -> Principal:
    """Who sends this Authorization header (Basic, or Bearer with the same token). Raises Refused."""
    scheme, _, text = authorization.partition(" ")
    text = text.strip()
    if scheme.lower() == "basic":
        try:
            user, _, text = base64.b64decode(text, validate=True).decode().partition(":")
        except (binascii.Error, ValueError) as error:
            raise Refused from error
        if user != USER:
            raise Refused
    elif scheme.lower() == "bearer":
        # The whole authorizationToken, as some clients pass it on.
        try:
            decoded = base64.b64decode(text, validate=True)
            text = decoded[4:].decode() if decoded.startswith(b"AWS:") else text
        except (binascii.Error, ValueError):
            pass
    else:
        raise Refused
    token = msgspec.msgpack.decode(_open(read, "token", text), type=Token)
    if token.expires_at <= read.now:
        raise Refused(expired=True)
    return token.principal


def layer_of(read: Read, text: str) -> Ticket:
    """The layer that an address stands for. Raises Refused."""
    ticket = msgspec.msgpack.decode(_open(read, "layer", text), type=Ticket)
    if ticket.expires_at <= read.now:
        raise Refused(expired=True)
    return ticket


def _seal(tx: Tx, kind: Kind, content: bytes) -> str:
    key = next(iter(tx.scan(TOKEN_KEYS, reverse=True, limit=1)), None)
    if key is None:
        key = TokenKey(number=1, secret=tx.randomness.token(32), created_at=tx.now)
        tx.put(TOKEN_KEYS, key)
    head = key.number.to_bytes(2, "big")
    sealed = sealing.seal(key.secret, content, head + kind.encode(), tx.randomness)
    return base64.urlsafe_b64encode(head + sealed).decode()


def _open(read: Read, kind: Kind, text: str) -> bytes:
    if len(text) > _CHARACTERS_MAX:
        raise Refused
    try:
        raw = base64.b64decode(text, altchars=b"-_", validate=True)
    except (binascii.Error, ValueError) as error:
        raise Refused from error
    head, sealed = raw[:2], raw[2:]
    key = read.get(TOKEN_KEYS, int.from_bytes(head, "big"))
    if key is None:
        raise Refused
    try:
        return sealing.unseal(key.secret, sealed, head + kind.encode())
    except sealing.NotSealed as error:
        raise Refused from error
