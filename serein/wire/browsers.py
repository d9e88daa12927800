"""Requests that a web page of somebody else makes a visitor's browser send to this machine.

In open mode any access key will do, so what tells a person's own tools from a page is where the request comes from: the name that was
asked (a page whose name was made to point here, DNS rebinding, asks for its own) and the page that set it off (cross-site requests).
https://fetch.spec.whatwg.org/#origin-header, https://www.w3.org/TR/fetch-metadata/#sec-fetch-site-header
"""

from __future__ import annotations

import re

from serein.wire.http import HttpRequest

_LOOPBACK = re.compile(
    r"https?://(localhost|([a-z0-9-]+\.)+localhost|127(\.\d{1,3}){3}|\[::1\])(:\d{1,5})?(/|\Z)",
    re.ASCII,
)
_USUAL = ("127.0.0.1:", "localhost:")
_OWN_SUFFIXES = (
    ".localhost", ".localhost.localstack.cloud", ".amazonaws.com", ".amazonaws.com.cn", ".local", ".internal", ".test",
)  # fmt: skip
"""Names that no stranger can point here: reserved ones, AWS's own, and localhost's."""


def asks_for_another_host(request: HttpRequest) -> bool:
    """Whether the Host is a name that somebody else may own, as a page has that was made to point here."""
    if request.headers.get("host", "").startswith(_USUAL):
        return False
    host = request.host
    if "." not in host or host[-1:].isdigit() or host[:1] == "[":
        return False  # no name at all, a name of this network, or an address
    return not host.endswith(_OWN_SUFFIXES) and host != "localhost.localstack.cloud"


def comes_from_another_site(request: HttpRequest) -> bool:
    """Whether a page that is not of this machine set it off."""
    headers = request.headers
    origin = headers.get("origin")
    if origin is not None:
        return origin != _own_origin(request) and not _is_of_this_machine(origin)
    if headers.get("sec-fetch-site") != "cross-site":
        return False
    return not _is_of_this_machine(headers.get("referer", ""))


def _own_origin(request: HttpRequest) -> str:
    return f"{request.scheme}://{request.headers.get('host', '')}"


def _is_of_this_machine(url: str) -> bool:
    """Whether a page's address is a loopback one, written as browsers write it."""
    return _LOOPBACK.match(url) is not None
