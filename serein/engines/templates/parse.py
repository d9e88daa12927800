"""The text of a template, JSON or YAML, as plain values: short forms written out, everything bounded.

https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/template-formats.html
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

import orjson

from serein.base.later import later
from serein.engines.templates.errors import TemplateError
from serein.engines.templates.values import DEPTH_MAX, NODES_MAX, Tree, Value

if TYPE_CHECKING:
    import yaml
else:
    yaml = later("yaml")

TEXT_BYTES_MAX = 1_048_576
"""The longest template (one given by URL; a body in a request is bounded to 51,200 bytes by the service)."""

_NULL = frozenset({"", "~", "null", "Null", "NULL"})
_TRUE = frozenset({"true", "True", "TRUE", "yes", "Yes", "YES", "on", "On", "ON"})
_FALSE = frozenset({"false", "False", "FALSE", "no", "No", "NO", "off", "Off", "OFF"})
_INTEGER = re.compile(r"[-+]?(?:0|[1-9][0-9_]{0,30})\Z")
_OCTAL = re.compile(r"0[0-7_]{1,30}\Z")
_HEXADECIMAL = re.compile(r"0x[0-9a-fA-F_]{1,30}\Z")
_FLOAT = re.compile(r"[-+]?(?:[0-9][0-9_]*\.[0-9_]*|\.[0-9_]+)(?:[eE][-+][0-9]{1,4})?\Z")
_STANDARD_TAG = "tag:yaml.org,2002:"
_BARE_FUNCTIONS = {"!Ref": "Ref", "!Condition": "Condition"}
_FUNCTIONS = frozenset(
    [
        "And",
        "Base64",
        "Cidr",
        "Equals",
        "FindInMap",
        "GetAtt",
        "GetAZs",
        "If",
        "ImportValue",
        "Join",
        "Length",
        "Not",
        "Or",
        "Select",
        "Split",
        "Sub",
        "ToJsonString",
        "Transform",
        "Contains",
        "EachMemberEquals",
        "EachMemberIn",
        "RefAll",
        "ValueOf",
        "ValueOfAll",
    ]
)


def parse_template(text: str) -> Tree:
    """The template as a map. Raises TemplateError ("Template format error: …") when it is none."""
    if len(text.encode("utf-8", "replace")) > TEXT_BYTES_MAX:
        raise TemplateError(f"Template may not exceed {TEXT_BYTES_MAX} bytes in size.")
    tree = parse_value(text)
    if not isinstance(tree, dict):
        raise TemplateError("Template format error: unsupported structure.")
    return tree


def parse_value(text: str) -> Value:
    """A JSON or YAML document as plain values (what an include may be), in which functions are in their long form."""
    if text.lstrip("\ufeff \t\r\n").startswith("{"):
        value = _parse_json(text)
    else:
        value = _parse_yaml(text)
    check_size(value)
    return value


def check_size(value: Value) -> None:
    """Refuse what is too deep or, written out, too large."""
    left = NODES_MAX
    waiting: list[tuple[Value, int]] = [(value, 0)]
    while waiting:
        node, depth = waiting.pop()
        left -= 1
        if depth > DEPTH_MAX or left < 0:
            raise TemplateError(
                "Template format error: Template is nested too deeply or is too large."
            )
        if isinstance(node, dict):
            waiting.extend((key, depth + 1) for key in node)
            waiting.extend((member, depth + 1) for member in node.values())
        elif isinstance(node, list):
            waiting.extend((member, depth + 1) for member in node)
        elif isinstance(node, str) and not node.isascii():
            _check_text(node)


def _check_text(text: str) -> None:
    """Refuse half a surrogate pair, which escapes can spell but no encoding can carry."""
    try:
        text.encode()
    except UnicodeEncodeError:
        raise TemplateError("Template format error: unsupported characters.") from None


def _parse_json(text: str) -> Value:
    try:
        value: Value = orjson.loads(text.lstrip("\ufeff"))
    except orjson.JSONDecodeError as error:
        # AWS's reader has already taken the offending character, so its columns are one further.
        place = f"(line {error.lineno}, column {error.colno + 1})"
        raise TemplateError(f"Template format error: JSON not well-formed. {place}") from None
    except UnicodeEncodeError:
        raise TemplateError(
            "Template format error: JSON not well-formed. (line 1, column 1)"
        ) from None
    return value


class _Open:
    """A map or list being read. `key` is the map's key that waits for its value."""

    __slots__ = ("anchor", "container", "key", "tag")

    def __init__(self, container: dict[str, Value] | list[Value], tag: str, anchor: str) -> None:
        self.container = container
        self.key: str | None = None
        self.tag = tag
        self.anchor = anchor


def _parse_yaml(text: str) -> Value:
    try:
        return _build(yaml.parse(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)))
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f" (line {mark.line + 1}, column {mark.column + 1})" if mark else ""
        raise TemplateError(f"Template format error: YAML not well-formed.{place}") from None
    except (yaml.YAMLError, UnicodeError):
        raise TemplateError("Template format error: YAML not well-formed.") from None


def _build(events: Iterator[yaml.Event]) -> Value:
    """Values from the reader's events, without recursion (the depth of a document is its author's choice)."""
    stack: list[_Open] = []
    anchors: dict[str, Value] = {}
    documents: list[Value] = []
    for event in events:
        if isinstance(event, yaml.ScalarEvent):
            value = _scalar(event, as_key=_wants_key(stack))
            if event.anchor:
                anchors[event.anchor] = value
        elif isinstance(event, yaml.AliasEvent):
            if event.anchor not in anchors:
                raise _malformed(event)
            value = anchors[event.anchor]
        elif isinstance(event, (yaml.MappingStartEvent, yaml.SequenceStartEvent)):
            if len(stack) >= DEPTH_MAX or _wants_key(stack):
                raise _malformed(event)
            container: dict[str, Value] | list[Value]
            container = {} if isinstance(event, yaml.MappingStartEvent) else []
            stack.append(_Open(container, event.tag or "", event.anchor or ""))
            continue
        elif isinstance(event, (yaml.MappingEndEvent, yaml.SequenceEndEvent)):
            done = stack.pop()
            value = _tagged(done.tag, done.container, event)
            # An anchor is known only once its value is whole, so no value can contain itself.
            if done.anchor:
                anchors[done.anchor] = value
        else:
            if isinstance(event, yaml.DocumentStartEvent) and documents:
                raise _malformed(event)
            continue
        _place(stack, value, documents, event)
    return documents[0] if documents else None


def _wants_key(stack: list[_Open]) -> bool:
    return bool(stack) and isinstance(stack[-1].container, dict) and stack[-1].key is None


def _place(stack: list[_Open], value: Value, documents: list[Value], event: yaml.Event) -> None:
    if not stack:
        documents.append(value)
        return
    top = stack[-1]
    if isinstance(top.container, list):
        top.container.append(value)
    elif top.key is None:
        # Merge keys are not part of the YAML that CloudFormation reads.
        if not isinstance(value, str) or value == "<<":
            raise _malformed(event)
        top.key = value
    else:
        top.container[top.key] = value
        top.key = None


def _scalar(event: yaml.ScalarEvent, *, as_key: bool) -> Value:
    text: str = event.value
    tag: str | None = event.tag
    if tag and tag != "!":
        if tag.startswith(_STANDARD_TAG):
            return _standard(tag[len(_STANDARD_TAG) :], text, event)
        return _tagged(tag, text, event)
    if as_key or not event.implicit[0]:
        return text
    return _plain(text)


def _standard(kind: str, text: str, event: yaml.ScalarEvent) -> Value:
    """`!!str 1` and the like; what is no plain scalar (`!!binary`, `!!python/…`) is refused."""
    if kind == "str":
        return text
    if kind in ("int", "float", "bool", "null"):
        return _plain(text)
    raise _malformed(event)


def _plain(text: str) -> Value:
    """A plain scalar by YAML 1.1's rules; dates stay strings, as do the numbers that JSON has no word for."""
    if text in _NULL:
        return None
    if text in _TRUE:
        return True
    if text in _FALSE:
        return False
    if _INTEGER.match(text):
        return _whole(text, 10)
    if _OCTAL.match(text):
        return _whole(text, 8)
    if _HEXADECIMAL.match(text):
        return _whole(text, 16)
    if len(text) < 400 and _FLOAT.match(text):
        digits = text.replace("_", "")
        number = float(digits) if any(c.isdigit() for c in digits) else math.inf
        return number if math.isfinite(number) else text
    return text


def _whole(text: str, base: int) -> int | str:
    """A whole number, or the text itself where JSON's readers would not take it (64 bits)."""
    try:
        number = int(text, base)
    except ValueError:
        return text
    return number if -(1 << 63) <= number < 1 << 63 else text


def _tagged(tag: str, value: Value, event: yaml.Event) -> Value:
    """A short form written out: `!GetAtt a.b` becomes `{"Fn::GetAtt": ["a", "b"]}`."""
    if not tag or tag == "!" or tag in (f"{_STANDARD_TAG}map", f"{_STANDARD_TAG}seq"):
        return value
    if tag in _BARE_FUNCTIONS:
        return {_BARE_FUNCTIONS[tag]: value}
    name = tag[1:]
    if not tag.startswith("!") or name not in _FUNCTIONS:
        raise _malformed(event)
    if name == "GetAtt" and isinstance(value, str):
        resource, dot, attribute = value.partition(".")
        value = [resource, attribute] if dot else [resource]
    return {f"Fn::{name}": value}


def _malformed(event: yaml.Event) -> TemplateError:
    mark = event.start_mark
    place = f" (line {mark.line + 1}, column {mark.column + 1})" if mark else ""
    return TemplateError(f"Template format error: YAML not well-formed.{place}")
