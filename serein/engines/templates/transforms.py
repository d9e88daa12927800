"""Fn::Transform within a template: found, and replaced by what the macro made of it.

https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/template-macros-overview.html
"""

from __future__ import annotations

import msgspec

from serein.engines.templates.errors import TemplateError
from serein.engines.templates.values import Tree, Value

FUNCTION = "Fn::Transform"


class EmbeddedTransform(msgspec.Struct, frozen=True, kw_only=True):
    """One Fn::Transform: where its map is (keys and indexes), the macro, its parameters, and the map's other keys."""

    path: tuple[str | int, ...]
    name: str
    parameters: Tree
    siblings: Tree


def embedded_transforms(tree: Value) -> list[EmbeddedTransform]:
    """Every Fn::Transform, the deepest first, as CloudFormation processes them."""
    found: list[EmbeddedTransform] = []
    _find(tree, (), found)
    return sorted(found, key=lambda transform: -len(transform.path))


def _find(value: Value, path: tuple[str | int, ...], found: list[EmbeddedTransform]) -> None:
    if isinstance(value, list):
        for index, member in enumerate(value):
            _find(member, (*path, index), found)
    elif isinstance(value, dict):
        for key, member in value.items():
            if key != FUNCTION:
                _find(member, (*path, key), found)
        for call in _calls(value.get(FUNCTION)):
            name = call.get("Name")
            parameters = call.get("Parameters", {})
            if not isinstance(name, str) or not isinstance(parameters, dict):
                raise TemplateError(
                    "Template error: every Fn::Transform object requires a Name and Parameters"
                )
            siblings = {key: member for key, member in value.items() if key != FUNCTION}
            found.append(
                EmbeddedTransform(path=path, name=name, parameters=parameters, siblings=siblings)
            )


def _calls(argument: Value) -> list[Tree]:
    if argument is None:
        return []
    calls = argument if isinstance(argument, list) else [argument]
    if not all(isinstance(call, dict) for call in calls):
        raise TemplateError(
            "Template error: every Fn::Transform object requires a Name and Parameters"
        )
    return [call for call in calls if isinstance(call, dict)]


def with_value_at(tree: Value, path: tuple[str | int, ...], made: Value) -> Value:
    """`tree` with what stands at `path` replaced; nothing is changed in place."""
    if not path:
        return made
    step, rest = path[0], path[1:]
    if isinstance(tree, dict) and isinstance(step, str):
        return {
            key: with_value_at(member, rest, made) if key == step else member
            for key, member in tree.items()
        }
    if isinstance(tree, list) and isinstance(step, int):
        return [
            with_value_at(member, rest, made) if index == step else member
            for index, member in enumerate(tree)
        ]
    raise TemplateError("Template error: Fn::Transform is in a place that no longer exists")


def merged(siblings: Tree, included: Value) -> Value:
    """What AWS::Include makes of a map: what it fetched beside the other keys.

    https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/create-reusable-transform-function-snippets-and-add-to-your-template-with-aws-include-transform.html
    """
    if not siblings:
        return included
    if not isinstance(included, dict):
        raise TemplateError(
            "Template error: an included snippet beside other keys must be an object"
        )
    return {**siblings, **included}
