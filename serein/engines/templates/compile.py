"""The structural check of a template: what each section must look like, in CloudFormation's words.

https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/template-anatomy.html
https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/cloudformation-limits.html
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import TypeVar

from serein.engines.templates.errors import TemplateError
from serein.engines.templates.model import (
    OutputDefinition,
    ParameterDefinition,
    ResourceDefinition,
    Rule,
    Template,
)
from serein.engines.templates.references import check_references
from serein.engines.templates.values import Tree, Value, is_scalar, to_text

T = TypeVar("T")

SECTIONS = frozenset(
    [
        "AWSTemplateFormatVersion",
        "Conditions",
        "Description",
        "Hooks",
        "Mappings",
        "Metadata",
        "Outputs",
        "Parameters",
        "Resources",
        "Rules",
        "Transform",
    ]
)
RESOURCES_MAX = 500
PARAMETERS_MAX = 200
OUTPUTS_MAX = 200
MAPPINGS_MAX = 200
_NAME = re.compile(r"[a-zA-Z0-9]{1,255}\Z")
_MAP_KEY = re.compile(r"[a-zA-Z0-9.-]{1,255}\Z")
_PARAMETER_TYPE = re.compile(
    r"(?:String|Number|CommaDelimitedList|List<(?:Number|String)>"
    r"|AWS::SSM::Parameter::Name"
    r"|AWS::SSM::Parameter::Value<[A-Za-z0-9:.<>]{1,128}>"
    r"|List<AWS::[A-Za-z0-9:.]{1,100}>|AWS::(?!SSM::)[A-Za-z0-9:.]{1,100})\Z"
)
_RESOURCE_MEMBERS = frozenset(
    [
        "Type",
        "Properties",
        "DependsOn",
        "Condition",
        "DeletionPolicy",
        "UpdateReplacePolicy",
        "Metadata",
        "UpdatePolicy",
        "CreationPolicy",
    ]
)
_POLICIES = frozenset({"Delete", "Retain", "Snapshot", "RetainExceptOnCreate"})


def transforms_of(tree: Tree) -> tuple[str, ...]:
    """The names in the template's Transform section."""
    section = tree.get("Transform")
    items = section if isinstance(section, list) else [section] if section is not None else []
    names: list[str] = []
    for item in items:
        name = item.get("Name") if isinstance(item, dict) else item
        if not isinstance(name, str):
            raise TemplateError(
                "Template format error: Transform must be a string or a list of strings."
            )
        names.append(name)
    return tuple(names)


def parameters_of(tree: Tree) -> dict[str, ParameterDefinition]:
    """The Parameters section alone: what is needed before transforms have run."""
    return _section(tree, "Parameters", PARAMETERS_MAX, _parameter)


def compile_template(tree: Tree) -> Template:
    """Check `tree` (transforms done) and give it its types. Raises TemplateError."""
    check_sections(tree)
    template = Template(
        tree=tree,
        description=_text_or_none(tree, "Description"),
        version=_text_or_none(tree, "AWSTemplateFormatVersion"),
        metadata=tree.get("Metadata"),
        transforms=transforms_of(tree),
        parameters=parameters_of(tree),
        mappings=_section(tree, "Mappings", MAPPINGS_MAX, _mapping),
        conditions=_section(tree, "Conditions", 10_000, _condition),
        resources=_section(tree, "Resources", RESOURCES_MAX, _resource),
        outputs=_section(tree, "Outputs", OUTPUTS_MAX, _output),
        rules=_section(tree, "Rules", 10_000, _rule),
    )
    check_references(template)
    return template


def check_sections(tree: Tree) -> None:
    """The outline: known sections, no nulls, at least one resource."""
    unknown = [name for name in tree if name not in SECTIONS]
    if unknown:
        raise TemplateError(f"Invalid template property or properties [{', '.join(unknown)}]")
    _refuse_nulls(tree)
    version = tree.get("AWSTemplateFormatVersion")
    if version is not None and version != "2010-09-09":
        raise TemplateError(
            f"Template format error: {to_text(version)} is not a supported value for AWSTemplateFormatVersion."
        )
    description = tree.get("Description")
    if description is not None and not is_scalar(description):
        raise TemplateError("Template format error: Description must be a string.")
    if isinstance(description, str) and len(description.encode()) > 1024:
        raise TemplateError("Template format error: 'Description' length is greater than 1024.")
    resources = tree.get("Resources")
    if not isinstance(resources, dict) or not resources:
        raise TemplateError("Template format error: At least one Resources member must be defined.")


def _refuse_nulls(tree: Tree) -> None:
    """https://repost.aws/knowledge-center/cloudformation-null-value-error"""
    waiting: list[tuple[str, Value]] = [
        (f"/{name}", section) for name, section in reversed(tree.items()) if name != "Metadata"
    ]
    while waiting:
        path, node = waiting.pop()
        if node is None:
            raise TemplateError(f"[{path}] 'null' values are not allowed in templates", path=path)
        if isinstance(node, dict):
            waiting.extend((f"{path}/{key}", member) for key, member in node.items())
        elif isinstance(node, list):
            waiting.extend((f"{path}/{index}", member) for index, member in enumerate(node))


def _section(
    tree: Tree, name: str, members_max: int, read: Callable[[str, Value], T]
) -> dict[str, T]:
    section = tree.get(name)
    if section is None:
        return {}
    if not isinstance(section, dict):
        raise TemplateError(f"Template format error: {name} must be an object.", path=f"/{name}")
    if len(section) > members_max:
        raise TemplateError(
            f"Template format error: Number of {name.lower()}, {len(section)}, is greater than maximum allowed,"
            f" {members_max}"
        )
    return {key: read(key, member) for key, member in section.items()}


def _object(section: str, name: str, member: Value) -> Mapping[str, Value]:
    path = f"/{section}/{name}"
    if not _NAME.match(name):
        kind = section[:-1]
        raise TemplateError(
            f"Template format error: {kind} name {name} is non alphanumeric.", path=path
        )
    if not isinstance(member, dict):
        raise TemplateError(
            f"Template format error: [{path}] Every {section} member must be an object.", path=path
        )
    return member


def _text_or_none(holder: Mapping[str, Value], key: str) -> str | None:
    value = holder.get(key)
    return None if value is None else to_text(value)


def _parameter(name: str, member: Value) -> ParameterDefinition:
    path = f"/Parameters/{name}"
    holder = _object("Parameters", name, member)
    kind = holder.get("Type")
    if kind is None:
        raise TemplateError(
            "Template format error: Every Parameters object must contain a Type member.", path=path
        )
    if not isinstance(kind, str) or not _PARAMETER_TYPE.match(kind):
        raise TemplateError(
            f"Template format error: Unrecognized parameter type: {to_text(kind)}", path=path
        )
    default = holder.get("Default")
    if default is not None and not is_scalar(default):
        raise TemplateError(
            "Template format error: Every Default member must be a string.", path=path
        )
    allowed = holder.get("AllowedValues", [])
    if not isinstance(allowed, list) or not all(is_scalar(value) for value in allowed):
        raise TemplateError(
            "Template format error: Every AllowedValues member must be a list of strings.",
            path=path,
        )
    for key in ("AllowedPattern", "ConstraintDescription", "Description", "NoEcho"):
        if not is_scalar(holder.get(key, "")):
            raise TemplateError(
                f"Template format error: Every {key} member must be a string.", path=path
            )
    return ParameterDefinition(
        name=name,
        type=kind,
        default=None if default is None else to_text(default),
        allowed_values=tuple(to_text(value) for value in allowed),
        allowed_pattern=_text_or_none(holder, "AllowedPattern"),
        constraint_description=_text_or_none(holder, "ConstraintDescription"),
        description=_text_or_none(holder, "Description"),
        min_length=_whole_or_none(holder, "MinLength", path),
        max_length=_whole_or_none(holder, "MaxLength", path),
        min_value=_number_or_none(holder, "MinValue", path),
        max_value=_number_or_none(holder, "MaxValue", path),
        no_echo=to_text(holder.get("NoEcho", False)).lower() == "true",
    )


def _number_or_none(holder: Mapping[str, Value], key: str, path: str) -> float | None:
    value = holder.get(key)
    if value is None:
        return None
    try:
        if not is_scalar(value) or isinstance(value, bool):
            raise ValueError
        return float(to_text(value))
    except ValueError:
        raise TemplateError(
            f"Template format error: Every {key} member must be a number.", path=path
        ) from None


def _whole_or_none(holder: Mapping[str, Value], key: str, path: str) -> int | None:
    number = _number_or_none(holder, key, path)
    if number is not None and (number != number or not -1e9 < number < 1e9):
        raise TemplateError(
            f"Template format error: Every {key} member must be a number.", path=path
        )
    return None if number is None else int(number)


def _mapping(name: str, member: Value) -> dict[str, dict[str, Value]]:
    path = f"/Mappings/{name}"
    rows = _object("Mappings", name, member)
    table: dict[str, dict[str, Value]] = {}
    for key, row in rows.items():
        if not isinstance(row, dict):
            raise TemplateError(
                "Template format error: Every Mappings object member must contain a String key and an object value.",
                path=path,
            )
        for attribute, value in row.items():
            if not _MAP_KEY.match(attribute):
                raise TemplateError(
                    f"Template format error: Mappings attribute name '{attribute}' must contain only alphanumeric"
                    " characters, '-' and '.'.",
                    path=f"{path}/{key}",
                )
            if not is_scalar(value) and not (isinstance(value, list)):
                raise TemplateError(
                    "Template format error: Every Mappings attribute must be a String or a List.",
                    path=f"{path}/{key}/{attribute}",
                )
        table[key] = row
    return table


def _condition(name: str, member: Value) -> Value:
    path = f"/Conditions/{name}"
    if not _NAME.match(name):
        raise TemplateError(
            f"Template format error: Condition name {name} is non alphanumeric.", path=path
        )
    if not isinstance(member, dict) or len(member) != 1:
        raise TemplateError(
            "Template format error: Conditions can only be boolean operations on parameters and other conditions",
            path=path,
        )
    return member


def _resource(name: str, member: Value) -> ResourceDefinition:
    path = f"/Resources/{name}"
    holder = _object("Resources", name, member)
    kind = holder.get("Type")
    if not isinstance(kind, str) or not kind:
        raise TemplateError(
            f"Template format error: [{path}] Every Resources object must contain a Type member.",
            path=path,
        )
    for key in holder:
        if key not in _RESOURCE_MEMBERS:
            raise TemplateError(f"Invalid template resource property '{key}'", path=f"{path}/{key}")
    properties = holder.get("Properties", {})
    if not isinstance(properties, dict):
        raise TemplateError(
            f"Template format error: [{path}/Properties] Properties must be an object.",
            path=f"{path}/Properties",
        )
    return ResourceDefinition(
        name=name,
        type=kind,
        properties=properties,
        depends_on=_depends_on(holder.get("DependsOn", []), path),
        condition=_condition_name(holder, path),
        deletion_policy=_policy(holder, "DeletionPolicy", path),
        update_replace_policy=_policy(holder, "UpdateReplacePolicy", path),
        metadata=holder.get("Metadata"),
        update_policy=holder.get("UpdatePolicy"),
        creation_policy=holder.get("CreationPolicy"),
    )


def _depends_on(value: Value, path: str) -> tuple[str, ...]:
    names = value if isinstance(value, list) else [value]
    if not all(isinstance(name, str) for name in names):
        raise TemplateError(
            f"Template format error: [{path}/DependsOn] DependsOn must be a string or list of strings.",
            path=f"{path}/DependsOn",
        )
    return tuple(str(name) for name in names)


def _condition_name(holder: Mapping[str, Value], path: str) -> str | None:
    condition = holder.get("Condition")
    if condition is not None and not isinstance(condition, str):
        raise TemplateError(
            f"Template format error: [{path}/Condition] Every Condition member must be a string.",
            path=f"{path}/Condition",
        )
    return condition


def _policy(holder: Mapping[str, Value], key: str, path: str) -> Value:
    value = holder.get(key)
    if isinstance(value, dict) or value is None:
        return value
    if value not in _POLICIES:
        raise TemplateError(
            f"Template format error: Unrecognized {key} {to_text(value)}", path=f"{path}/{key}"
        )
    return value


def _output(name: str, member: Value) -> OutputDefinition:
    path = f"/Outputs/{name}"
    holder = _object("Outputs", name, member)
    if "Value" not in holder:
        raise TemplateError(
            "Template format error: Every Outputs member must contain a Value object", path=path
        )
    value = holder["Value"]
    if isinstance(value, list):
        raise TemplateError(
            "Template format error: The Value field of every Outputs member must evaluate to a String.",
            path=path,
        )
    export = holder.get("Export")
    if export is not None and (not isinstance(export, dict) or set(export) != {"Name"}):
        raise TemplateError(
            f"Template format error: Output {name} is malformed. Export must be an object with a Name.",
            path=path,
        )
    description = holder.get("Description")
    if description is not None and not is_scalar(description):
        raise TemplateError(
            "Template format error: Every Description member must be a string.", path=path
        )
    return OutputDefinition(
        name=name,
        value=value,
        description=_text_or_none(holder, "Description"),
        export_name=export.get("Name") if isinstance(export, dict) else None,
        condition=_condition_name(holder, path),
    )


def _rule(name: str, member: Value) -> Rule:
    path = f"/Rules/{name}"
    holder = _object("Rules", name, member)
    assertions = holder.get("Assertions")
    if not isinstance(assertions, list) or not assertions:
        raise TemplateError(
            f"Template format error: [{path}] Every Rules member must contain Assertions.",
            path=path,
        )
    read: list[tuple[Value, str]] = []
    for item in assertions:
        if not isinstance(item, dict) or "Assert" not in item:
            raise TemplateError(
                f"Template format error: [{path}/Assertions] Every assertion must contain Assert.",
                path=path,
            )
        read.append((item["Assert"], to_text(item.get("AssertDescription", ""))))
    return Rule(name=name, condition=holder.get("RuleCondition"), assertions=tuple(read))
