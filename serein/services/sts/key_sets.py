"""The key sets of identity providers, fetched from where their discovery document says, and kept for a while.

https://openid.net/specs/openid-connect-discovery-1_0.html#ProviderConfig
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urlsplit

import orjson

from serein.base.errors import AwsError
from serein.kernel.operations import Context
from serein.services.sts.model import InvalidIdentityTokenException
from serein.wire.http import HttpRequest

KEPT_S = 3600.0
RETRY_S = 10.0
"""How soon a provider is asked again that did not answer, or had no key for a token."""
PROVIDERS_MAX = 256
DOCUMENT_BYTES_MAX = 1 << 20
KeySet = dict[str, Any]
Key = tuple[str, tuple[str, ...]]


class KeySets:
    """Key sets by issuer. Nothing is remembered across restarts. However many tokens come at once, an issuer is asked once."""

    def __init__(self) -> None:
        self._kept: dict[Key, tuple[float, KeySet | AwsError | None]] = {}
        self._asked: dict[Key, asyncio.Future[KeySet | AwsError | None]] = {}

    async def of(
        self,
        cx: Context,
        issuer: str,
        thumbprints: tuple[str, ...],
        *,
        unlike: KeySet | None = None,
    ) -> KeySet | None:
        """The key set of an issuer (its URL), None when it cannot be had. Raises InvalidIdentityToken for a server that
        is not to be trusted.

        `unlike`: the one that had no key for the token, so that it may be fetched anew.
        """
        key = (issuer, thumbprints)
        at, found = self._kept.get(key, (-KEPT_S, None))
        age_s = cx.now - at
        is_good = isinstance(found, dict) and found is not unlike
        if age_s >= KEPT_S or (age_s >= RETRY_S and not is_good):
            asked = self._asked.get(key)
            if asked is None:
                asked = self._asked[key] = asyncio.ensure_future(self._ask(cx, key))
            # Who gives up waiting does not take the answer from the others.
            found = await asyncio.shield(asked)
        if isinstance(found, AwsError):
            raise InvalidIdentityTokenException(found.message)
        return found

    async def _ask(self, cx: Context, key: Key) -> KeySet | AwsError | None:
        found: KeySet | AwsError | None
        try:
            found = await _fetch(cx, *key)
        except InvalidIdentityTokenException as error:
            found = error
        finally:
            del self._asked[key]
        if len(self._kept) >= PROVIDERS_MAX:
            self._kept.clear()
        self._kept[key] = (cx.now, found)
        return found


async def _fetch(cx: Context, issuer: str, thumbprints: tuple[str, ...]) -> KeySet | None:
    try:
        about = await _document(
            cx, issuer.rstrip("/") + "/.well-known/openid-configuration", thumbprints
        )
        if about.get("issuer") != issuer:
            return None
        keys = await _document(cx, str(about["jwks_uri"]), thumbprints)
    except AwsError as error:
        if error.code == "UntrustedCertificate":
            raise InvalidIdentityTokenException(
                "OpenIDConnect provider's HTTPS certificate doesn't match configured thumbprint"
            ) from error
        return None
    except (OSError, KeyError, ValueError, TimeoutError):
        return None
    return keys if isinstance(keys.get("keys"), list) else None


async def _document(cx: Context, url: str, thumbprints: tuple[str, ...]) -> dict[str, Any]:
    """A JSON object at `url`. Raises ValueError for anything else; redirects are not followed."""
    parts = urlsplit(url)
    if parts.scheme != "https" or not parts.hostname:
        raise ValueError(f"{url} is no https URL")
    headers = [("Host", parts.netloc), ("Accept", "application/json")]
    request = HttpRequest(
        method="GET",
        path=parts.path or "/",
        query=parts.query,
        headers={name.lower(): value for name, value in headers},
        header_list=headers,
        scheme="https",
    )
    response = await cx.fetch(request, secure=True, thumbprints=thumbprints)
    body = await _whole(response.body)
    if response.status != 200:
        raise ValueError(f"{url} answered {response.status}")
    found = orjson.loads(body)
    if not isinstance(found, dict):
        raise ValueError(f"{url} is no JSON object")
    return found


async def _whole(body: bytes | AsyncIterator[bytes]) -> bytes:
    if isinstance(body, bytes):
        taken = body
    else:
        taken = b""
        async for part in body:
            taken += part
            if len(taken) > DOCUMENT_BYTES_MAX:
                break
    if len(taken) > DOCUMENT_BYTES_MAX:
        raise ValueError("the document is too large")
    return taken
