"""Numbers of sort keys: bytes that sort as the numbers do. And the decimals of CBOR's tag 4.

A header tells sign and exponent; the digits follow in groups of three, ten bits each, and a terminator that tells how
many of the last group count. Negative numbers have all of it turned round. The form is that of Amazon's clients.
"""

from __future__ import annotations

from serein.wire.dax.cbor import MalformedFrame

DIGITS_MAX = 80
"""DynamoDB has 38 and refuses more; what is longer than this is not even read."""
PLAIN_DIGITS_MAX = 38
_NEAR = 0x3E


def parts_of(text: str) -> tuple[bool, str, int]:
    """Sign, significant digits without needless zeros ("" for 0), and the exponent of the last digit, of a number's text."""
    is_negative = text.startswith("-")
    mantissa, _, exponent_text = text.lstrip("+-").lower().partition("e")
    whole, _, fraction = mantissa.partition(".")
    digits = (whole + fraction).lstrip("0")
    exponent = int(exponent_text or 0) - len(fraction)
    trimmed = digits.rstrip("0")
    return is_negative, trimmed, exponent + len(digits) - len(trimmed)


def text_of(is_negative: bool, digits: str, exponent: int) -> str:
    """A number's text: as DynamoDB writes it where it is short, else with an exponent."""
    digits = digits.lstrip("0")
    if not digits:
        return "0"
    sign = "-" if is_negative else ""
    if exponent == 0:
        return sign + digits
    if 0 < exponent <= 126:
        return sign + digits + "0" * exponent
    if -140 <= exponent < 0:
        padded = digits.rjust(1 - exponent, "0")
        fraction = padded[exponent:].rstrip("0")
        return f"{sign}{padded[:exponent]}.{fraction}" if fraction else sign + padded[:exponent]
    return f"{sign}{digits}E{exponent}"


def encode(text: str) -> bytes:
    """The sortable bytes of a number in DynamoDB's normal form."""
    is_negative, digits, last = parts_of(text)
    if not digits:
        return b"\x80"
    if 0 < last <= PLAIN_DIGITS_MAX - len(digits):
        # Clients show as many digits as they are sent: 100, not 1E+2.
        digits, last = digits + "0" * last, 0
    precision = len(digits)
    exponent = precision + last
    out = bytearray(_header(is_negative, exponent))
    groups = [int(digits[at : at + 3].ljust(3, "0")) for at in range(0, precision, 3)]
    terminator = (precision - 1) % 3
    if is_negative:
        codes = [1011 - group for group in groups]
        codes.append(1023 - terminator)
    else:
        codes = [group + 12 for group in groups]
        codes.append(terminator)
    bits = 0
    for code in codes:
        bits = bits << 10 | code
    length = len(codes) * 10
    spare = -length % 8
    out += (bits << spare).to_bytes((length + spare) // 8, "big")
    return bytes(out)


def _header(is_negative: bool, exponent: int) -> bytes:
    if -_NEAR <= exponent < _NEAR:
        return bytes([0x3F - exponent if is_negative else exponent + 0xC0])
    raw = exponent & 0xFFFFFFFF
    if is_negative:
        first, raw = (0x7E if exponent < 0 else 0x01), raw ^ 0x7FFFFFFF
    else:
        first, raw = (0x81 if exponent < 0 else 0xFE), raw ^ 0x80000000
    return bytes([first]) + raw.to_bytes(4, "big")


def decode(data: bytes) -> str:
    """The text of the number that `data` is. Raises MalformedFrame."""
    if not data:
        raise MalformedFrame("an empty number")
    first = data[0]
    if first in (0x00, 0xFF):
        raise MalformedFrame("a number that is none")
    if first in (0x7F, 0x80):
        return "0"
    if first in (0x01, 0x7E, 0x81, 0xFE):
        if len(data) < 5:
            raise MalformedFrame("a number that is cut off")
        is_negative = first in (0x01, 0x7E)
        raw = int.from_bytes(data[1:5], "big") ^ (0x7FFFFFFF if is_negative else 0x80000000)
        exponent, at = (raw - (1 << 32) if raw >> 31 else raw), 5
    else:
        is_negative = first < 0x80
        exponent, at = (0x3F - first if is_negative else first - 0xC0), 1
    digits = _digits(data[at : at + DIGITS_MAX], is_negative)
    return text_of(is_negative, digits, exponent - len(digits))


def _digits(data: bytes, is_negative: bool) -> str:
    """The digits of groups of ten bits, up to and by the terminator. Raises MalformedFrame."""
    count = len(data) * 8 // 10
    bits = int.from_bytes(data, "big") >> (len(data) * 8 - count * 10)
    groups: list[str] = []
    for index in range(count):
        code = bits >> (10 * (count - 1 - index)) & 0x3FF
        if is_negative:
            code = 1023 - code
        if code < 12:
            if code > 2 or not groups:
                break
            last = groups.pop()
            return "".join(groups) + last[: code + 1]
        if code > 1011:
            break
        groups.append(f"{code - 12:03d}")
    raise MalformedFrame("a number without an end")
