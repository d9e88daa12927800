"""The short way for the common request: head and body complete in one read, nothing unusual in the head.

Lines seen before are not looked at again, which saves most of the time that a callback per header needs. What is
taken here is a part of what the full parser accepts, and means the same there; anything else is left to it.
"""

from __future__ import annotations

import re

from serein.front.limits import Limits
from serein.wire.http import HttpRequest

_FIRST = re.compile(
    r"(GET|HEAD|POST|PUT|DELETE|PATCH|OPTIONS) "
    r"(/[A-Za-z0-9/._~%!$&'()*+,;=:@\-]*)(?:\?([A-Za-z0-9/._~%!$&'()*+,;=:@?\-]*))? HTTP/1\.1"
)
_NAME = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_HOST = re.compile(r"[A-Za-z0-9\-._:]+")
_LENGTH = re.compile(r"[0-9]{1,9}")
_UNUSUAL = ("transfer-encoding", "expect", "upgrade")
_REPEATED = frozenset(
    [
        "host",
        "user-agent",
        "accept",
        "accept-encoding",
        "accept-language",
        "connection",
        "content-type",
        "content-length",
        "x-amz-target",
        "x-amz-user-agent",
        "x-amz-security-token",
        "amz-sdk-request",
        "x-amz-content-sha256",
        "origin",
        "referer",
        "cookie",
        "x-amzn-query-mode",
        "x-amz-sdk-checksum-algorithm",
        "smithy-protocol",
    ]
)
_NAMES_KEPT_MAX = 1024
_LINES_KEPT_MAX = 2048
_LINE_CHARS_MAX = 512
_TARGET_CHARS_MAX = 64


class NotPlain(Exception):
    """Something that the full parser must look at."""


class KnownNames(dict[str, str]):
    """Header names to lower case, looked at once each."""

    def __missing__(self, name: str) -> str:
        if _NAME.fullmatch(name) is None:
            raise NotPlain
        lower = name.lower()
        if len(self) < _NAMES_KEPT_MAX and len(name) <= 64:
            self[name] = lower
        return lower


class KnownLines(dict[str, tuple[str, str, tuple[str, str]]]):
    """Header lines to lower-case name, value, and the pair as sent. Clients repeat most of theirs in every request,
    so those that are likely to come again are taken apart once."""

    def __init__(self) -> None:
        super().__init__()
        self._names = KnownNames()
        self.targets: dict[str, tuple[str, str, str]] = {}
        """Request lines to method, path and query; short ones are kept."""

    def __missing__(self, line: str) -> tuple[str, str, tuple[str, str]]:
        name, colon, value = line.partition(":")
        lower = self._names[name]
        # Printable ASCII has no control characters; others (and tabs) are for the full parser.
        if not (colon and line.isascii() and line.isprintable()):
            raise NotPlain
        value = value.strip(" ")
        known = (lower, value, (name, value))
        if lower in _REPEATED and len(line) <= _LINE_CHARS_MAX:
            if len(self) >= _LINES_KEPT_MAX:
                self.clear()
            self[line] = known
        return known


class QuickReader:
    """Takes whole, plain requests out of input; None for everything else."""

    def __init__(self, limits: Limits, lines: KnownLines) -> None:
        self._lines = lines
        self._targets = lines.targets
        self._head_bytes_max = min(limits.header_bytes_max // 2, limits.uri_bytes_max)
        self._count_max = limits.header_count_max
        self._body_bytes_max = limits.buffered_body_bytes

    def take(
        self, data: bytes, at: int, scheme: str, peer: str, now: float
    ) -> tuple[HttpRequest, int] | None:
        """The request that begins at `at`, and where it ends; None when it is for the full parser."""
        end = data.find(b"\r\n\r\n", at)
        if end < 0 or end - at > self._head_bytes_max:
            return None
        first, *lines = data[at:end].decode("latin-1").split("\r\n")
        target = self._targets.get(first) or self._target_of(first)
        if target is None or len(lines) > self._count_max:
            return None
        known = self._lines
        try:
            fields = [known[line] for line in lines]
        except NotPlain:
            return None
        headers = {field[0]: field[1] for field in fields}
        host = headers.get("host")
        if (
            len(headers) != len(fields)
            or host is None
            or not headers.keys().isdisjoint(_UNUSUAL)
            or _HOST.fullmatch(host) is None
            or headers.get("connection", "keep-alive") != "keep-alive"
        ):
            return None
        method, path, query = target
        end += 4
        body = b""
        length = headers.get("content-length")
        if length is not None:
            if _LENGTH.fullmatch(length) is None:
                return None
            until = end + int(length)
            if until > len(data) or until - end > self._body_bytes_max:
                return None
            body = data[end:until]
            end = until
        request = HttpRequest(
            method,
            path,
            query,
            headers,
            [field[2] for field in fields],
            body,
            scheme,
            peer,
            now,
        )
        return request, end

    def _target_of(self, line: str) -> tuple[str, str, str] | None:
        """Method, path and query of a plain request line."""
        found = _FIRST.fullmatch(line)
        if found is None:
            return None
        target = (found[1], found[2], found[3] or "")
        if len(line) <= _TARGET_CHARS_MAX:
            if len(self._targets) >= _LINES_KEPT_MAX:
                self._targets.clear()
            self._targets[line] = target
        return target
