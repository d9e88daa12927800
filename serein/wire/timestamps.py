"""Timestamps on the wire: float epoch seconds in Python, three formats outside.

https://smithy.io/2.0/aws/protocols/aws-restjson1-protocol.html#timestamp-format-resolution
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from serein.wire.shapes import TimestampFormat

_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_ISO = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)(?:[Tt ](\d\d):(\d\d)(?::(\d\d)(?:\.(\d{1,12}))?)?)?\s*([Zz]|[+-]\d\d:?\d\d)?"
)
_BASIC_ISO = re.compile(r"(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)(?:\.(\d{1,12}))?(Z)?")
_RFC = re.compile(
    r"(?:[A-Za-z]{3,9},?\s+)?(\d{1,2})[ -]([A-Za-z]{3})[ -](\d{4}|\d\d)\s+"
    r"(\d\d):(\d\d):(\d\d)(?:\.(\d{1,12}))?\s*(GMT|UTC|Z|[+-]\d{4})?"
)
_TEXTS_KEPT = 1024
"""Answers of one kind name the same few seconds again and again (objects that were stored together)."""
_NUMBER = re.compile(r"[+-]?\d{1,15}(?:\.\d{1,12})?(?:[eE][+-]?\d{1,2})?")


def parse_text(text: str) -> float:
    """Epoch seconds of a timestamp in any of AWS's formats. Raises ValueError."""
    text = text.strip()
    if found := _NUMBER.fullmatch(text):
        return float(found[0])
    if found := _ISO.fullmatch(text) or _BASIC_ISO.fullmatch(text):
        year, month, day, hour, minute, second, fraction, zone = found.groups()
        moment = _moment(int(year), int(month), int(day), hour, minute, second)
        return moment + _fraction(fraction) - _offset_s(zone)
    if found := _RFC.fullmatch(text):
        day, month_name, year, hour, minute, second, fraction, zone = found.groups()
        month = _MONTHS.index(month_name.capitalize()) + 1
        full_year = int(year) + (2000 if len(year) == 2 else 0)
        moment = _moment(full_year, month, int(day), hour, minute, second)
        return moment + _fraction(fraction) - _offset_s(zone)
    raise ValueError(f"not a timestamp: {text[:64]}")


def parse_number(value: float) -> float:
    """Epoch seconds of a JSON or CBOR number. Raises ValueError for what no calendar has."""
    if not -6.3e10 < value < 2.6e11:
        raise ValueError("timestamp out of range")
    return float(value)


def _moment(
    year: int, month: int, day: int, hour: str | None, minute: str | None, second: str | None
) -> float:
    seconds = int(second or 0)
    leap = 1 if seconds == 60 else 0
    at = datetime(year, month, day, int(hour or 0), int(minute or 0), seconds - leap, tzinfo=UTC)
    return (at - _EPOCH).total_seconds() + leap


def _fraction(digits: str | None) -> float:
    return float("0." + digits) if digits else 0.0


def _offset_s(zone: str | None) -> int:
    if not zone or zone[0] not in "+-":
        return 0
    minutes = int(zone[1:3]) * 60 + int(zone[-2:])
    return minutes * 60 if zone[0] == "+" else -minutes * 60


def _text(whole_s: int) -> str:
    """`2015-01-01T12:00:00`; raises ValueError or OverflowError for what no calendar has."""
    return datetime.fromtimestamp(whole_s, UTC).isoformat()[:19]


def iso8601(seconds: float) -> str:
    """`2015-01-01T12:00:00Z`, with milliseconds where there are some."""
    whole, millis = divmod(round(seconds * 1000), 1000)
    return f"{_text(whole)}.{millis:03d}Z" if millis else f"{_text(whole)}Z"


def iso8601_millis(seconds: float) -> str:
    """`2015-01-01T12:00:00.000Z`: with milliseconds always, as S3 and most query services write it."""
    text = iso8601(seconds)
    return text if "." in text else f"{text[:-1]}.000Z"


def rfc822(seconds: float) -> str:
    """`Thu, 01 Jan 2015 12:00:00 GMT`."""
    return _rfc822_of(int(seconds // 1))


@lru_cache(_TEXTS_KEPT)
def _rfc822_of(whole: int) -> str:
    text = _text(whole)
    # The first of January 1970 was a Thursday.
    day = _DAYS[(whole // 86_400 + 3) % 7]
    return f"{day}, {text[8:10]} {_MONTHS[int(text[5:7]) - 1]} {text[:4]} {text[11:19]} GMT"


def unix(seconds: float) -> int | float:
    """Epoch seconds as a JSON number, to the millisecond."""
    whole = int(seconds)
    return whole if whole == seconds else round(seconds, 3)


def unix_text(seconds: float) -> str:
    """Epoch seconds as text."""
    return str(unix(seconds))


def writer_of(form: TimestampFormat) -> Callable[[Any], str]:
    """The function that writes epoch seconds as text in `form`."""
    if form == "iso8601":
        return iso8601
    return rfc822 if form == "rfc822" else unix_text
