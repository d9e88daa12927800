"""The public keys of token issuers, fetched and kept for a while as API Gateway does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import orjson

from serein.base.errors import AwsError
from serein.base.later import later
from serein.kernel.operations import Context
from serein.services.apigatewayv2.rules.tokens import InvalidToken
from serein.services.apigatewayv2.sites.callers import whole
from serein.wire.http import HttpRequest

if TYPE_CHECKING:
    from serein.engines.tokens import json_web_tokens
else:
    json_web_tokens = later("serein.engines.tokens.json_web_tokens")

KEPT_S = 7200.0
"""API Gateway keeps an issuer's keys for up to two hours."""
RETRY_S = 10.0
"""How soon an unknown key id, or an issuer that did not answer, is looked for again."""
ISSUERS_MAX = 1000
DOCUMENT_BYTES_MAX = 1 << 20


class Issuers:
    """The key sets of issuers."""

    def __init__(self) -> None:
        self._keys: dict[str, tuple[float, json_web_tokens.KeySet]] = {}

    async def keys_of(
        self, cx: Context, issuer: str, key_id: str, now: float
    ) -> json_web_tokens.KeySet:
        """The keys of `issuer`. Raises InvalidToken when `key_id` is none of them, or they cannot be reached."""
        fetched_at, keys = self._keys.get(issuer, (-KEPT_S, json_web_tokens.KeySet({})))
        age_s = now - fetched_at
        if age_s >= KEPT_S or (key_id not in keys and age_s >= RETRY_S):
            keys = await self._fetch(cx, issuer)
            if len(self._keys) >= ISSUERS_MAX:
                self._keys.clear()
            self._keys[issuer] = (now, keys)
        if key_id not in keys:
            raise InvalidToken("unable to find the key that signed the token")
        return keys

    async def _fetch(self, cx: Context, issuer: str) -> json_web_tokens.KeySet:
        try:
            about = await _document(cx, f"{issuer.rstrip('/')}/.well-known/openid-configuration")
            return json_web_tokens.KeySet(await _document(cx, str(about["jwks_uri"])))
        except (AwsError, OSError, KeyError, TypeError, ValueError, TimeoutError):
            return json_web_tokens.KeySet({})


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
