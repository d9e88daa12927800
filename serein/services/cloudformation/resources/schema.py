"""Properties against the types' schemas: implicit conversions, required and unknown properties, replacement.

`schemas.json` is made from the resource provider schemas that AWS publishes
(https://docs.aws.amazon.com/cloudformation-cli/latest/userguide/resource-type-schemas.html), cut down to names, types and
what must be replaced.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import Any

import orjson

from serein.services.cloudformation.resources.interface import Properties, ResourceFailure

Schema = Mapping[str, Any]
_WORDS = {
    "string": "String",
    "integer": "Integer",
    "number": "Number",
    "boolean": "Boolean",
    "array": "List",
    "object": "Map",
}
DEPTH_MAX = 60


@cache
def schemas() -> Mapping[str, Schema]:
    """All schemas by type name; read once, when the first template needs one."""
    text = resources.files(__package__).joinpath("schemas.json").read_bytes()
    read: Mapping[str, Schema] = orjson.loads(text)
    return read


def replacing(type_name: str) -> frozenset[str]:
    """The properties whose change needs a new resource."""
    schema = schemas().get(type_name)
    return frozenset(schema["replaces"]) if schema else frozenset()


def conform(type_name: str, properties: Properties) -> Properties:
    """The properties with numbers, texts and booleans as the type wants them.

    Raises ResourceFailure ("Property validation failure: …") for what is missing, unknown or of another type.
    """
    schema = schemas().get(type_name)
    if schema is None:
        return properties
    problems: list[str] = []
    writable = {k: v for k, v in schema["properties"].items() if k not in schema["read_only"]}
    root = {"properties": writable, "required": schema["required"], "closed": True}
    made: Properties = _map(root, properties, "", schema["definitions"], problems, 0)
    if problems:
        raise ResourceFailure(f"Property validation failure: [{', '.join(problems)}]")
    return made


def with_tags(type_name: str, properties: Properties, tags: Mapping[str, str]) -> Properties:
    """The properties with a stack's tags beside the resource's own (which win), where the type has tags."""
    schema = schemas().get(type_name)
    kind = schema["properties"].get("Tags") if schema else None
    if not tags or kind is None:
        return properties
    own = properties.get("Tags")
    if kind.get("type") == "array":
        mine = {tag["Key"]: tag.get("Value", "") for tag in own or ()}
        merged = [{"Key": key, "Value": value} for key, value in {**tags, **mine}.items()]
        return {**properties, "Tags": merged}
    return {**properties, "Tags": {**tags, **(own or {})}}


def _conform(
    schema: Schema, value: Any, path: str, definitions: Schema, problems: list[str], depth: int
) -> Any:
    if "$ref" in schema:
        schema = definitions.get(schema["$ref"], {})
    kind = schema.get("type")
    if kind is None or depth > DEPTH_MAX:
        return value
    if kind == "object":
        if not isinstance(value, dict):
            problems.append(f"Value of property {{{path}}} must be an object")
            return value
        return _map(schema, value, path, definitions, problems, depth)
    if kind == "array":
        if not isinstance(value, list):
            problems.append(f"Value of property {{{path}}} must be of type List")
            return value
        items = schema.get("items", {})
        return [
            _conform(items, item, f"{path}/{index}", definitions, problems, depth + 1)
            for index, item in enumerate(value)
        ]
    return _scalar(str(kind), value, path, problems)


def _map(
    schema: Schema,
    value: Mapping[str, Any],
    path: str,
    definitions: Schema,
    problems: list[str],
    depth: int,
) -> dict[str, Any]:
    known = schema.get("properties")
    values = schema.get("values")
    if not known and values:
        return {
            name: _conform(values, member, f"{path}/{name}", definitions, problems, depth + 1)
            for name, member in value.items()
        }
    if not known:
        return dict(value)
    problems.extend(
        f"The property {{{path}/{name}}} is required"
        for name in schema.get("required", ())
        if name not in value
    )
    unknown = [name for name in value if name not in known]
    if unknown and schema.get("closed"):
        problems.append(
            f"Encountered unsupported properties in {{{path or '/'}}}: [{', '.join(unknown)}]"
        )
    return {
        name: _conform(known[name], member, f"{path}/{name}", definitions, problems, depth + 1)
        if name in known
        else member
        for name, member in value.items()
    }


def _scalar(kind: str, value: Any, path: str, problems: list[str]) -> Any:
    """CloudFormation converts between text, number and boolean where that is possible without loss."""
    if kind == "string":
        if isinstance(value, bool):
            return "true" if value else "false"
        if isinstance(value, (int, float)):
            return str(value)
        if isinstance(value, str):
            return value
    elif kind == "boolean":
        if isinstance(value, bool):
            return value
        if isinstance(value, str) and value.lower() in ("true", "false"):
            return value.lower() == "true"
    elif isinstance(value, (int, float, str)) and not isinstance(value, bool):
        number = _number(kind, value)
        if number is not None:
            return number
    problems.append(f"Value of property {{{path}}} must be of type {_WORDS[kind]}")
    return value


def _number(kind: str, value: str | float) -> int | float | None:
    try:
        number = float(value)
        if kind == "integer" or (
            isinstance(value, str) and "." not in value and "e" not in value.lower()
        ):
            return int(value) if number.is_integer() else None
    except (ValueError, OverflowError):
        return None
    return number
