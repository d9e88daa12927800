"""Listings: keys rolled up at a delimiter into common prefixes, a page at a time, without walking what is rolled up.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/ListingKeysUsingAPIs.html
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Generic, TypeVar
from urllib.parse import quote

import msgspec

from serein.services.s3.rules.errors import invalid_argument

KEYS_MAX = 1000
R = TypeVar("R")
Walk = Callable[[str, bool], Iterator[R]]
"""From a key (without what begins with it, if True) on, in order of keys."""
AFTER_ALL = "\U0010ffff"


class Page(msgspec.Struct, Generic[R]):
    """One page: entries and common prefixes in order; `last` is the key or prefix it ended with."""

    entries: list[R]
    prefixes: list[str]
    last: str
    is_truncated: bool


def take(
    walk: Walk[R],
    key_of: Callable[[R], str],
    *,
    prefix: str,
    delimiter: str,
    after: str,
    most: int,
    visible: Callable[[R], bool],
) -> Page[R]:
    """The next `most` keys and prefixes behind `after` ("" from the start).

    `walk(start, beyond)` gives records from the key `start` on; with `beyond` it skips every key that begins with `start`.
    """
    page: Page[R] = Page([], [], "", False)
    start, beyond = max(prefix, after), False
    if delimiter and after.startswith(prefix):
        rolled = _rolled(after, prefix, delimiter)
        if rolled is not None and rolled == after:
            start, beyond = rolled, True
    while True:
        jumped = False
        for found in walk(start, beyond):
            key = key_of(found)
            if not key.startswith(prefix):
                if key > prefix:
                    return page
                continue
            if key <= after or not visible(found):
                continue
            rolled = _rolled(key, prefix, delimiter) if delimiter else None
            if len(page.entries) + len(page.prefixes) == most:
                page.is_truncated = True
                return page
            if rolled is None:
                page.entries.append(found)
                page.last = key
                continue
            page.prefixes.append(rolled)
            page.last = rolled
            start, beyond, jumped = rolled, True, True
            break
        if not jumped:
            return page


def _rolled(key: str, prefix: str, delimiter: str) -> str | None:
    """The common prefix that `key` is rolled up into, or None."""
    at = key.find(delimiter, len(prefix))
    return None if at < 0 else key[: at + len(delimiter)]


def encoder(encoding: str | None) -> Callable[[str], str]:
    """How keys are written in an answer. Raises InvalidArgument for an unknown encoding type."""
    if encoding is None:
        return _as_it_is
    if encoding != "url":
        raise invalid_argument(
            "Invalid Encoding Method specified in Request", "encoding-type", encoding
        )
    return _in_url


def _as_it_is(key: str) -> str:
    return key


def _in_url(key: str) -> str:
    return quote(key, safe="/*-._").replace("%20", "+")


def page_size(asked: int | None, member: str = "max-keys") -> int:
    """How many entries a page may have. Raises InvalidArgument for what is out of bounds."""
    if asked is None:
        return KEYS_MAX
    if asked < 0 or asked > 2**31 - 1:
        raise invalid_argument(
            f"Argument {member} must be an integer between 0 and 2147483647", member, asked
        )
    return min(asked, KEYS_MAX)
