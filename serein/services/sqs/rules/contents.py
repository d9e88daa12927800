"""What a message may hold: characters, sizes, attributes, ids.

https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessage.html
https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-messages.html
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from serein.services.sqs.model import (
    InvalidMessageContents,
    MessageAttributeValue,
    MessageSystemAttributeValue,
)
from serein.services.sqs.records import Attribute
from serein.services.sqs.rules.refusals import InvalidParameterValue, invalid_value, missing

ATTRIBUTES_MAX = 10
_FORBIDDEN = re.compile("[^\x09\x0a\x0d\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_NAME = re.compile(r"[A-Za-z0-9_\-.]{1,256}")
_TYPE = re.compile(r"(String|Number|Binary)(\..*)?", re.DOTALL)
_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d{1,3})?")
_ID = re.compile(r"[A-Za-z0-9!\"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~]{1,128}")


def check_body(body: str) -> None:
    """Raises InvalidMessageContents or MissingParameter."""
    if not body:
        raise missing("MessageBody")
    if not body.isascii() or not body.isprintable():
        found = _FORBIDDEN.search(body)
        if found is not None:
            raise InvalidMessageContents(
                "Invalid characters found. Valid unicode characters are #x9 | #xA | #xD | "
                "#x20 to #xD7FF | #xE000 to #xFFFD | #x10000 to #x10FFFF"
            )


def size_of(body: str, attributes: Mapping[str, Attribute]) -> int:
    """Bytes that count against the queue's maximum: the body, and attributes with names and types."""
    size = len(body) if body.isascii() else len(body.encode())
    for name, attribute in attributes.items():
        value = attribute.data if attribute.data is not None else (attribute.text or "").encode()
        size += len(name.encode()) + len(attribute.type.encode()) + len(value)
    return size


def check_size(size: int, bytes_max: int, words: str = "are invalid") -> None:
    """Raises InvalidParameterValue when a message is longer than its queue takes."""
    if size > bytes_max:
        raise InvalidParameterValue(
            f"One or more parameters {words}. Reason: Message must be shorter than {bytes_max} bytes."
        )


def read_attributes(
    given: Mapping[str, MessageAttributeValue] | None,
) -> dict[str, Attribute]:
    """Message attributes, checked."""
    if not given:
        return {}
    if len(given) > ATTRIBUTES_MAX:
        raise InvalidParameterValue(
            f"Number of message attributes [{len(given)}] exceeds the allowed maximum "
            f"[{ATTRIBUTES_MAX}]."
        )
    return {name: _read_attribute(name, value) for name, value in given.items()}


def _read_attribute(name: str, value: MessageAttributeValue) -> Attribute:
    _check_name(name)
    kind = value.get("DataType") or ""
    if not kind:
        raise InvalidParameterValue(
            f"The message attribute '{name}' must contain non-empty message attribute type."
        )
    found = _TYPE.fullmatch(kind)
    if found is None or len(kind) > 256:
        raise InvalidParameterValue(
            f"The message attribute '{name}' has an invalid message attribute type, the set of "
            "supported type prefixes is Binary, Number, and String."
        )
    base = found[1]
    if base == "Binary":
        data = value.get("BinaryValue")
        if not data:
            raise _empty(name, base)
        return Attribute(kind, None, bytes(data))
    text = value.get("StringValue")
    if not text:
        raise _empty(name, base)
    if _FORBIDDEN.search(text) is not None:
        raise InvalidMessageContents(
            f"The message attribute '{name}' contains invalid characters in its value."
        )
    if base == "Number" and _NUMBER.fullmatch(text.strip()) is None:
        raise InvalidParameterValue(
            f"Can't cast the value of message (user) attribute '{name}' to a number."
        )
    return Attribute(kind, text)


def _check_name(name: str) -> None:
    lowered = name.lower()
    if (
        _NAME.fullmatch(name) is None
        or name[0] == "."
        or name[-1] == "."
        or ".." in name
        or lowered.startswith(("aws.", "amazon."))
    ):
        raise InvalidParameterValue(
            f"The message attribute name '{name}' is invalid. It can contain alphanumeric "
            "characters, underscores, hyphens and periods, must not start or end with a period, "
            "have periods in succession, or start with AWS. or Amazon."
        )


def _empty(name: str, kind: str) -> InvalidParameterValue:
    return InvalidParameterValue(
        f"The message attribute '{name}' must contain non-empty message attribute value for "
        f"message attribute type '{kind}'."
    )


def read_system_attributes(
    given: Mapping[str, MessageSystemAttributeValue] | None,
) -> dict[str, Attribute]:
    """Message system attributes: AWSTraceHeader, a string, is the only one there is."""
    if not given:
        return {}
    out: dict[str, Attribute] = {}
    for name, value in given.items():
        if name != "AWSTraceHeader":
            raise InvalidParameterValue(f"Message system attribute name '{name}' is invalid.")
        text = value.get("StringValue") or ""
        if value.get("DataType") != "String" or not text:
            raise InvalidParameterValue(
                f"The message system attribute '{name}' must be a non-empty String."
            )
        out[name] = Attribute("String", text)
    return out


def check_id(value: str, parameter: str) -> None:
    """A message group or deduplication id. Raises InvalidParameterValue."""
    if _ID.fullmatch(value) is None:
        raise invalid_value(
            value,
            parameter,
            f"{parameter} can only include alphanumeric and punctuation characters. 1 to 128 in length.",
        )
