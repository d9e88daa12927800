"""JSON web tokens, taken apart and checked against a key set (RFC 7515, 7517, 7519).

Loaded where the first token is checked. Times are judged by the caller, who has the clock.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jwt
import msgspec
from jwt.exceptions import PyJWTError

CHARACTERS_MAX = 20_000
KEYS_MAX = 100
ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512")


class MalformedToken(ValueError):
    """It is no JSON web token."""


class UntrustedToken(ValueError):
    """No key of the set made its signature."""


class Token(msgspec.Struct, frozen=True, kw_only=True):
    """A token whose signature was not looked at yet."""

    algorithm: str
    key_id: str
    claims: dict[str, Any]
    signed: bytes
    """What the signature is over."""
    signature: bytes


def read_token(text: str) -> Token:
    """The parts of a token. Raises MalformedToken."""
    if len(text) > CHARACTERS_MAX:
        raise MalformedToken("the token is too long")
    try:
        told = jwt.decode_complete(text, options={"verify_signature": False})
    except (PyJWTError, ValueError) as error:
        raise MalformedToken("the token is malformed") from error
    header = told["header"]
    return Token(
        algorithm=str(header.get("alg", "")),
        key_id=str(header.get("kid", "")),
        claims=told["payload"],
        signed=text.rpartition(".")[0].encode(),
        signature=told["signature"],
    )


class KeySet:
    """The public keys of an issuer: its JWKS document, of which what is no key is left out. Keys are read at first use."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        entries = document.get("keys")
        self._entries = [
            entry
            for entry in (entries[:KEYS_MAX] if isinstance(entries, list) else ())
            if isinstance(entry, dict)
        ]
        self._read: dict[tuple[int, str], jwt.PyJWK | None] = {}

    def __contains__(self, key_id: str) -> bool:
        return any(str(entry.get("kid", "")) == key_id for entry in self._entries)

    def verify(self, token: Token) -> None:
        """Raises UntrustedToken unless a key of the set signed the token: the one it names, or any if it names none."""
        if token.algorithm not in ALGORITHMS:
            raise UntrustedToken(f"the algorithm {token.algorithm} is not supported")
        for place, entry in enumerate(self._entries):
            if token.key_id and entry.get("kid", "") != token.key_id:
                continue
            key = self._key(place, token.algorithm)
            if key is not None and _is_signed_by(key, token):
                return
        raise UntrustedToken("none of the keys signed it")

    def _key(self, place: int, algorithm: str) -> jwt.PyJWK | None:
        wanted = (place, algorithm)
        if wanted not in self._read:
            try:
                self._read[wanted] = jwt.PyJWK.from_dict(self._entries[place], algorithm)
            except (PyJWTError, ValueError, TypeError, KeyError):
                self._read[wanted] = None
        return self._read[wanted]


def _is_signed_by(key: jwt.PyJWK, token: Token) -> bool:
    try:
        return bool(key.Algorithm.verify(token.signed, key.key, token.signature))
    except (PyJWTError, ValueError, TypeError):
        return False
