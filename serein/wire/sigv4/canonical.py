"""The canonical forms that a signature is made of: path, query, headers.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
"""

from __future__ import annotations

import re
from urllib.parse import quote, unquote_to_bytes

S3_SERVICES = frozenset({"s3", "s3express", "s3-object-lambda", "s3-outposts"})
"""Services whose paths are encoded once and never normalised."""

_PLAIN_PATH = re.compile(r"[A-Za-z0-9\-_~/]*\Z", re.ASCII)
_PLAIN_S3_PATH = re.compile(r"[A-Za-z0-9\-._~/]*\Z", re.ASCII)
_PLAIN_QUERY = re.compile(r"[A-Za-z0-9\-._~]+=[A-Za-z0-9\-._~]*\Z", re.ASCII)
_SPACES = re.compile(r"[ \t\r\n]+")
_SAFE = "-._~"
_PATH_SAFE = "-._~/"


def raw_bytes(text: str) -> bytes:
    """The bytes a latin-1 decoded part of a request came from (UTF-8 for text that never was latin-1)."""
    try:
        return text.encode("latin-1")
    except UnicodeEncodeError:
        return text.encode()


def canonical_path_s3(path: str) -> str:
    """The path of an S3 request: its bytes encoded once, nothing normalised."""
    if _PLAIN_S3_PATH.match(path):
        return path or "/"
    return quote(unquote_to_bytes(raw_bytes(path)), safe=_PATH_SAFE)


def canonical_path(path: str) -> str:
    """The path of any other service's request: dot segments resolved, then encoded once more."""
    if "//" not in path and _PLAIN_PATH.match(path):
        return path or "/"
    kept: list[str] = []
    for segment in path.split("/"):
        if segment == "..":
            if kept:
                kept.pop()
        elif segment not in ("", "."):
            kept.append(segment)
    slash = "/" if kept and path.endswith(("/", "/.", "/..")) else ""
    return quote(raw_bytes("/" + "/".join(kept) + slash), safe=_PATH_SAFE)


def canonical_query(query: str, without: str = "") -> str:
    """The query with each name and value encoded and sorted; the parameter `without` (lower case) left out."""
    if not query or (not without and _PLAIN_QUERY.match(query)):
        return query
    pairs: list[tuple[str, str]] = []
    for pair in query.split("&"):
        if not pair:
            continue
        name, _, value = pair.partition("=")
        name = _encoded(name)
        if without and name.lower() == without:
            continue
        pairs.append((name, _encoded(value)))
    pairs.sort()
    return "&".join([f"{name}={value}" for name, value in pairs])


def _encoded(text: str) -> str:
    if text.isalnum() and text.isascii():
        return text
    return quote(unquote_to_bytes(raw_bytes(text.replace("+", " "))), safe=_SAFE)


def canonical_value(value: str) -> str:
    """A header's value trimmed, runs of blanks made one."""
    if "  " in value or "\t" in value or "\n" in value or value[:1] == " " or value[-1:] == " ":
        return _SPACES.sub(" ", value).strip(" ")
    return value
