"""What a JWT authorizer asks of a token. No I/O: the issuer's keys and the time are handed in.

https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-jwt-authorizer.html
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import orjson

from serein.base.later import later

if TYPE_CHECKING:
    from serein.engines.tokens import json_web_tokens
else:
    json_web_tokens = later("serein.engines.tokens.json_web_tokens")

TOKEN_BYTES_MAX = 16 * 1024
ALGORITHMS = ("RS256", "RS384", "RS512")


class InvalidToken(ValueError):
    """The token is refused; the text is told to the client as `error_description`."""


def parse_token(text: str) -> json_web_tokens.Token:
    """The parts of `text`, with or without "Bearer ". Raises InvalidToken."""
    if text[:7].lower() == "bearer ":
        text = text[7:].strip()
    if len(text) > TOKEN_BYTES_MAX:
        raise InvalidToken("the token is malformed")
    try:
        token = json_web_tokens.read_token(text)
    except json_web_tokens.MalformedToken as error:
        raise InvalidToken("the token is malformed") from error
    if token.algorithm not in ALGORITHMS:
        raise InvalidToken("signing method is invalid")
    return token


def verify_signature(token: json_web_tokens.Token, keys: json_web_tokens.KeySet) -> None:
    """Raises InvalidToken unless one of `keys` signed the token."""
    try:
        keys.verify(token)
    except json_web_tokens.UntrustedToken as error:
        raise InvalidToken("the signature is invalid") from error


def check_claims(
    claims: dict[str, Any], *, issuer: str, audience: Sequence[str], now: float
) -> None:
    """Raises InvalidToken for another issuer or audience, and outside the token's time.

    `aud` is looked at, or `client_id` where there is no `aud`. Times are exact: AWS allows no skew.
    """
    if claims.get("iss") != issuer:
        raise InvalidToken("the token has an invalid issuer")
    if audience:
        found = claims.get("aud", claims.get("client_id"))
        values = found if isinstance(found, list) else [found]
        if not set(audience).intersection(value for value in values if isinstance(value, str)):
            raise InvalidToken("the token has an invalid audience")
    for name, early in (("exp", False), ("nbf", True), ("iat", True)):
        value = claims.get(name)
        if value is None:
            continue
        if not isinstance(value, (int, float)) or isinstance(value, bool):
            raise InvalidToken("the token is malformed")
        if early and value > now:
            raise InvalidToken("the token is not valid yet")
        if not early and value <= now:
            raise InvalidToken("the token has expired")


def scopes_of(claims: dict[str, Any]) -> list[str]:
    """The scopes a token carries, in `scope` (a text) or `scp` (a text or list)."""
    found = claims.get("scope", claims.get("scp"))
    if isinstance(found, str):
        return found.split()
    return [scope for scope in found if isinstance(scope, str)] if isinstance(found, list) else []


def shown_claims(claims: dict[str, Any]) -> dict[str, str]:
    """Claims as functions see them: texts; lists as "[a b]"."""
    return {name: _shown(value) for name, value in claims.items()}


def _shown(value: object) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        return "[" + " ".join(_shown(part) for part in value) + "]"
    return orjson.dumps(value).decode()
