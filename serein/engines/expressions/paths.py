"""Document paths in items: reading, and changing a copy.

Items are never changed in place: every map or list on the way to a change is copied once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import pairwise
from typing import Any

from serein.engines.expressions.errors import ValidationException
from serein.engines.expressions.scope import PathParts
from serein.engines.expressions.values import AttributeValue, Item

Getter = Callable[[Item], AttributeValue | None]


def getter(parts: PathParts) -> Getter:
    """A function that reads `parts` from an item; None where there is nothing."""
    first = parts[0]
    assert isinstance(first, str)
    if len(parts) == 1:

        def get_attribute(item: Item) -> AttributeValue | None:
            return item.get(first)

        return get_attribute

    rest = parts[1:]

    def get_nested(item: Item) -> AttributeValue | None:
        value = item.get(first)
        for part in rest:
            if value is None:
                return None
            value = member(value, part)
        return value

    return get_nested


def member(value: AttributeValue, part: str | int) -> AttributeValue | None:
    """The member of a map or list, or None."""
    if isinstance(part, int):
        members = value.get("L")
        if members is not None and part < len(members):
            return members[part]  # type: ignore[no-any-return]
        return None
    members = value.get("M")
    return None if members is None else members.get(part)


def show_path(parts: PathParts) -> str:
    """A path as AWS prints it: `[a, [1], b]`."""
    shown = (f"[{part}]" if isinstance(part, int) else part for part in parts)
    return f"[{', '.join(shown)}]"


def path_clash(paths: Iterable[PathParts]) -> str | None:
    """What AWS says where two paths overlap, or need one place to be both a map and a list; else None."""
    listed = list(paths)
    if len(listed) < 2:
        return None
    if all(len(path) == 1 for path in listed) and len(set(listed)) == len(listed):
        return None
    for index, second in enumerate(listed):
        for first in listed[:index]:
            clash = _clash(first, second)
            if clash:
                return (
                    f"Two document paths {clash} with each other; "
                    "must remove or rewrite one of these paths; "
                    f"path one: {show_path(first)}, path two: {show_path(second)}"
                )
    return None


def _clash(first: PathParts, second: PathParts) -> str | None:
    for a, b in zip(first, second, strict=False):
        if isinstance(a, int) != isinstance(b, int):
            return "conflict"
        if a != b:
            return None
    return "overlap"


class Draft:
    """A changed copy of an item that shares with the original what did not change."""

    def __init__(self, item: Item) -> None:
        self.item: Item = dict(item)
        self._copied: set[PathParts] = set()

    def set(self, parts: PathParts, value: AttributeValue) -> None:
        """Put `value` at a path. Raises ValidationException where its parent is absent or no container."""
        container = self._container(parts)
        last = parts[-1]
        if isinstance(last, int) and last >= len(container):
            container.append(value)
        else:
            container[last] = value

    def remove(self, parts: PathParts) -> None:
        """Take away what is at a path, if anything. Raises ValidationException as `set` does."""
        container = self._container(parts)
        last = parts[-1]
        if isinstance(last, int):
            if last < len(container):
                del container[last]
        else:
            container.pop(last, None)

    def _container(self, parts: PathParts) -> Any:
        """The Python dict or list, already a copy, that the last part of the path is a key of."""
        container: Any = self.item
        for depth, (part, following) in enumerate(pairwise(parts), 1):
            kind: str = "L" if isinstance(following, int) else "M"
            value: AttributeValue | None
            if isinstance(part, int):
                value = container[part] if part < len(container) else None
            else:
                value = container.get(part)
            if value is None or kind not in value:
                raise ValidationException(
                    "The document path provided in the update expression is invalid for update"
                )
            place = parts[:depth]
            if place not in self._copied:
                self._copied.add(place)
                value = {kind: value[kind].copy()}
                container[part] = value
            container = value[kind]
        return container
