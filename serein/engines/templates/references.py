"""What refers to what: Ref, GetAtt, Sub, conditions, DependsOn; and the check that every name exists."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Literal

import msgspec

from serein.engines.templates.errors import TemplateError
from serein.engines.templates.model import ResourceDefinition, Template
from serein.engines.templates.values import Tree, Value

PSEUDO_PARAMETERS = frozenset(
    [
        "AWS::AccountId",
        "AWS::NotificationARNs",
        "AWS::NoValue",
        "AWS::Partition",
        "AWS::Region",
        "AWS::StackId",
        "AWS::StackName",
        "AWS::URLSuffix",
    ]
)
SUB_PATTERN = re.compile(r"\$\{([^}]*)\}")
_SUB_NAME = re.compile(r"[A-Za-z0-9_.:]+\Z")
GETATT_SHAPE = (
    "Template error: every Fn::GetAtt object requires two non-empty parameters, the resource name and the"
    " resource attribute"
)
REF_SHAPE = "Template error: every Ref object must have a single String value."
SUB_SHAPE = (
    "Template error: One or more Fn::Sub intrinsic functions don't specify expected arguments. Specify a string as"
    " first argument, and an optional second argument to specify a mapping of values to replace in the string"
)
SUB_NAMES = (
    "Template error: variable names in Fn::Sub syntax must contain only alphanumeric characters, underscores,"
    " periods, and colons"
)
IF_SHAPE = "Template error: Fn::If requires a list argument with three elements"


class Reference(msgspec.Struct, frozen=True):
    """One mention of a name. `attribute` is empty for Ref (and for GetAtt of a computed attribute)."""

    kind: Literal["Ref", "GetAtt", "Condition"]
    name: str
    attribute: str = ""


def references_in(value: Value) -> Iterator[Reference]:
    """Every reference within an expression, in the order of the text, in all branches of Fn::If."""
    if isinstance(value, list):
        for member in value:
            yield from references_in(member)
    elif isinstance(value, dict):
        if len(value) == 1:
            name, argument = next(iter(value.items()))
            if name == "Ref":
                yield Reference("Ref", ref_name(argument))
                return
            if name == "Fn::GetAtt":
                yield from _in_getatt(argument)
                return
            if name == "Fn::Sub":
                yield from _in_sub(argument)
                return
            if name == "Fn::If":
                condition = if_arguments(argument)[0]
                yield Reference("Condition", condition)
        for member in value.values():
            yield from references_in(member)


def ref_name(argument: Value) -> str:
    """The name in a Ref."""
    if not isinstance(argument, str) or not argument:
        raise TemplateError(REF_SHAPE)
    return argument


def getatt_arguments(argument: Value) -> tuple[str, Value]:
    """The resource's name and the attribute (text or expression) of a GetAtt, in either of its forms."""
    if isinstance(argument, str):
        resource, _, attribute = argument.partition(".")
        argument = [resource, attribute]
    if not isinstance(argument, list) or len(argument) != 2:
        raise TemplateError(GETATT_SHAPE)
    resource_name, attribute_value = argument
    if not isinstance(resource_name, str) or not resource_name or not attribute_value:
        raise TemplateError(GETATT_SHAPE)
    if not isinstance(attribute_value, (str, dict)):
        raise TemplateError(GETATT_SHAPE)
    return resource_name, attribute_value


def sub_arguments(argument: Value) -> tuple[str, Tree]:
    """The text and the variables of a Sub, in either of its forms."""
    if isinstance(argument, str):
        return argument, {}
    if isinstance(argument, list) and len(argument) == 2:
        text, variables = argument
        if isinstance(text, str) and isinstance(variables, dict):
            return text, variables
    raise TemplateError(SUB_SHAPE)


def sub_names(text: str) -> Iterator[str]:
    """The names that a Sub's text mentions (`${!Literal}` mentions none)."""
    for match in SUB_PATTERN.finditer(text):
        name = match.group(1)
        if name.startswith("!"):
            continue
        if not _SUB_NAME.match(name):
            raise TemplateError(SUB_NAMES)
        yield name


def if_arguments(argument: Value) -> tuple[str, Value, Value]:
    """The condition and both branches of an If."""
    if not isinstance(argument, list) or len(argument) != 3:
        raise TemplateError(IF_SHAPE)
    condition, yes, no = argument
    if not isinstance(condition, str):
        raise TemplateError(
            "Template error: every Fn::If object requires the name of a condition as first argument"
        )
    return condition, yes, no


def _in_getatt(argument: Value) -> Iterator[Reference]:
    resource, attribute = getatt_arguments(argument)
    yield Reference("GetAtt", resource, attribute if isinstance(attribute, str) else "")
    yield from references_in(attribute)


def _in_sub(argument: Value) -> Iterator[Reference]:
    text, variables = sub_arguments(argument)
    yield from references_in(variables)
    for name in sub_names(text):
        if name in variables:
            continue
        resource, dot, attribute = name.partition(".")
        yield Reference("GetAtt", resource, attribute) if dot else Reference("Ref", name)


def check_references(template: Template) -> None:
    """Every name that an expression mentions must exist. Raises TemplateError."""
    for name, expression in template.conditions.items():
        _check_condition(template, name, expression)
    known = template.resources.keys() | template.parameters.keys() | PSEUDO_PARAMETERS
    missing: list[str] = []
    for resource in template.resources.values():
        _check_resource(template, resource, known, missing)
    if missing:
        raise unresolved(missing, "Resources")
    for output in template.outputs.values():
        if output.condition is not None and output.condition not in template.conditions:
            raise TemplateError(
                f"Template format error: Output {output.name} is dependent on undefined condition"
                f" {output.condition}"
            )
        for expression in (output.value, output.export_name):
            _check_expression(template, expression, known, missing, f"/Outputs/{output.name}/Value")
    if missing:
        raise unresolved(missing, "Outputs")


def unresolved(missing: list[str], section: str) -> TemplateError:
    """Names that nothing answers to."""
    names = ", ".join(sorted(set(missing)))
    return TemplateError(
        f"Template format error: Unresolved resource dependencies [{names}] in the {section} block of the template"
    )


def _check_resource(
    template: Template, resource: ResourceDefinition, known: set[str], missing: list[str]
) -> None:
    path = f"/Resources/{resource.name}"
    if resource.condition is not None and resource.condition not in template.conditions:
        raise TemplateError(
            f"Template format error: Unresolved condition dependencies [{resource.condition}] in the Resources"
            " block of the template",
            path=path,
        )
    missing.extend(name for name in resource.depends_on if name not in template.resources)
    for name, expression in resource.properties.items():
        _check_expression(template, expression, known, missing, f"{path}/Properties/{name}")
    for member in (resource.metadata, resource.deletion_policy, resource.update_replace_policy):
        _check_expression(template, member, known, missing, path)


def _check_expression(
    template: Template, expression: Value, known: set[str], missing: list[str], path: str
) -> None:
    try:
        for reference in references_in(expression):
            if reference.kind == "Condition":
                if reference.name not in template.conditions:
                    raise TemplateError(
                        f"Template error: unresolved condition dependency {reference.name} in Fn::If"
                    )
            elif reference.kind == "GetAtt":
                if reference.name not in template.resources:
                    raise TemplateError(
                        "Template error: instance of Fn::GetAtt references undefined resource"
                        f" {reference.name}"
                    )
            elif reference.name not in known:
                missing.append(reference.name)
    except TemplateError as error:
        error.path = error.path or path
        raise


def _check_condition(template: Template, name: str, expression: Value) -> None:
    for reference in references_in(expression):
        if reference.kind == "Condition" and reference.name not in template.conditions:
            raise TemplateError(
                f"Template error: unresolved condition dependency {reference.name} in Fn::If"
            )
        if reference.kind == "GetAtt" or (
            reference.kind == "Ref"
            and reference.name not in template.parameters
            and reference.name not in PSEUDO_PARAMETERS
        ):
            raise TemplateError(
                f"Template format error: Unresolved dependencies [{reference.name}]. Cannot reference resources in"
                " the Conditions block of the template",
                path=f"/Conditions/{name}",
            )
    check_condition_names(template.conditions, expression)


def check_condition_names(conditions: Tree, expression: Value) -> None:
    """`{"Condition": name}` within a condition must name one."""
    if isinstance(expression, dict):
        target = expression.get("Condition")
        if len(expression) == 1 and isinstance(target, str) and target not in conditions:
            raise TemplateError(
                f"Template format error: Unresolved condition dependencies [{target}] in the Conditions block of the"
                " template"
            )
        for member in expression.values():
            check_condition_names(conditions, member)
    elif isinstance(expression, list):
        for member in expression:
            check_condition_names(conditions, member)
