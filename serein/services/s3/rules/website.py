"""Bucket websites: which key a path means, where routing rules lead, and pages for errors.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/WebsiteHosting.html
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any
from urllib.parse import quote

import msgspec

Configuration = Mapping[str, Any]
_TITLES: Mapping[int, str] = {
    400: "Bad Request",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    416: "Requested Range Not Satisfiable",
    500: "Internal Server Error",
    503: "Service Unavailable",
}


class Redirect(msgspec.Struct, frozen=True):
    """Where to, and with which status."""

    status: int
    location: str


def redirect_all(configuration: Configuration, scheme: str, path: str) -> Redirect | None:
    """The redirect of a website that only redirects. `path` is still encoded, with its query."""
    target = configuration.get("RedirectAllRequestsTo")
    if not target:
        return None
    protocol = target.get("Protocol") or scheme
    return Redirect(301, f"{protocol}://{target['HostName']}{path}")


def index_key(configuration: Configuration, key: str) -> str:
    """The key that a path means: the index document of a folder."""
    suffix: str = (configuration.get("IndexDocument") or {}).get("Suffix", "")
    return key + suffix if not key or key.endswith("/") else key


def routed(
    configuration: Configuration, key: str, scheme: str, host: str, error: int = 0
) -> Redirect | None:
    """The redirect of the first routing rule that holds for a key (and an error's status)."""
    rules: Sequence[Mapping[str, Any]] = configuration.get("RoutingRules") or ()
    for rule in rules:
        condition = rule.get("Condition") or {}
        prefix = condition.get("KeyPrefixEquals")
        wanted = condition.get("HttpErrorCodeReturnedEquals")
        if prefix is not None and not key.startswith(prefix):
            continue
        if (wanted is None) != (error == 0) or (wanted is not None and int(wanted) != error):
            continue
        return _target(rule.get("Redirect") or {}, prefix or "", key, scheme, host)
    return None


def _target(redirect: Mapping[str, Any], prefix: str, key: str, scheme: str, host: str) -> Redirect:
    if redirect.get("ReplaceKeyWith") is not None:
        key = redirect["ReplaceKeyWith"]
    elif redirect.get("ReplaceKeyPrefixWith") is not None:
        key = redirect["ReplaceKeyPrefixWith"] + key[len(prefix) :]
    status = int(redirect.get("HttpRedirectCode") or 301)
    base = f"{redirect.get('Protocol') or scheme}://{redirect.get('HostName') or host}"
    return Redirect(status, f"{base}/{quote(key, safe='/~-._')}")


def error_page(
    status: int,
    code: str,
    message: str,
    fields: Mapping[str, Any],
    request_id: str,
    host_id: str,
    then: str = "",
) -> bytes:
    """The page of an error; `then` tells that the custom error document could not be had."""
    title = f"{status} {_TITLES.get(status, code)}"
    told = {"Code": code, "Message": message, **fields, "RequestId": request_id, "HostId": host_id}
    items = "".join(f"<li>{name}: {escape(str(value))}</li>\n" for name, value in told.items())
    more = f"<h3>{escape(then)}</h3>\n" if then else ""
    return (
        f"<html>\n<head><title>{title}</title></head>\n<body>\n<h1>{title}</h1>\n<ul>\n{items}</ul>\n{more}"
        "<hr/>\n</body>\n</html>\n"
    ).encode()
