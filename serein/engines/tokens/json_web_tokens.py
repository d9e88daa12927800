"""JSON web tokens, taken apart and checked against a key set (RFC 7515, 7517, 7519).

Loaded where the first token is checked. Times are judged by the caller, who has the clock.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jwt
import msgspec
from jwt.exceptions import InvalidSignatureError, PyJWTError

CHARACTERS_MAX = 20_000
KEYS_MAX = 100
ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512")


class MalformedToken(ValueError):
    """It is no JSON web token."""


class UntrustedToken(ValueError):
    """No key of the set made its signature."""


class Token(msgspec.Struct, frozen=True, kw_only=True):
    """A token whose signature was not looked at yet."""

    text: str
    algorithm: str
    key_id: str
    claims: dict[str, Any]


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
        text=text,
        algorithm=str(header.get("alg", "")),
        key_id=str(header.get("kid", "")),
        claims=told["payload"],
    )


def verify_token(token: Token, key_set: Mapping[str, Any]) -> None:
    """Raises UntrustedToken unless a key of `key_set` (a JWKS document) signed the token."""
    if token.algorithm not in ALGORITHMS:
        raise UntrustedToken(f"the algorithm {token.algorithm} is not supported")
    keys = key_set.get("keys")
    if not isinstance(keys, list):
        raise UntrustedToken("there are no keys")
    for told in keys[:KEYS_MAX]:
        if not isinstance(told, dict) or (token.key_id and told.get("kid", "") != token.key_id):
            continue
        try:
            key = jwt.PyJWK.from_dict(told, token.algorithm)
            jwt.decode(
                token.text,
                key,
                algorithms=[token.algorithm],
                options={
                    "verify_exp": False,
                    "verify_nbf": False,
                    "verify_iat": False,
                    "verify_aud": False,
                    "verify_iss": False,
                },
            )
        except (InvalidSignatureError, PyJWTError, ValueError, TypeError, KeyError):
            continue
        return
    raise UntrustedToken("none of the keys signed it")
