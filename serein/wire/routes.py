"""REST routing, compiled from the operations' URIs: method, path labels (greedy ones too), query literals.

The most literal path wins; among operations on the same path the one with most query constraints that hold (S3 tells
most of its operations apart by `?acl` and the like).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from urllib.parse import unquote

import msgspec

from serein.wire.facts import OperationFacts
from serein.wire.forms import Pairs, parse_pairs

# S3 operations that share method and path with another one and are told apart by a header.
_TELLING_HEADERS = frozenset({"x-amz-copy-source"})


class Route(msgspec.Struct, frozen=True, kw_only=True):
    """One operation's place."""

    operation: str
    method: str
    segments: tuple[str, ...]
    literals: tuple[tuple[str, str], ...]
    """Query names (with values, "" for any) that must be there."""
    needed: tuple[str, ...] = ()
    """Query members without which the operation is another one (S3)."""
    headers: tuple[str, ...] = ()
    deprecated: bool = False
    """S3 has old operations in the same place as their successors."""

    @property
    def weight(self) -> int:
        """How choosy the route is beyond its path."""
        return len(self.literals) * 2 + len(self.needed) * 2 + len(self.headers)

    def holds(self, query: Mapping[str, str], headers: Mapping[str, str]) -> bool:
        """Whether a request with this path has what the route asks for besides."""
        for name, value in self.literals:
            if name not in query or (value and query[name] != value):
                return False
        return all(name in query for name in self.needed) and all(
            name in headers for name in self.headers
        )


class Match(msgspec.Struct, frozen=True):
    """A route found, and the decoded labels."""

    operation: str
    labels: dict[str, str]
    literal_segments: int


class _Node:
    __slots__ = ("greedy", "label", "literals", "routes")

    def __init__(self) -> None:
        self.literals: dict[str, _Node] = {}
        self.label: _Node | None = None
        self.routes: dict[str, list[Route]] = {}
        self.greedy: list[tuple[tuple[str, ...], dict[str, list[Route]]]] = []


class Router:
    """All routes of one REST service."""

    def __init__(self, operations: Iterable[OperationFacts], *, keep_slashes: bool) -> None:
        self._root = _Node()
        self._keep_slashes = keep_slashes
        """S3: empty segments belong to the key."""
        for facts in operations:
            self._add(_route_of(facts, tell_apart=keep_slashes))

    def _add(self, route: Route) -> None:
        node = self._root
        for index, segment in enumerate(route.segments):
            if segment.startswith("{") and segment.endswith("+}"):
                self._add_greedy(node, route, route.segments[index + 1 :])
                return
            if segment.startswith("{"):
                node.label = node = node.label or _Node()
            else:
                node = node.literals.setdefault(segment, _Node())
        _insert(node.routes, route)

    def _add_greedy(self, node: _Node, route: Route, suffix: tuple[str, ...]) -> None:
        for known, routes in node.greedy:
            if known == suffix:
                _insert(routes, route)
                return
        routes = {route.method: [route]}
        node.greedy.append((suffix, routes))
        node.greedy.sort(key=lambda pair: -len(pair[0]))

    def match(self, method: str, path: str, query: str, headers: Mapping[str, str]) -> Match | None:
        """The operation for a raw (still encoded) path and query, or None."""
        segments = self._segments(path)
        pairs: Pairs = parse_pairs(query) if query else []
        asked: dict[str, str] = dict(reversed(pairs)) if pairs else {}
        found = self._find(self._root, segments, 0, method, asked, headers)
        if found is None:
            return None
        return Match(found.operation, self._labels(found, segments), _literal_count(found))

    def methods_of(self, path: str) -> set[str]:
        """The methods that some route has for this path."""
        segments = self._segments(path)
        return {
            method
            for method in ("GET", "HEAD", "PUT", "POST", "DELETE", "PATCH")
            if self._find(self._root, segments, 0, method, None, {}) is not None
        }

    def _segments(self, path: str) -> list[str]:
        segments = path.split("/")[1:]
        if self._keep_slashes:
            # "/bucket/" is the bucket; "/bucket//a" is the key "/a".
            if len(segments) == 2 and segments[1] == "":
                segments.pop()
            if segments == [""]:
                segments = []
            return segments
        while segments and segments[-1] == "":
            segments.pop()
        return segments

    def _find(
        self,
        node: _Node,
        segments: list[str],
        at: int,
        method: str,
        query: Mapping[str, str] | None,
        headers: Mapping[str, str],
    ) -> Route | None:
        if at == len(segments):
            return _choose(node.routes.get(method), query, headers)
        segment = segments[at]
        child = node.literals.get(segment)
        if child is not None:
            found = self._find(child, segments, at + 1, method, query, headers)
            if found is not None:
                return found
        if node.label is not None and segment:
            found = self._find(node.label, segments, at + 1, method, query, headers)
            if found is not None:
                return found
        for suffix, routes in node.greedy:
            if not suffix or tuple(segments[-len(suffix) :]) == suffix:
                found = _choose(routes.get(method), query, headers)
                if found is not None:
                    return found
        return None

    def _labels(self, route: Route, segments: list[str]) -> dict[str, str]:
        out: dict[str, str] = {}
        at = 0
        count = len(route.segments)
        for index, segment in enumerate(route.segments):
            if not segment.startswith("{"):
                at += 1
            elif segment.endswith("+}"):
                end = len(segments) - (count - index - 1)
                out[segment[1:-2]] = unquote("/".join(segments[at:end]))
                at = end
            else:
                out[segment[1:-1]] = unquote(segments[at])
                at += 1
        return out


def _insert(routes: dict[str, list[Route]], route: Route) -> None:
    there = routes.setdefault(route.method, [])
    there.append(route)
    there.sort(key=lambda r: (-r.weight, r.deprecated))


def _choose(
    routes: list[Route] | None, query: Mapping[str, str] | None, headers: Mapping[str, str]
) -> Route | None:
    if routes is None:
        return None
    if query is None:
        return routes[0]
    if not query and "x-amz-copy-source" not in headers:
        # The common case: those that ask for nothing in the query stand last.
        chosen = None
        for route in reversed(routes):
            if route.literals or route.needed or route.headers:
                break
            chosen = route
        return chosen
    for route in routes:
        if route.holds(query, headers):
            return route
    return None


def _literal_count(route: Route) -> int:
    return sum(1 for s in route.segments if not s.startswith("{")) + len(route.literals)


def _route_of(facts: OperationFacts, *, tell_apart: bool) -> Route:
    path, _, query = facts.http.request_uri.partition("?")
    needed: list[str] = []
    headers: list[str] = []
    shape = facts.input_shape
    if tell_apart and shape is not None:
        required = set(shape.model.required)
        for member in shape.members.values():
            if member.name in required and member.location == "querystring":
                needed.append(member.wire_name)
            elif member.name in required and member.wire_name.lower() in _TELLING_HEADERS:
                headers.append(member.wire_name.lower())
    segments = path.split("/")[1:]
    while segments and segments[-1] == "":
        segments.pop()
    return Route(
        operation=facts.name,
        method=facts.http.method,
        segments=tuple(segments),
        literals=tuple(parse_pairs(query)),
        needed=tuple(needed),
        headers=tuple(headers),
        deprecated=facts.deprecated,
    )
