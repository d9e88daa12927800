"""AttributeValues in wire JSON form: validated in AWS's words, brought to normal form, measured, ordered.

After `normalise_value` two values are equal in DynamoDB's sense exactly when they are equal (`==`) in
Python: numbers are in normal form, sets are sorted, base64 is canonical.
https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_AttributeValue.html
"""

from __future__ import annotations

import binascii
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from serein.engines.expressions.errors import (
    SerializationException,
    ValidationException,
    parameter_invalid,
)
from serein.engines.expressions.numbers import (
    encode_number,
    normalise_number,
    number_size,
    number_value,
)

TYPE_NAMES = ("S", "N", "B", "SS", "NS", "BS", "M", "L", "NULL", "BOOL")

AttributeValue = dict[str, Any]
Item = dict[str, AttributeValue]

DEPTH_MAX = 32
ITEM_BYTES_MAX = 400 * 1024
_TYPES = frozenset(TYPE_NAMES)


def normalise_item(item: Item, depth: int = 1) -> int:
    """Check every attribute of `item`, bring it to normal form, in place; its size as `item_size` says.

    Raises ValidationException.
    """
    total = 0
    for name, value in item.items():
        total += len(name) if name.isascii() else utf8_size(name)
        # The commonest kind, without a call.
        if type(value) is dict and len(value) == 1 and depth <= DEPTH_MAX:
            text = value.get("S")
            if type(text) is str:
                total += len(text) if text.isascii() else utf8_size(text)
                continue
        total += normalise_value(value, depth)
    return total


def normalise_value(value: Any, depth: int = 1) -> int:
    """Check one AttributeValue, bring it to normal form, in place; its size. Raises ValidationException."""
    if type(value) is dict and len(value) == 1 and depth <= DEPTH_MAX:
        for kind, content in value.items():
            check = _CHECKS.get(kind)
            if check is not None and content is not None:
                return check(value, content, depth)
    return _normalise_unusual(value, depth)


def _normalise_unusual(value: Any, depth: int) -> int:
    if type(value) is not dict:
        raise SerializationException(_unexpected(value, "structure or map"))
    _drop_nulls(value)
    if depth > DEPTH_MAX:
        raise ValidationException(
            "Nesting Levels have exceeded supported limits: "
            "Attributes in the item have nested levels beyond supported limit"
        )
    return normalise_value(value, depth)


def _empty() -> ValidationException:
    return ValidationException(
        "Supplied AttributeValue is empty, must contain exactly one of the supported datatypes"
    )


def _drop_nulls(value: dict[str, Any]) -> None:
    """Leave exactly one member in `value`: members that are null or unknown do not count, as at AWS."""
    for kind in [k for k, v in value.items() if v is None or k not in _TYPES]:
        del value[kind]
    if not value:
        raise _empty()
    if len(value) > 1:
        raise ValidationException(
            "Supplied AttributeValue has more than one datatypes set, "
            "must contain exactly one of the supported datatypes"
        )


def _check_string(value: AttributeValue, content: Any, depth: int) -> int:
    if type(content) is not str:
        raise SerializationException(_cannot_convert(content, "String"))
    return utf8_size(content)


def _check_number(value: AttributeValue, content: Any, depth: int) -> int:
    if type(content) is not str:
        raise SerializationException(_cannot_convert(content, "String"))
    value["N"] = number = normalise_number(content)
    return number_size(number)


def _check_binary(value: AttributeValue, content: Any, depth: int) -> int:
    value["B"] = text = _canonical_base64(content)
    return binary_size(text)


def _check_null(value: AttributeValue, content: Any, depth: int) -> int:
    if type(content) is not bool:
        raise SerializationException("Unexpected token received from parser")
    if not content:
        raise parameter_invalid("Null attribute value types must have the value of true")
    return 1


def _check_bool(value: AttributeValue, content: Any, depth: int) -> int:
    if type(content) is not bool:
        raise SerializationException("Unexpected token received from parser")
    return 1


def _check_strings(value: AttributeValue, content: Any, depth: int) -> int:
    members = _members(content, str)
    if not members:
        raise parameter_invalid("An string set  may not be empty")
    if len(set(members)) != len(members):
        raise parameter_invalid(f"Input collection [{', '.join(members)}] contains duplicates.")
    members.sort()
    return sum(map(utf8_size, members))


def _check_numbers(value: AttributeValue, content: Any, depth: int) -> int:
    members = [normalise_number(member) for member in _members(content, str)]
    if not members:
        raise parameter_invalid("An number set  may not be empty")
    if len(set(members)) != len(members):
        raise parameter_invalid("Input collection contains duplicates")
    value["NS"] = sorted(members, key=number_value)
    return sum(map(number_size, members))


def _check_binaries(value: AttributeValue, content: Any, depth: int) -> int:
    members = [_canonical_base64(member) for member in _members(content, str)]
    if not members:
        raise parameter_invalid("Binary sets should not be empty")
    if len(set(members)) != len(members):
        listed = ", ".join(members)
        raise parameter_invalid(f"Input collection [{listed}]of type BS contains duplicates.")
    value["BS"] = sorted(members, key=decode_binary)
    return sum(map(binary_size, members))


def _check_map(value: AttributeValue, content: Any, depth: int) -> int:
    if type(content) is not dict:
        raise SerializationException(_unexpected(content, "structure or map"))
    return 3 + len(content) + normalise_item(content, depth + 1)


def _check_list(value: AttributeValue, content: Any, depth: int) -> int:
    if type(content) is not list:
        raise SerializationException(_unexpected(content, "list"))
    total = 3
    for member in content:
        total += 1 + normalise_value(member, depth + 1)
    return total


_CHECKS: Mapping[str, Callable[[AttributeValue, Any, int], int]] = {
    "S": _check_string,
    "N": _check_number,
    "B": _check_binary,
    "SS": _check_strings,
    "NS": _check_numbers,
    "BS": _check_binaries,
    "M": _check_map,
    "L": _check_list,
    "NULL": _check_null,
    "BOOL": _check_bool,
}


def _members(content: Any, kind: type) -> list[str]:
    if type(content) is not list:
        raise SerializationException(_unexpected(content, "list"))
    for member in content:
        if member is None:
            raise parameter_invalid("An string set may not have a null string as a member")
        if type(member) is not kind:
            raise SerializationException(_cannot_convert(member, "String"))
    return content


def _cannot_convert(content: Any, wanted: str) -> str:
    if isinstance(content, bool):
        return f"{'TRUE' if content else 'FALSE'}_VALUE cannot be converted to {wanted}"
    if isinstance(content, int):
        return f"NUMBER_VALUE cannot be converted to {wanted}"
    if isinstance(content, float):
        return f"DECIMAL_VALUE cannot be converted to {wanted}"
    return _unexpected(content, wanted)


def _unexpected(content: Any, wanted: str) -> str:
    if isinstance(content, dict):
        return "Start of structure or map found where not expected."
    if isinstance(content, list):
        return "Start of list found where not expected"
    return "Unexpected field type"


def _canonical_base64(text: Any) -> str:
    if type(text) is not str:
        raise SerializationException(_cannot_convert(text, "String"))
    if len(text) % 4:
        raise SerializationException(
            f"Base64 encoded length is expected a multiple of 4 bytes but found: {len(text)}"
        )
    try:
        raw = binascii.a2b_base64(text, strict_mode=True)
    except ValueError:
        raise SerializationException("Invalid Base64 string") from None
    return binascii.b2a_base64(raw, newline=False).decode("ascii")


def decode_binary(text: str) -> bytes:
    """The bytes of a `B` value in normal form."""
    return binascii.a2b_base64(text)


def encode_binary(raw: bytes) -> str:
    """Bytes as the text of a `B` value."""
    return binascii.b2a_base64(raw, newline=False).decode("ascii")


def kind_of(value: AttributeValue) -> str:
    """The type of a normalised value: S, N, B, SS, NS, BS, M, L, NULL or BOOL."""
    for kind in value:
        return kind
    raise AssertionError("an AttributeValue without content")


def normalise_expression_values(values: Mapping[str, Any]) -> None:
    """Check ExpressionAttributeValues and bring them to normal form, in place. Raises ValidationException."""
    for key, value in values.items():
        try:
            normalise_value(value)
        except ValidationException as error:
            raise ValidationException(
                f"ExpressionAttributeValues contains invalid value: {error.message} for key {key}"
            ) from None


def utf8_size(text: str) -> int:
    """The length of `text` in UTF-8."""
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))


def item_size(item: Item) -> int:
    """The bytes that DynamoDB counts for an item: names and values.

    https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/CapacityUnitCalculations.html
    """
    total = 0
    for name, value in item.items():
        total += len(name) if name.isascii() else utf8_size(name)
        text = value.get("S")
        if text is not None:
            total += len(text) if text.isascii() else utf8_size(text)
        else:
            total += value_size(value)
    return total


def attributes_size(item: Item, names: Iterable[str]) -> int:
    """The part of `item_size` that these attributes make up (those of them that are there)."""
    total = 0
    for name in names:
        value = item.get(name)
        if value is not None:
            total += utf8_size(name) + value_size(value)
    return total


def value_size(value: AttributeValue) -> int:
    """The bytes that DynamoDB counts for a normalised value."""
    for kind, content in value.items():
        match kind:
            case "S":
                return utf8_size(content)
            case "N":
                return number_size(content)
            case "B":
                return binary_size(content)
            case "BOOL" | "NULL":
                return 1
            case "SS":
                return sum(map(utf8_size, content))
            case "NS":
                return sum(map(number_size, content))
            case "BS":
                return sum(map(binary_size, content))
            case "L":
                return 3 + sum(1 + value_size(member) for member in content)
            case "M":
                return 3 + sum(
                    1 + utf8_size(name) + value_size(member) for name, member in content.items()
                )
    return 0


def binary_size(text: str) -> int:
    """The number of bytes that canonical base64 text stands for."""
    return len(text) // 4 * 3 - text.count("=", -2)


def encode_key(value: AttributeValue) -> bytes:
    """A key that orders values of one type (S, N or B) as DynamoDB orders them."""
    return key_text(value).encode("utf-8", "surrogatepass")


def key_text(value: AttributeValue) -> str:
    """`encode_key` as text whose UTF-8 (or code point) order is DynamoDB's; stores keep text keys fastest."""
    for kind, content in value.items():
        if kind == "S":
            return content  # type: ignore[no-any-return]
        if kind == "N":
            return encode_number(content).decode("latin-1")
        if kind == "B":
            return decode_binary(content).decode("latin-1")
    raise AssertionError("only S, N and B are keys")


def describe_value(value: AttributeValue) -> str:
    """A value as AWS prints it in messages: `AttributeValue: {S:a}`."""
    for kind, content in value.items():
        if kind in ("SS", "NS", "BS"):
            return f"AttributeValue: {{{kind}:[{', '.join(content)}]}}"
        return f"AttributeValue: {{{kind}:{content}}}"
    return "AttributeValue: {}"
