"""Constraints of the model, checked fast and reported in AWS's words.

`compile_validator` gives a function of an operation's params: an empty list when all is well (a few microseconds),
else every failure in the model's order. Most services say it so:

    2 validation errors detected: Value null at 'tableName' failed to satisfy constraint: Member must not be null;
    Value 'x' at 'limit' failed to satisfy constraint: …

Styles met in recorded answers, for services to choose by `Service.invalid`:

- the common one above as `ValidationException` (dynamodb, kms, states, events) or `ValidationError` (query services: iam,
  cloudformation, sns, …): `validation_error(failures, code=…)`;
- apigateway puts `<operation>Input.` before the path: `validation_error(failures, prefix="putIntegrationInput.")`;
- sqs: `MissingParameter`, "The request must contain the parameter QueueUrl.";
- s3 words every check itself;
- sensitive values are not repeated: "Value at 'password' failed to …".
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import msgspec

from serein.base.errors import AwsError
from serein.wire.failures import FAILURES_MAX, Failure, LazyPattern, bounds_of, explain_structure
from serein.wire.shapes import Shape

Check: TypeAlias = Callable[[Any], bool]
Validator: TypeAlias = Callable[[dict[str, Any]], "list[Failure]"]


__all__ = ["Failure", "compile_validator", "validation_error", "validation_message"]


def validation_message(failures: Sequence[Failure], prefix: str = "") -> str:
    """All failures in AWS's common wording; `prefix` goes before each path."""
    if prefix:
        failures = [msgspec.structs.replace(f, path=prefix + f.path) for f in failures]
    count = len(failures)
    noun = "error" if count == 1 else "errors"
    return f"{count} validation {noun} detected: " + "; ".join(f.message for f in failures)


def validation_error(
    failures: Sequence[Failure], *, code: str = "ValidationException", prefix: str = ""
) -> AwsError:
    """The failures as AWS's common error."""
    return AwsError(validation_message(failures, prefix), code=code, status=400)


def compile_validator(shape: Shape | None) -> Validator:
    """A function from params to failures."""
    if shape is None:
        return lambda params: []
    fits = _Compiler().structure(shape)

    def validate(params: dict[str, Any]) -> list[Failure]:
        if fits(params):
            return []
        found: list[Failure] = []
        explain_structure(shape, params, "", found, 0)
        return found[:FAILURES_MAX]

    return validate


class _Compiler:
    """Builds the fast checks: each says only whether a value fits. Recursive shapes are tied by name."""

    def __init__(self) -> None:
        self._structures: dict[str, Check] = {}
        self._under_way: set[str] = set()

    def check(self, shape: Shape) -> Check | None:
        """The check for a value of `shape`, or None where anything goes."""
        if shape.opaque or shape.model.eventstream:
            return None
        kind = shape.kind
        if kind == "structure":
            return self.structure(shape)
        if kind == "list":
            return self._list(shape)
        if kind == "map":
            return self._map(shape)
        if kind in ("string", "character"):
            return _string_check(shape)
        if kind in ("integer", "long"):
            return _number_check(shape, (int,))
        if kind in ("float", "double", "timestamp"):
            return _number_check(shape, (float, int))
        if kind == "boolean":
            return lambda value: type(value) is bool
        return _blob_check(shape)

    def structure(self, shape: Shape) -> Check:
        name = shape.name
        if name in self._structures:
            return self._structures[name]
        if name in self._under_way:
            return lambda value: self._structures[name](value)
        self._under_way.add(name)
        required = tuple(shape.model.required)
        checks: dict[str, Check] = {}
        for member in shape.members.values():
            check = None if member.streaming else self.check(member.shape)
            if check is not None:
                checks[member.name] = check
        find = checks.get

        def fits(value: Any) -> bool:
            if not isinstance(value, dict):
                return False
            for name in required:
                if value.get(name) is None:
                    return False
            for name, item in value.items():
                check = find(name)
                if check is not None and item is not None and not check(item):
                    return False
            return True

        self._structures[name] = fits
        return fits

    def _list(self, shape: Shape) -> Check:
        check = self.check(shape.member.shape)
        low, high = bounds_of(shape)
        opaque = shape.member.shape.opaque

        def fits(value: Any) -> bool:
            if type(value) is not list or not low <= len(value) <= high:
                return False
            if not opaque and None in value:
                return False
            if check is not None:
                for item in value:
                    if not check(item):
                        return False
            return True

        return fits

    def _map(self, shape: Shape) -> Check:
        key_check = self.check(shape.key.shape)
        value_check = self.check(shape.value.shape)
        low, high = bounds_of(shape)
        opaque = shape.value.shape.opaque

        def fits(value: Any) -> bool:
            if not isinstance(value, dict) or not low <= len(value) <= high:
                return False
            if not opaque and None in value.values():
                return False
            for key, item in value.items():
                if key_check is not None and not key_check(key):
                    return False
                if value_check is not None and not value_check(item):
                    return False
            return True

        return fits


def _string_check(shape: Shape) -> Check:
    low, high = bounds_of(shape)
    allowed = frozenset(shape.model.enum)
    if allowed:
        return lambda value: type(value) is str and value in allowed
    if shape.model.pattern:
        matches = LazyPattern(shape.model.pattern)
        return lambda value: type(value) is str and low <= len(value) <= high and matches(value)
    if low == 0 and high == float("inf"):
        return lambda value: type(value) is str
    return lambda value: type(value) is str and low <= len(value) <= high


def _number_check(shape: Shape, types: tuple[type, ...]) -> Check:
    low, high = shape.model.min, shape.model.max
    least = low if low is not None else float("-inf")
    most = high if high is not None else float("inf")
    if low is None and high is None:
        return lambda value: type(value) in types
    return lambda value: type(value) in types and least <= value <= most


def _blob_check(shape: Shape) -> Check:
    low, high = bounds_of(shape)

    def fits(value: Any) -> bool:
        return isinstance(value, bytes | bytearray) and low <= len(value) <= high

    return fits
