"""Condition operators on numbers, dates, truths, bytes and addresses: policy values compiled to a comparison.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html
"""

from __future__ import annotations

import base64
import binascii
import ipaddress
import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from functools import lru_cache
from operator import eq, ge, gt, le, lt
from typing import TypeVar

Compare = Callable[[str], bool]
T = TypeVar("T")


class InvalidConditionValue(ValueError):
    """A policy's value that its operator cannot read."""


_DIGITS_MAX = 40


_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d{1,3})?", re.ASCII)


def _number(text: str) -> Decimal:
    text = text.strip()
    if len(text) > _DIGITS_MAX or _NUMBER.fullmatch(text) is None:
        raise ValueError(text)
    return Decimal(text)


_DATE = re.compile(
    r"(\d{4})(?:-(\d{2})(?:-(\d{2})(?:T(\d{2}):(\d{2})(?::(\d{2})(\.\d{1,9})?)?(Z|[+-]\d{2}:?\d{2})?)?)?)?Z?",
    re.ASCII,
)


def _date(text: str) -> float:
    """Epoch seconds of a W3C date (the ISO 8601 profile) or of a number of seconds."""
    text = text.strip()
    found = _DATE.fullmatch(text)
    if found is None or (text.isdigit() and len(text) != 4):
        return float(_number(text))
    year, month, day, hour, minute, second, fraction, zone = found.groups()
    moment = datetime(
        int(year), int(month or 1), int(day or 1), int(hour or 0), int(minute or 0), int(second or 0),
        tzinfo=UTC,
    )  # fmt: skip
    seconds = moment.timestamp() + float(fraction or 0)
    if zone and zone != "Z":
        sign = -1 if zone[0] == "+" else 1
        seconds += sign * (int(zone[1:3]) * 3600 + int(zone[-2:]) * 60)
    return seconds


def truth(text: str) -> bool:
    """True or False. Raises InvalidConditionValue."""
    lowered = text.lower()
    if lowered not in ("true", "false"):
        raise InvalidConditionValue(text)
    return lowered == "true"


def _ordered(
    read: Callable[[str], T], compare: Callable[[T, T], bool]
) -> Callable[[Sequence[str]], Compare]:
    """A family of comparisons of what `read` reads; a request's value that cannot be read matches nothing."""

    def build(values: Sequence[str]) -> Compare:
        try:
            wanted = tuple(read(value) for value in values)
        except (ValueError, OverflowError) as error:
            raise InvalidConditionValue(str(error)) from error

        def test(value: str) -> bool:
            try:
                found = read(value)
            except (ValueError, OverflowError):
                return False
            return any(compare(found, limit) for limit in wanted)

        return test

    return build


def _bools(values: Sequence[str]) -> Compare:
    wanted = frozenset("true" if truth(value) else "false" for value in values)
    return lambda value: value.lower() in wanted


def _bytes(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise ValueError(text) from error


_Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def _addresses(values: Sequence[str]) -> Compare:
    try:
        networks: tuple[_Network, ...] = tuple(
            ipaddress.ip_network(value.strip(), strict=False) for value in values
        )
    except ValueError as error:
        raise InvalidConditionValue(str(error)) from error

    def holds(value: str) -> bool:
        try:
            address = ipaddress.ip_address(value)
        except ValueError:
            return False
        # A v4 address that arrives on a v6 socket is still that v4 address.
        mapped = getattr(address, "ipv4_mapped", None)
        seen = mapped or address
        return any(network.version == seen.version and seen in network for network in networks)

    # Reading an address costs more than a whole decision, and callers come from few.
    return lru_cache(maxsize=256)(holds)


# Name in lower case: (positive form, builder of the comparison).
OPERATORS: dict[str, tuple[bool, Callable[[Sequence[str]], Compare]]] = {
    "numericequals": (True, _ordered(_number, eq)),
    "numericnotequals": (False, _ordered(_number, eq)),
    "numericlessthan": (True, _ordered(_number, lt)),
    "numericlessthanequals": (True, _ordered(_number, le)),
    "numericgreaterthan": (True, _ordered(_number, gt)),
    "numericgreaterthanequals": (True, _ordered(_number, ge)),
    "dateequals": (True, _ordered(_date, eq)),
    "datenotequals": (False, _ordered(_date, eq)),
    "datelessthan": (True, _ordered(_date, lt)),
    "datelessthanequals": (True, _ordered(_date, le)),
    "dategreaterthan": (True, _ordered(_date, gt)),
    "dategreaterthanequals": (True, _ordered(_date, ge)),
    "bool": (True, _bools),
    "binaryequals": (True, _ordered(_bytes, eq)),
    "ipaddress": (True, _addresses),
    "notipaddress": (False, _addresses),
}
