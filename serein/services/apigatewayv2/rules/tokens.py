"""JSON web tokens as a JWT authorizer judges them. No I/O: the issuer's keys and the time are handed in.

https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-jwt-authorizer.html
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from typing import Any

import msgspec
import orjson
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

TOKEN_BYTES_MAX = 16 * 1024
HASHES = {"RS256": hashes.SHA256(), "RS384": hashes.SHA384(), "RS512": hashes.SHA512()}


class InvalidToken(ValueError):
    """The token is refused; the text is told to the client as `error_description`."""


class Token(msgspec.Struct, frozen=True):
    """A token taken apart, its signature not yet checked."""

    algorithm: str
    key_id: str
    claims: dict[str, Any]
    signed: bytes
    signature: bytes


def _decoded(part: str) -> bytes:
    try:
        return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
    except (binascii.Error, ValueError) as error:
        raise InvalidToken("the token is malformed") from error


def parse_token(text: str) -> Token:
    """The parts of `text`, with or without "Bearer ". Raises InvalidToken."""
    if text[:7].lower() == "bearer ":
        text = text[7:].strip()
    parts = text.split(".")
    if len(parts) != 3 or len(text) > TOKEN_BYTES_MAX:
        raise InvalidToken("the token is malformed")
    try:
        header, claims = orjson.loads(_decoded(parts[0])), orjson.loads(_decoded(parts[1]))
    except orjson.JSONDecodeError as error:
        raise InvalidToken("the token is malformed") from error
    if not isinstance(header, dict) or not isinstance(claims, dict):
        raise InvalidToken("the token is malformed")
    algorithm = header.get("alg")
    if algorithm not in HASHES:
        raise InvalidToken("signing method is invalid")
    signed = f"{parts[0]}.{parts[1]}".encode()
    return Token(algorithm, str(header.get("kid", "")), claims, signed, _decoded(parts[2]))


def rsa_key(jwk: dict[str, Any]) -> rsa.RSAPublicKey:
    """The public key of a JWKS entry. Raises InvalidToken when it is no RSA key."""
    try:
        modulus = int.from_bytes(_decoded(jwk["n"]), "big")
        exponent = int.from_bytes(_decoded(jwk["e"]), "big")
        return rsa.RSAPublicNumbers(exponent, modulus).public_key()
    except (KeyError, TypeError, ValueError) as error:
        raise InvalidToken("the issuer's key cannot be used") from error


def verify_signature(token: Token, key: rsa.RSAPublicKey) -> None:
    """Raises InvalidToken unless `key` signed the token."""
    try:
        key.verify(token.signature, token.signed, padding.PKCS1v15(), HASHES[token.algorithm])
    except InvalidSignature as error:
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
