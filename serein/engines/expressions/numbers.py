"""DynamoDB numbers: 38 significant digits, 1E-130 to 9.99…E+125, exact, kept as text in normal form.

https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/HowItWorks.NamingRulesDataTypes.html
"""

from __future__ import annotations

import re
from collections.abc import Callable
from decimal import Context, Decimal, InvalidOperation

from serein.engines.expressions.errors import ValidationException

DIGITS_MAX = 38
EXPONENT_MAX = 125  # of the leading digit, as in 9.99E+125
EXPONENT_MIN = -130

# Wide enough that no sum of two DynamoDB numbers (256 orders of magnitude apart) is ever rounded.
_EXACT = Context(prec=320, Emax=10_000, Emin=-10_000, traps=[InvalidOperation])
_CHARACTERS_MAX = 1000

# Most numbers come in normal form; these need no arithmetic to see it.
_normal: Callable[[str], re.Match[str] | None] = re.compile(
    r"0|-?[1-9][0-9]{0,37}|-?(?:0|[1-9][0-9]{0,17})\.[0-9]{0,17}[1-9]"
).fullmatch
_any: Callable[[str], re.Match[str] | None] = re.compile(
    r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]{1,9})?"
).fullmatch


def normalise_number(text: str) -> str:
    """`text` as DynamoDB gives it back: plain notation, no needless zeros. Raises ValidationException."""
    if _normal(text) is not None:
        return text
    if not text:
        raise ValidationException("The parameter cannot be converted to a numeric value")
    if len(text) > _CHARACTERS_MAX or _any(text) is None:
        raise ValidationException(f"The parameter cannot be converted to a numeric value: {text}")
    return number_text(Decimal(text))


def number_text(value: Decimal) -> str:
    """The normal form of an exact value. Raises ValidationException outside DynamoDB's range."""
    sign, digits, exponent = value.as_tuple()
    assert isinstance(exponent, int)
    significant = "".join(map(str, digits)).lstrip("0")
    if not significant:
        return "0"
    adjusted = exponent + len(significant) - 1
    trimmed = significant.rstrip("0")
    exponent += len(significant) - len(trimmed)
    if adjusted > EXPONENT_MAX:
        raise ValidationException(
            "Number overflow. Attempting to store a number with magnitude larger than supported range"
        )
    if adjusted < EXPONENT_MIN:
        raise ValidationException(
            "Number underflow. Attempting to store a number with magnitude smaller than supported range"
        )
    if len(trimmed) > DIGITS_MAX:
        raise ValidationException("Attempting to store more than 38 significant digits in a Number")
    return ("-" if sign else "") + _place_point(trimmed, exponent)


def _place_point(digits: str, exponent: int) -> str:
    if exponent >= 0:
        return digits + "0" * exponent
    whole = len(digits) + exponent
    if whole > 0:
        return f"{digits[:whole]}.{digits[whole:]}"
    return f"0.{'0' * -whole}{digits}"


def number_value(text: str) -> int | Decimal:
    """A number in normal form as something that compares exactly."""
    return Decimal(text) if "." in text else int(text)


def add_numbers(left: str, right: str) -> str:
    """The exact sum of two numbers in normal form. Raises ValidationException when it does not fit."""
    a, b = number_value(left), number_value(right)
    if isinstance(a, int) and isinstance(b, int):
        return normalise_number(str(a + b))
    return number_text(_EXACT.add(Decimal(a), Decimal(b)))


def subtract_numbers(left: str, right: str) -> str:
    """The exact difference of two numbers in normal form. Raises ValidationException when it does not fit."""
    return add_numbers(left, negate(right))


def negate(text: str) -> str:
    """The number of opposite sign, in normal form."""
    if text == "0":
        return text
    return text[1:] if text[0] == "-" else f"-{text}"


def number_size(text: str) -> int:
    """Bytes that DynamoDB counts for a number in normal form: one for two digits, one more, one for a sign."""
    if len(text) <= 2 and text[-1] != "0" and text[0] != "-":
        return 2
    digits = text.lstrip("-").replace(".", "").strip("0")
    return (len(digits) + 1) // 2 + 1 + (text[0] == "-")


_COMPLEMENT = str.maketrans("0123456789", "9876543210")


def encode_number(text: str) -> bytes:
    """A key for a number in normal form: keys compare as bytes the way the numbers do.

    Sign byte, exponent byte, digits; for negative numbers the exponent and digits are complemented
    and closed by a byte that is larger than any digit.
    """
    if text == "0":
        return b"\x80"
    negative = text[0] == "-"
    whole, _, fraction = text[negative:].partition(".")
    if whole != "0":
        exponent = len(whole)
        digits = (whole + fraction).rstrip("0")
    else:
        digits = fraction.lstrip("0")
        exponent = len(digits) - len(fraction)
    if negative:
        return (
            bytes((0x40, 255 - (exponent + 129))) + digits.translate(_COMPLEMENT).encode() + b"\xff"
        )
    return bytes((0xC0, exponent + 129)) + digits.encode()
