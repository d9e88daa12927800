"""Page tokens: opaque to callers, tied to the listing they came from, checked when they come back."""

from __future__ import annotations

import base64
import binascii
import zlib
from collections.abc import Callable, Iterable
from typing import TypeVar

import msgspec

R = TypeVar("R")
TokenPart = str | int | float | bytes | None


class InvalidPageToken(Exception):
    """The token is none of ours, or of another listing. The service says it in its own words."""


def encode_token(listing: str, *parts: TokenPart) -> str:
    """A token that carries `parts` for `listing` (any name that tells listings apart)."""
    packed = msgspec.msgpack.encode([listing, *parts])
    return base64.urlsafe_b64encode(zlib.crc32(packed).to_bytes(4, "big") + packed).decode()


def decode_token(listing: str, token: str) -> list[TokenPart]:
    """What `encode_token` was given. Raises InvalidPageToken."""
    try:
        raw = base64.urlsafe_b64decode(token.encode())
        if zlib.crc32(raw[4:]).to_bytes(4, "big") != raw[:4]:
            raise InvalidPageToken(token)
        parts = msgspec.msgpack.decode(raw[4:])
    except (ValueError, binascii.Error, msgspec.DecodeError) as error:
        raise InvalidPageToken(token) from error
    if not isinstance(parts, list) or parts[:1] != [listing]:
        raise InvalidPageToken(token)
    return parts[1:]


def take_page(
    items: Iterable[R], size: int, token_of: Callable[[R], str]
) -> tuple[list[R], str | None]:
    """The first `size` of `items`, and a token made of the last one taken when there are more."""
    page: list[R] = []
    for item in items:
        if len(page) == size:
            return page, token_of(page[-1])
        page.append(item)
    return page, None
