"""URL-encoded text: query strings, forms, and the dotted trees that the query protocols build of them."""

from __future__ import annotations

from typing import TypeAlias
from urllib.parse import unquote_plus

from serein.base.errors import AwsError

Pairs: TypeAlias = list[tuple[str, str]]
_PAIRS_MAX = 20_000
_DEPTH_MAX = 60


def malformed_query(message: str) -> AwsError:
    """A form or query string that cannot be read."""
    return AwsError(message, code="MalformedQueryString", status=400)


def parse_pairs(text: str) -> Pairs:
    """The decoded pairs of `a=1&b=2` in order; a name without "=" has the value "". Raises MalformedQueryString."""
    if not text:
        return []
    parts = text.split("&")
    if len(parts) > _PAIRS_MAX:
        raise malformed_query("The query string has too many parameters")
    out: Pairs = []
    for part in parts:
        if not part:
            continue
        name, _, value = part.partition("=")
        if "%" in name or "+" in name:
            name = unquote_plus(name)
        if "%" in value or "+" in value:
            value = unquote_plus(value)
        out.append((name, value))
    return out


class Branch:
    """A node of a dotted tree: `a.b.1=x` is a → b → 1, whose text is "x"."""

    __slots__ = ("children", "text")

    def __init__(self) -> None:
        self.children: dict[str, Branch] = {}
        self.text: str | None = None

    def indexed(self) -> list[Branch]:
        """The children with numbers for names, in their order."""
        numbered = [(int(k), v) for k, v in self.children.items() if k.isdecimal() and len(k) < 10]
        numbered.sort(key=lambda pair: pair[0])
        return [child for _, child in numbered]


def tree_of(pairs: Pairs) -> Branch:
    """The tree of dotted names. Raises MalformedQueryString for absurdly deep names."""
    root = Branch()
    for name, value in pairs:
        branch = root
        steps = name.split(".")
        if len(steps) > _DEPTH_MAX:
            raise malformed_query("A parameter's name has too many levels")
        for step in steps:
            child = branch.children.get(step)
            if child is None:
                child = branch.children[step] = Branch()
            branch = child
        branch.text = value
    return root
