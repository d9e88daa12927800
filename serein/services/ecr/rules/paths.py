"""Addresses of the registry's HTTP API.

https://github.com/opencontainers/distribution-spec/blob/main/spec.md#endpoints
"""

from __future__ import annotations

import re

import msgspec

_ROUTES = (
    ("upload", re.compile(r"/v2/(?P<name>.+)/blobs/uploads/(?P<what>[^/]+)\Z")),
    ("uploads", re.compile(r"/v2/(?P<name>.+)/blobs/uploads/?\Z")),
    ("blob", re.compile(r"/v2/(?P<name>.+)/blobs/(?P<what>[^/]+)\Z")),
    ("manifest", re.compile(r"/v2/(?P<name>.+)/manifests/(?P<what>[^/]+)\Z")),
    ("referrers", re.compile(r"/v2/(?P<name>.+)/referrers/(?P<what>[^/]+)\Z")),
    ("tags", re.compile(r"/v2/(?P<name>.+)/tags/list/?\Z")),
    ("catalog", re.compile(r"/v2/_catalog/?\Z")),
    ("ping", re.compile(r"/v2/?\Z")),
)
_RANGE = re.compile(r"bytes=(\d*)-(\d*)\Z")
_CONTENT_RANGE = re.compile(r"(?:bytes[= ])?(\d+)-(\d+)(?:/\S+)?\Z")


class Address(msgspec.Struct, frozen=True):
    """What a path is about: a kind of thing, in a repository, by name."""

    kind: str
    name: str
    what: str


def parse(path: str) -> Address | None:
    """What a path (decoded) is about, or None."""
    for kind, pattern in _ROUTES:
        found = pattern.match(path)
        if found is not None:
            groups = found.groupdict()
            return Address(kind, groups.get("name", ""), groups.get("what", ""))
    return None


def parse_range(header: str, size: int) -> tuple[int, int] | None:
    """Start and end (exclusive) of a Range header; None for the whole. Raises ValueError where nothing of it exists."""
    found = _RANGE.match(header.strip().replace(" ", ""))
    if found is None or found.groups() == ("", ""):
        return None
    first, last = found.groups()
    if not first:
        if int(last) == 0:
            raise ValueError(header)
        return max(0, size - int(last)), size
    start = int(first)
    if last and int(last) < start:
        return None
    if start >= size:
        raise ValueError(header)
    return start, min(int(last) + 1, size) if last else size


def parse_content_range(header: str) -> tuple[int, int] | None:
    """First and last byte of a piece, or None. Raises ValueError for what cannot be read."""
    if not header:
        return None
    found = _CONTENT_RANGE.match(header.strip())
    if found is None or int(found[2]) < int(found[1]):
        raise ValueError(header)
    return int(found[1]), int(found[2])
