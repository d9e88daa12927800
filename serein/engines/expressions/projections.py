"""Projection expressions: which parts of an item an answer holds.

https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Expressions.ProjectionExpressions.html
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import msgspec

from serein.engines.expressions.paths import path_clash
from serein.engines.expressions.scope import PathParts, Scope
from serein.engines.expressions.syntax import Parser, Path
from serein.engines.expressions.values import AttributeValue, Item


class Projection(msgspec.Struct, frozen=True, eq=False):
    """A compiled projection. `roots` are the attribute names that it looks at."""

    project: Callable[[Item], Item]
    roots: frozenset[str]
    names_used: frozenset[str]


def compile_projection(
    text: str, names: Mapping[str, str], parameter: str = "ProjectionExpression"
) -> Projection:
    """The projection that `text` describes. Raises ValidationException in AWS's words."""
    parser = Parser(text, parameter)
    raw: list[Path] = [parser.path()]
    while parser.take(","):
        raw.append(parser.path())
    parser.expect_end()
    scope = Scope(parameter, names)
    paths = [scope.resolve(path) for path in raw]
    clash = path_clash(paths)
    if clash:
        raise scope.error(clash)
    return Projection(
        project=projector(paths),
        roots=frozenset(str(path[0]) for path in paths),
        names_used=frozenset(scope.names_used),
    )


def projector(paths: Iterable[PathParts]) -> Callable[[Item], Item]:
    """A function that copies the parts of an item that lie on non-overlapping `paths`."""
    listed = list(paths)
    if all(len(path) == 1 for path in listed):
        names = [str(path[0]) for path in listed]

        def project_attributes(item: Item) -> Item:
            return {name: item[name] for name in names if name in item}

        return project_attributes

    tree: dict[str | int, Any] = {}
    for path in listed:
        branch = tree
        for part in path[:-1]:
            branch = branch.setdefault(part, {})
        branch[path[-1]] = None

    def project_tree(item: Item) -> Item:
        return _pick_members(item, tree)

    return project_tree


def _pick(value: AttributeValue, branch: dict[str | int, Any] | None) -> AttributeValue | None:
    if branch is None:
        return value
    wants_list = isinstance(next(iter(branch)), int)
    if wants_list:
        members = value.get("L")
        if members is None:
            return None
        picked = [
            part
            for index in sorted(branch)
            if isinstance(index, int) and index < len(members)
            if (part := _pick(members[index], branch[index])) is not None
        ]
        return {"L": picked} if picked else None
    content = value.get("M")
    if content is None:
        return None
    found = _pick_members(content, branch)
    return {"M": found} if found else None


def _pick_members(content: Item, branch: dict[str | int, Any]) -> Item:
    found: Item = {}
    for name, deeper in branch.items():
        assert isinstance(name, str)
        value = content.get(name)
        if value is not None:
            part = _pick(value, deeper)
            if part is not None:
                found[name] = part
    return found
