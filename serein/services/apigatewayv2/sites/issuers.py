"""The public keys of token issuers, fetched and kept for a while as API Gateway does."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import orjson
from cryptography.hazmat.primitives.asymmetric import rsa

from serein.base.errors import AwsError
from serein.kernel.operations import Context
from serein.services.apigatewayv2.rules.tokens import InvalidToken, rsa_key
from serein.services.apigatewayv2.sites.callers import whole
from serein.wire.http import HttpRequest

KEPT_S = 7200.0
"""API Gateway keeps an issuer's keys for up to two hours."""
RETRY_S = 10.0
"""How soon an unknown key id, or an issuer that did not answer, is looked for again."""
ISSUERS_MAX = 1000
DOCUMENT_BYTES_MAX = 1 << 20


class Issuers:
    """Keys by issuer and key id."""

    def __init__(self) -> None:
        self._keys: dict[str, tuple[float, dict[str, rsa.RSAPublicKey]]] = {}

    async def key_of(self, cx: Context, issuer: str, key_id: str, now: float) -> rsa.RSAPublicKey:
        """The key `key_id` of `issuer`. Raises InvalidToken when it has none, or cannot be reached."""
        fetched_at, keys = self._keys.get(issuer, (-KEPT_S, {}))
        age_s = now - fetched_at
        if age_s >= KEPT_S or (key_id not in keys and age_s >= RETRY_S):
            keys = await self._fetch(cx, issuer)
            if len(self._keys) >= ISSUERS_MAX:
                self._keys.clear()
            self._keys[issuer] = (now, keys)
        key = keys.get(key_id)
        if key is None:
            raise InvalidToken("unable to find the key that signed the token")
        return key

    async def _fetch(self, cx: Context, issuer: str) -> dict[str, rsa.RSAPublicKey]:
        try:
            about = await _document(cx, f"{issuer.rstrip('/')}/.well-known/openid-configuration")
            listed = await _document(cx, str(about["jwks_uri"]))
            entries = [entry for entry in listed["keys"] if isinstance(entry, dict)]
        except (AwsError, OSError, KeyError, TypeError, ValueError, TimeoutError):
            return {}
        return {
            str(entry.get("kid", "")): rsa_key(entry)
            for entry in entries
            if entry.get("kty") == "RSA"
        }


async def _document(cx: Context, url: str) -> dict[str, Any]:
    """A JSON object at `url`. Raises ValueError for anything else."""
    parts = urlsplit(url)
    headers = [("Host", parts.netloc), ("Accept", "application/json")]
    request = HttpRequest(
        method="GET",
        path=parts.path or "/",
        query=parts.query,
        headers={name.lower(): value for name, value in headers},
        header_list=headers,
        scheme=parts.scheme,
    )
    response = await cx.fetch(request, secure=parts.scheme == "https")
    body = await whole(response.body)
    if response.status != 200 or len(body) > DOCUMENT_BYTES_MAX:
        raise ValueError(f"{url} answered {response.status}")
    found = orjson.loads(body)
    if not isinstance(found, dict):
        raise ValueError(f"{url} is no JSON object")
    return found
