"""The values given for a template's parameters, checked against what the template allows.

https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/parameters-section-structure.html
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import msgspec

from serein.base.later import later
from serein.engines.templates.errors import TemplateError
from serein.engines.templates.model import ParameterDefinition
from serein.engines.templates.values import Value

if TYPE_CHECKING:
    import regex
else:
    regex = later("regex")

PATTERN_SECONDS_MAX = 0.25
_SSM_VALUE = "AWS::SSM::Parameter::Value<"
MASK = "****"


class GivenParameter(msgspec.Struct, frozen=True, kw_only=True):
    """One parameter of a request: a value, or the wish to keep the last one."""

    key: str
    value: str | None = None
    use_previous: bool = False


class ResolvedParameter(msgspec.Struct, frozen=True, kw_only=True):
    """What a parameter is in one deployment. `text` is the ParameterValue; `resolved` what SSM said, if asked."""

    key: str
    text: str
    type: str
    no_echo: bool = False
    resolved: str | None = None

    @property
    def value(self) -> Value:
        """What Ref gives: a text, or a list of texts for the list types."""
        text = self.text if self.resolved is None else self.resolved
        inner = inner_type(self.type)
        if inner == "CommaDelimitedList" or inner.startswith("List<"):
            return [item.strip() for item in text.split(",")] if text else []
        return text

    @property
    def shown(self) -> str:
        """The text as descriptions show it."""
        return MASK if self.no_echo else self.text


def inner_type(kind: str) -> str:
    """The type of the value itself: for `AWS::SSM::Parameter::Value<T>` it is T."""
    return kind[len(_SSM_VALUE) : -1] if kind.startswith(_SSM_VALUE) else kind


def is_from_ssm(kind: str) -> bool:
    """Whether the parameter's text is the name of an SSM parameter that holds the value."""
    return kind.startswith(_SSM_VALUE)


def resolve_parameters(
    definitions: Mapping[str, ParameterDefinition],
    given: Sequence[GivenParameter],
    previous: Mapping[str, ResolvedParameter] | None = None,
) -> dict[str, ResolvedParameter]:
    """Every parameter's value: given, kept, or the default; checked. SSM values are still to be looked up.

    `previous` are the stack's parameters before this deployment (None for a new stack). Raises TemplateError.
    """
    before = previous or {}
    by_key: dict[str, GivenParameter] = {}
    for item in given:
        if item.key in by_key:
            raise TemplateError(f"Parameter {item.key} cannot be specified more than once.")
        by_key[item.key] = item
    unknown = [key for key in by_key if key not in definitions]
    if unknown:
        raise TemplateError(f"Parameters: [{', '.join(unknown)}] do not exist in the template")
    missing: list[str] = []
    resolved: dict[str, ResolvedParameter] = {}
    for key, definition in definitions.items():
        text = _text(definition, by_key.get(key), before)
        if text is None:
            missing.append(key)
            continue
        if not is_from_ssm(definition.type):
            check_value(definition, text)
        resolved[key] = ResolvedParameter(
            key=key, text=text, type=definition.type, no_echo=definition.no_echo
        )
    if missing:
        raise TemplateError(f"Parameters: [{', '.join(missing)}] must have values")
    return resolved


def _text(
    definition: ParameterDefinition,
    given: GivenParameter | None,
    before: Mapping[str, ResolvedParameter],
) -> str | None:
    if given is None:
        return definition.default
    if given.use_previous:
        if given.value is not None:
            raise TemplateError(
                f"Invalid input for parameter key {given.key}. Cannot specify usePreviousValue as true and"
                " non empty value for a parameter"
            )
        if given.key not in before:
            raise TemplateError(
                f"Invalid input for parameter key {given.key}. Cannot specify usePreviousValue as true for a"
                " parameter key not in the previous template"
            )
        return before[given.key].text
    if given.value is None:
        if definition.default is not None:
            return definition.default
        raise TemplateError(
            f"Parameter {given.key} should either have input value or default value"
        )
    return given.value


def check_value(definition: ParameterDefinition, text: str) -> None:
    """Check one value against type and constraints. Raises TemplateError in the template's or AWS's words."""
    complaint = _complaint(definition, text)
    if complaint is None:
        return
    if definition.constraint_description:
        raise TemplateError(
            f"Parameter {definition.name} failed to satisfy constraint: {definition.constraint_description}",
            path=f"/Parameters/{definition.name}",
        )
    raise TemplateError(complaint, path=f"/Parameters/{definition.name}")


def _complaint(definition: ParameterDefinition, text: str) -> str | None:
    name = definition.name
    kind = inner_type(definition.type)
    is_list = kind == "CommaDelimitedList" or kind.startswith("List<")
    items = [item.strip() for item in text.split(",")] if is_list else [text]
    for item in items:
        if kind in ("Number", "List<Number>") and not (is_list and not text):
            complaint = _number_complaint(definition, item)
            if complaint:
                return complaint
        if definition.allowed_values and not _is_allowed(definition, item, kind):
            return f"Parameter '{name}' must be one of AllowedValues"
        if definition.allowed_pattern is not None and not _matches(definition, item):
            return f"Parameter '{name}' must match pattern {definition.allowed_pattern}"
        if (
            kind == "String"
            and definition.min_length is not None
            and len(item) < definition.min_length
        ):
            return f"Parameter '{name}' must contain at least {definition.min_length} characters"
        if (
            kind == "String"
            and definition.max_length is not None
            and len(item) > definition.max_length
        ):
            return f"Parameter '{name}' must contain at most {definition.max_length} characters"
    return None


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) and "_" not in text else None


def _is_allowed(definition: ParameterDefinition, item: str, kind: str) -> bool:
    if item in definition.allowed_values:
        return True
    number = _number(item) if kind in ("Number", "List<Number>") else None
    return number is not None and any(
        _number(allowed) == number for allowed in definition.allowed_values
    )


def _number_complaint(definition: ParameterDefinition, item: str) -> str | None:
    number = _number(item)
    if number is None:
        return f"Parameter '{definition.name}' must be a number."
    if definition.min_value is not None and number < definition.min_value:
        return f"Parameter '{definition.name}' must be a number not less than {_plain(definition.min_value)}"
    if definition.max_value is not None and number > definition.max_value:
        return f"Parameter '{definition.name}' must be a number not greater than {_plain(definition.max_value)}"
    return None


def _plain(number: float) -> str:
    return str(int(number)) if number.is_integer() else str(number)


def _matches(definition: ParameterDefinition, item: str) -> bool:
    """The whole value must match, as Java's `matches` has it; a pattern that takes too long matches nothing."""
    pattern = definition.allowed_pattern or ""
    try:
        return regex.fullmatch(pattern, item, timeout=PATTERN_SECONDS_MAX) is not None
    except regex.error:
        raise TemplateError(
            f"Template format error: AllowedPattern of parameter {definition.name} is not a valid regular expression.",
            path=f"/Parameters/{definition.name}/AllowedPattern",
        ) from None
    except TimeoutError:
        return False
