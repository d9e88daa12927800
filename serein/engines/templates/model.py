"""What a template says, once its form has been checked."""

from __future__ import annotations

import msgspec

from serein.engines.templates.values import Tree, Value


class ParameterDefinition(msgspec.Struct, frozen=True, kw_only=True):
    """One entry of Parameters. `default` and `allowed_values` are texts, as CloudFormation keeps them."""

    name: str
    type: str
    default: str | None = None
    allowed_values: tuple[str, ...] = ()
    allowed_pattern: str | None = None
    constraint_description: str | None = None
    description: str | None = None
    min_length: int | None = None
    max_length: int | None = None
    min_value: float | None = None
    max_value: float | None = None
    no_echo: bool = False


class ResourceDefinition(msgspec.Struct, frozen=True, kw_only=True):
    """One entry of Resources."""

    name: str
    type: str
    properties: Tree
    depends_on: tuple[str, ...] = ()
    condition: str | None = None
    deletion_policy: Value = None
    update_replace_policy: Value = None
    metadata: Value = None
    update_policy: Value = None
    creation_policy: Value = None


class OutputDefinition(msgspec.Struct, frozen=True, kw_only=True):
    """One entry of Outputs; `export_name` is an expression."""

    name: str
    value: Value
    description: str | None = None
    export_name: Value = None
    condition: str | None = None


class Rule(msgspec.Struct, frozen=True, kw_only=True):
    """One entry of Rules: when `condition` holds (or is absent), every assertion must."""

    name: str
    condition: Value
    assertions: tuple[tuple[Value, str], ...]


class Template(msgspec.Struct, frozen=True, kw_only=True):
    """A checked template. Expressions in it are not evaluated yet."""

    tree: Tree
    description: str | None
    version: str | None
    metadata: Value
    transforms: tuple[str, ...]
    parameters: dict[str, ParameterDefinition]
    mappings: dict[str, dict[str, dict[str, Value]]]
    conditions: dict[str, Value]
    resources: dict[str, ResourceDefinition]
    outputs: dict[str, OutputDefinition]
    rules: dict[str, Rule]
