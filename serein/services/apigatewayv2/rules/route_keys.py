"""Route keys ("GET /pets/{id}", "ANY /{proxy+}", "$default"): their form, and which one a request matches.

https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-routes.html
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Generic, TypeVar

T = TypeVar("T")

DEFAULT = "$default"
METHODS = ("ANY", "GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS")
_KEY = re.compile(rf"({'|'.join(METHODS)}) (/\S*)")
_VARIABLE = re.compile(r"\{([A-Za-z0-9._\-]+)(\+?)\}")


class InvalidRouteKey(ValueError):
    """The text is no route key."""


def parse_route_key(key: str) -> tuple[str, tuple[str, ...]]:
    """Method and path segments of a key that is not `$default`. Raises InvalidRouteKey.

    A variable takes a whole segment; a greedy one ("{proxy+}") only the last.
    """
    found = _KEY.fullmatch(key)
    if found is None:
        raise InvalidRouteKey(key)
    segments = tuple(found[2][1:].split("/"))
    for index, segment in enumerate(segments):
        if "{" not in segment and "}" not in segment:
            continue
        variable = _VARIABLE.fullmatch(segment)
        if variable is None or (variable[2] and index != len(segments) - 1):
            raise InvalidRouteKey(key)
    return found[1], segments


def check_route_key(key: str) -> None:
    """Raises InvalidRouteKey unless `key` can be a route's."""
    if key != DEFAULT:
        parse_route_key(key)


class _Node(Generic[T]):
    """A position in the tree of paths: what ends here, and what can follow."""

    __slots__ = ("ends", "fixed", "greedy", "variable")

    def __init__(self) -> None:
        self.fixed: dict[str, _Node[T]] = {}
        self.variable: _Node[T] | None = None
        self.greedy: _Node[T] | None = None
        self.ends: dict[str, tuple[T, tuple[str, ...]]] = {}
        """By method: the route, and the names of its variables in order."""


class RouteTree(Generic[T]):
    """Routes ready to be matched: a segment's text before a variable, a variable before a greedy one, each only
    where the method (or ANY) is there too; `$default` when nothing else matches."""

    def __init__(self, routes: Iterable[tuple[str, T]]) -> None:
        self._root: _Node[T] = _Node()
        self._default: T | None = None
        for key, route in routes:
            if key == DEFAULT:
                self._default = route
            else:
                self._add(key, route)

    def _add(self, key: str, route: T) -> None:
        method, segments = parse_route_key(key)
        node = self._root
        names: list[str] = []
        for segment in segments:
            variable = _VARIABLE.fullmatch(segment)
            if variable is None:
                node = node.fixed.setdefault(segment, _Node())
                continue
            names.append(variable[1])
            if variable[2]:
                node.greedy = node.greedy or _Node()
                node = node.greedy
            else:
                node.variable = node.variable or _Node()
                node = node.variable
        node.ends[method] = (route, tuple(names))

    def match(self, method: str, path: str) -> tuple[T, dict[str, str]] | None:
        """The route for `method` and the decoded `path` ("/a/b"), with its variables' values; None: not found."""
        segments = path[1:].split("/")
        values: list[str] = []
        found = _walk(self._root, method, segments, 0, values)
        if found is not None:
            return found[0], dict(zip(found[1], values, strict=True))
        return None if self._default is None else (self._default, {})


def _walk(
    node: _Node[T], method: str, segments: list[str], at: int, values: list[str]
) -> tuple[T, tuple[str, ...]] | None:
    if at == len(segments):
        return node.ends.get(method) or node.ends.get("ANY")
    segment = segments[at]
    following = node.fixed.get(segment)
    if following is not None:
        found = _walk(following, method, segments, at + 1, values)
        if found is not None:
            return found
    if not segment and at == len(segments) - 1:
        return None  # Variables match no empty last segment: "/pets/" is not "/pets/{id}".
    if node.variable is not None and segment:
        values.append(segment)
        found = _walk(node.variable, method, segments, at + 1, values)
        if found is not None:
            return found
        values.pop()
    if node.greedy is not None:
        found = node.greedy.ends.get(method) or node.greedy.ends.get("ANY")
        if found is not None:
            values.append("/".join(segments[at:]))
            return found
    return None
