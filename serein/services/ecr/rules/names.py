"""Names as the registry checks them: digests, tags, mutability; and wildcards over tags.

https://docs.aws.amazon.com/AmazonECR/latest/userguide/image-tag-mutability.html
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterable

from serein.services.ecr.records import Repository

_DIGEST = re.compile(r"sha256:[a-f0-9]{64}\Z")
_TAG = re.compile(r"[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}\Z")
_NAME = re.compile(r"[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*(/[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*)*\Z")
NAME_LENGTH_MAX = 256


def is_digest(text: str) -> bool:
    """Whether this is a SHA-256 digest as manifests write it (no other algorithm is known here)."""
    return _DIGEST.match(text) is not None


def is_tag(text: str) -> bool:
    """Whether an image can have this tag."""
    return _TAG.match(text) is not None


def is_repository_name(text: str) -> bool:
    """Whether a repository can have this name."""
    return 2 <= len(text) <= NAME_LENGTH_MAX and _NAME.match(text) is not None


def matches_any(tag: str, patterns: Iterable[str]) -> bool:
    """Whether a tag is one of these; `*` stands for anything."""
    return any(fnmatch.fnmatchcase(tag, pattern) for pattern in patterns)


def is_tag_fixed(repository: Repository, tag: str) -> bool:
    """Whether a tag, once given, stays with its image."""
    kind = repository.mutability
    if kind == "IMMUTABLE":
        return True
    if kind == "IMMUTABLE_WITH_EXCLUSION":
        return not matches_any(tag, repository.exclusions)
    if kind == "MUTABLE_WITH_EXCLUSION":
        return matches_any(tag, repository.exclusions)
    return False
