"""The AWS::LanguageExtensions transform: loops written out. (Fn::Length and Fn::ToJsonString are ordinary functions
that the transform allows; see `evaluate.py`.)

https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/intrinsic-function-reference-foreach.html
"""

from __future__ import annotations

from collections.abc import Mapping

from serein.engines.templates.errors import TemplateError
from serein.engines.templates.evaluate import evaluate
from serein.engines.templates.parse import check_size
from serein.engines.templates.scope import Scope
from serein.engines.templates.values import NODES_MAX, Tree, Value, is_scalar, to_text

NAME = "AWS::LanguageExtensions"
LOOP = "Fn::ForEach::"
LOOPS_NESTED_MAX = 5
_SECTIONS = ("Resources", "Conditions", "Outputs")


def expand_loops(scope: Scope, tree: Tree) -> Tree:
    """The template with every Fn::ForEach written out. `scope` gives the parameters and mappings it may use."""
    budget = [NODES_MAX]
    expanded = {
        name: _expand(scope, section, {}, 0, budget) if name in _SECTIONS else section
        for name, section in tree.items()
    }
    check_size(expanded)
    return expanded


def _expand(
    scope: Scope, value: Value, names: Mapping[str, str], nested: int, budget: list[int]
) -> Value:
    budget[0] -= 1
    if budget[0] < 0:
        raise TemplateError("Template error: Fn::ForEach makes the template too large")
    if isinstance(value, str):
        return _named(value, names)
    if isinstance(value, list):
        return [_expand(scope, member, names, nested, budget) for member in value]
    if not isinstance(value, dict):
        return value
    if len(value) == 1 and names:
        name, argument = next(iter(value.items()))
        if name == "Ref" and isinstance(argument, str) and argument in names:
            return names[argument]
    made: Tree = {}
    for key, member in value.items():
        if key.startswith(LOOP):
            _put_all(made, _loop(scope, key, member, names, nested + 1, budget), key)
        else:
            made[_named(key, names)] = _expand(scope, member, names, nested, budget)
    return made


def _loop(
    scope: Scope,
    key: str,
    argument: Value,
    names: Mapping[str, str],
    nested: int,
    budget: list[int],
) -> Tree:
    loop = key[len(LOOP) :]
    if nested > LOOPS_NESTED_MAX:
        raise TemplateError(f"Template error: Fn::ForEach {loop} is nested too deeply")
    if not isinstance(argument, list) or len(argument) != 3:
        raise TemplateError(
            f"Template error: {key} must be a list of 3 elements: identifier, collection, output"
        )
    identifier, collection, body = argument
    if not isinstance(identifier, str) or not identifier or not isinstance(body, dict):
        raise TemplateError(
            f"Template error: {key} must be a list of 3 elements: identifier, collection, output"
        )
    made: Tree = {}
    for item in _collection(scope, key, collection, names, nested, budget):
        inner = {**names, identifier: item}
        piece = _expand(scope, body, inner, nested, budget)
        _put_all(made, piece if isinstance(piece, dict) else {}, key)
    return made


def _collection(
    scope: Scope,
    key: str,
    expression: Value,
    names: Mapping[str, str],
    nested: int,
    budget: list[int],
) -> list[str]:
    items = evaluate(scope, _expand(scope, expression, names, nested, budget))
    if not isinstance(items, list) or not all(is_scalar(item) for item in items):
        raise TemplateError(f"Template error: The collection of {key} must be a list of strings")
    return [to_text(item) for item in items]


def _put_all(made: Tree, piece: Tree, key: str) -> None:
    for name, member in piece.items():
        if name in made:
            raise TemplateError(f"Template error: {key} makes the key {name} more than once")
        made[name] = member


def _named(text: str, names: Mapping[str, str]) -> str:
    """The text with the loops' identifiers filled in: `${Id}`, or `&{Id}` for its letters and digits only."""
    if not names or "{" not in text:
        return text
    for identifier, item in names.items():
        text = text.replace("${" + identifier + "}", item)
        text = text.replace("&{" + identifier + "}", "".join(c for c in item if c.isalnum()))
    return text
