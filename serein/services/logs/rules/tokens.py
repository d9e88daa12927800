"""Positions in a stream as AWS writes them: `f/<56 digits>/s`; and event ids, of 56 digits too."""

from __future__ import annotations

import re
import zlib

from serein.services.logs.model import InvalidParameterException

_TOKEN = re.compile(r"([fb])/(\d{18})(\d{38})/s\Z")


def encode_position(direction: str, timestamp_ms: int, sequence: int) -> str:
    """The token for what lies after ("f") or before ("b") the event at this position."""
    return f"{direction}/{timestamp_ms:018d}{sequence:038d}/s"


def decode_position(token: str) -> tuple[str, int, int]:
    """Direction, timestamp and sequence. Raises InvalidParameterException."""
    found = _TOKEN.match(token)
    if found is None:
        raise invalid_token()
    return found[1], int(found[2]), int(found[3])


def invalid_token() -> InvalidParameterException:
    """What AWS says of a token that is none."""
    return InvalidParameterException("The specified nextToken is invalid.")


def event_id(timestamp_ms: int, stream_id: str, sequence: int) -> str:
    """An id that is unique in the group and sorts by time."""
    stream = zlib.crc32(stream_id.encode()) << 32 | zlib.adler32(stream_id.encode())
    return f"3{timestamp_ms:016d}{stream:020d}{sequence:019d}"
