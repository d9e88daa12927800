"""Expressions evaluated: every intrinsic function of CloudFormation.

https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/intrinsic-function-reference.html
"""

from __future__ import annotations

import base64
import ipaddress
from collections.abc import Callable, Mapping

from serein.engines.templates.conditions import decide, holds
from serein.engines.templates.errors import MissingAttribute, TemplateError
from serein.engines.templates.model import OutputDefinition, ResourceDefinition, Template
from serein.engines.templates.references import (
    PSEUDO_PARAMETERS,
    SUB_PATTERN,
    getatt_arguments,
    if_arguments,
    ref_name,
    sub_arguments,
    sub_names,
    unresolved,
)
from serein.engines.templates.scope import Scope
from serein.engines.templates.values import (
    CONDITION_FUNCTIONS,
    NO_VALUE,
    UNKNOWN,
    Tree,
    Value,
    function_or_none,
    has_unknown,
    is_scalar,
    to_json,
    to_text,
)

TEXT_CHARACTERS_MAX = 4_194_304
"""The longest text a function may make: functions of functions must not blow up."""
CIDR_BLOCKS_MAX = 256
JOIN_SHAPE = (
    "Template error: every Fn::Join object requires two parameters, (1) a string delimiter and (2) a list of strings"
    " to be joined or a function that returns a list of strings (such as Fn::GetAZs) to be joined."
)
SPLIT_SHAPE = (
    "Template error: every Fn::Split object requires two parameters, (1) a string delimiter and (2) a string to be"
    " split or a function that returns a string to be split."
)
SELECT_SHAPE = "Template error: Fn::Select requires a list argument with two elements: an integer index and a list"
FIND_SHAPE = (
    "Template error: every Fn::FindInMap object requires three parameters, the map name, map key and the attribute"
    " for return value"
)


def evaluate(scope: Scope, expression: Value) -> Value:
    """The value of an expression. `AWS::NoValue` at the top gives NO_VALUE; within, it is left out."""
    if isinstance(expression, str) or expression is None:
        return expression
    if isinstance(expression, list):
        items = [evaluate(scope, member) for member in expression]
        return [item for item in items if item != NO_VALUE]
    if not isinstance(expression, dict):
        return expression
    call = function_or_none(expression)
    if call is not None:
        name, argument = call
        function = _FUNCTIONS.get(name)
        if function is not None:
            return function(scope, argument)
        if name in CONDITION_FUNCTIONS:
            return decide(scope, expression, evaluate)
        if name not in ("Fn::Transform",):
            raise TemplateError(f"Template error: unsupported function {name}")
        raise TemplateError("Template error: Fn::Transform is left in the template")
    made = {key: evaluate(scope, member) for key, member in expression.items()}
    return {key: member for key, member in made.items() if member != NO_VALUE}


def evaluate_properties(scope: Scope, resource: ResourceDefinition) -> Tree:
    """A resource's properties. A TemplateError names the resource and the property in its `path`."""
    made: Tree = {}
    for name, expression in resource.properties.items():
        try:
            value = evaluate(scope, expression)
        except TemplateError as error:
            error.path = error.path or f"/Resources/{resource.name}/Properties/{name}"
            raise
        if value != NO_VALUE:
            made[name] = value
    return made


def evaluate_output(scope: Scope, output: OutputDefinition) -> tuple[str, str | None]:
    """An output's value and the name it is exported by, if any."""
    path = f"/Outputs/{output.name}/Value"
    try:
        value = evaluate(scope, output.value)
        export = None if output.export_name is None else evaluate(scope, output.export_name)
    except TemplateError as error:
        error.path = error.path or path
        raise
    if not is_scalar(value) or value == NO_VALUE:
        raise TemplateError(
            "Template format error: The Value field of every Outputs member must evaluate to a String.",
            path=path,
        )
    if export is not None and not isinstance(export, str):
        raise TemplateError(
            "Template format error: Output Export Name must be a String.",
            path=f"/Outputs/{output.name}/Export/Name",
        )
    return to_text(value), export


def is_wanted(scope: Scope, condition: str | None) -> bool:
    """Whether something under `condition` (None: always) is part of this deployment."""
    return condition is None or holds(scope, condition, evaluate)


def wanted_resources(scope: Scope, template: Template) -> dict[str, ResourceDefinition]:
    """The resources of this deployment, those whose condition holds; tells `scope` of the others."""
    for name in template.conditions:
        holds(scope, name, evaluate)
    wanted = {name: r for name, r in template.resources.items() if is_wanted(scope, r.condition)}
    scope.absent = frozenset(template.resources.keys() - wanted.keys())
    return wanted


def _ref(scope: Scope, argument: Value) -> Value:
    name = ref_name(argument)
    if name in scope.parameters:
        return scope.parameters[name]
    if name in PSEUDO_PARAMETERS:
        return _pseudo(scope, name)
    found = scope.resources.get(name)
    if found is not None:
        return found.ref
    return _not_deployed(scope, name)


def _pseudo(scope: Scope, name: str) -> Value:
    pseudo = scope.pseudo
    answers: dict[str, Value] = {
        "AWS::AccountId": pseudo.account,
        "AWS::NoValue": NO_VALUE,
        "AWS::NotificationARNs": list(pseudo.notification_arns),
        "AWS::Partition": pseudo.partition,
        "AWS::Region": pseudo.region,
        "AWS::StackId": pseudo.stack_id,
        "AWS::StackName": pseudo.stack_name,
        "AWS::URLSuffix": pseudo.url_suffix,
    }
    return answers[name]


def _not_deployed(scope: Scope, name: str) -> Value:
    if name in scope.absent or not scope.planning:
        raise unresolved([name], "Resources")
    return UNKNOWN


def _getatt(scope: Scope, argument: Value) -> Value:
    name, expression = getatt_arguments(argument)
    attribute = to_text(evaluate(scope, expression))
    return _attribute(scope, name, attribute)


def _attribute(scope: Scope, name: str, attribute: str) -> Value:
    found = scope.resources.get(name)
    if found is None:
        return _not_deployed(scope, name)
    if attribute in found.attributes:
        return found.attributes[attribute]
    # Attributes that are maps are asked for by a dotted path (`Outputs.Name` is the nested stack's).
    value: Value = dict(found.attributes)
    for step in attribute.split("."):
        if not isinstance(value, dict) or step not in value:
            if scope.planning:
                return UNKNOWN
            raise MissingAttribute(name, attribute)
        value = value[step]
    return value


def _sub(scope: Scope, argument: Value) -> Value:
    text, variables = sub_arguments(argument)
    values: dict[str, str] = {}
    for name in sub_names(text):
        if name in values:
            continue
        if name in variables:
            value = evaluate(scope, variables[name])
        elif "." in name:
            resource, _, attribute = name.partition(".")
            value = _attribute(scope, resource, attribute)
        else:
            value = _ref(scope, name)
        if not is_scalar(value) or value == NO_VALUE:
            raise TemplateError(
                f"Template error: variable {name} in Fn::Sub expression does not resolve to a string"
            )
        values[name] = to_text(value)
    return _bounded(
        SUB_PATTERN.sub(
            lambda match: (
                "${" + match.group(1)[1:] + "}"
                if match.group(1).startswith("!")
                else values[match.group(1)]
            ),
            text,
        )
    )


def _bounded(text: str) -> str:
    if len(text) > TEXT_CHARACTERS_MAX:
        raise TemplateError("Template error: a function's result is too long")
    return text


def _pair(argument: Value, message: str) -> tuple[Value, Value]:
    if not isinstance(argument, list) or len(argument) != 2:
        raise TemplateError(message)
    return argument[0], argument[1]


def _join(scope: Scope, argument: Value) -> Value:
    delimiter, expression = _pair(argument, JOIN_SHAPE)
    if not isinstance(delimiter, str):
        raise TemplateError(JOIN_SHAPE)
    items = evaluate(scope, expression)
    if isinstance(items, str) and UNKNOWN in items:
        return UNKNOWN
    if not isinstance(items, list) or not all(is_scalar(item) for item in items):
        raise TemplateError(JOIN_SHAPE)
    return _bounded(delimiter.join(to_text(item) for item in items))


def _split(scope: Scope, argument: Value) -> Value:
    delimiter, expression = _pair(argument, SPLIT_SHAPE)
    if not isinstance(delimiter, str) or not delimiter:
        raise TemplateError(SPLIT_SHAPE)
    text = evaluate(scope, expression)
    if not is_scalar(text) or text == NO_VALUE:
        raise TemplateError(SPLIT_SHAPE)
    text = to_text(text)
    if UNKNOWN in text:
        return UNKNOWN
    return list(text.split(delimiter))


def _select(scope: Scope, argument: Value) -> Value:
    index_expression, expression = _pair(argument, SELECT_SHAPE)
    index_text = to_text(evaluate(scope, index_expression))
    items = evaluate(scope, expression)
    if isinstance(items, str) and UNKNOWN in items:
        return UNKNOWN
    if not isinstance(items, list) or not index_text.isdecimal() or len(index_text) > 9:
        raise TemplateError(SELECT_SHAPE)
    index = int(index_text)
    if index >= len(items):
        raise TemplateError(
            f"Template error: Fn::Select cannot select nonexistent value at index {index}"
        )
    return items[index]


def _if(scope: Scope, argument: Value) -> Value:
    condition, yes, no = if_arguments(argument)
    return evaluate(scope, yes if holds(scope, condition, evaluate) else no)


def _find_in_map(scope: Scope, argument: Value) -> Value:
    if not isinstance(argument, list) or len(argument) not in (3, 4):
        raise TemplateError(FIND_SHAPE)
    names: list[str] = []
    for item in argument[:3]:
        value = evaluate(scope, item)
        if not is_scalar(value) or value == NO_VALUE:
            raise TemplateError(FIND_SHAPE)
        names.append(to_text(value))
    if has_unknown(list(names)):
        return UNKNOWN
    row = scope.mappings.get(names[0], {}).get(names[1], {})
    if names[2] in row:
        return evaluate(scope, row[names[2]])
    if len(argument) == 4:
        fallback = argument[3]
        if (
            not scope.extended
            or not isinstance(fallback, dict)
            or set(fallback) != {"DefaultValue"}
        ):
            raise TemplateError(FIND_SHAPE)
        return evaluate(scope, fallback["DefaultValue"])
    if names[0] not in scope.mappings:
        raise TemplateError(
            f"Template error: Mapping named '{names[0]}' is not present in the 'Mappings' section of template."
        )
    raise TemplateError(f"Template error: Unable to get mapping for {'::'.join(names)}")


def _import_value(scope: Scope, argument: Value) -> Value:
    name = evaluate(scope, argument)
    if not isinstance(name, str):
        raise TemplateError(
            "Template error: the attribute in Fn::ImportValue must be a string or a function"
        )
    if UNKNOWN in name:
        raise TemplateError(
            "Template error: the attribute in Fn::ImportValue must not depend on any resources, imported values, or"
            " Fn::GetAZs"
        )
    if scope.exports is not None and name in scope.exports:
        return scope.exports[name]
    if scope.planning:
        return UNKNOWN
    raise TemplateError(f"No export named {name} found")


def _base64(scope: Scope, argument: Value) -> Value:
    text = evaluate(scope, argument)
    if not is_scalar(text) or text == NO_VALUE:
        raise TemplateError(
            "Template error: every Fn::Base64 object must have a String-typed value."
        )
    text = to_text(text)
    if UNKNOWN in text:
        return UNKNOWN
    return base64.b64encode(_bounded(text).encode()).decode()


def _cidr(scope: Scope, argument: Value) -> Value:
    message = (
        "Template error: every Fn::Cidr object requires two or three parameters, (1) an IP block, (2) a count between"
        " 1 and 256 and (3) the number of subnet bits"
    )
    if not isinstance(argument, list) or len(argument) not in (2, 3):
        raise TemplateError(message)
    values = [to_text(evaluate(scope, item)) for item in argument]
    if has_unknown(list(values)):
        return [UNKNOWN] * CIDR_BLOCKS_MAX
    try:
        network = ipaddress.ip_network(values[0], strict=False)
        count = int(values[1])
        host_bits = int(values[2]) if len(values) == 3 else 8
    except ValueError:
        raise TemplateError(message) from None
    prefix = network.max_prefixlen - host_bits
    if (
        not 1 <= count <= CIDR_BLOCKS_MAX
        or not network.prefixlen <= prefix <= network.max_prefixlen
    ):
        raise TemplateError(message)
    if count > 1 << min(prefix - network.prefixlen, 16):
        raise TemplateError(
            f"Template error: Fn::Cidr cannot generate {count} blocks from {values[0]}"
        )
    made: list[Value] = []
    for block in network.subnets(new_prefix=prefix):
        made.append(str(block))
        if len(made) == count:
            break
    return made


def _zones(scope: Scope, argument: Value) -> Value:
    region = evaluate(scope, argument)
    if not isinstance(region, str):
        raise TemplateError(
            "Template error: every Fn::GetAZs object must have a String-typed value."
        )
    if UNKNOWN in region:
        return UNKNOWN
    return list(scope.zones.get(region or scope.pseudo.region, ()))


def _length(scope: Scope, argument: Value) -> Value:
    _extended(scope, "Fn::Length")
    items = evaluate(scope, argument)
    if isinstance(items, str) and UNKNOWN in items:
        return UNKNOWN
    if not isinstance(items, list):
        raise TemplateError("Template error: Fn::Length only supports values of type array")
    return len(items)


def _to_json_string(scope: Scope, argument: Value) -> Value:
    _extended(scope, "Fn::ToJsonString")
    if not isinstance(argument, (list, dict)):
        raise TemplateError("Template error: Fn::ToJsonString requires an array or an object")
    return _bounded(to_json(evaluate(scope, argument)))


def _extended(scope: Scope, name: str) -> None:
    if not scope.extended:
        raise TemplateError(
            f"Template error: {name} requires the AWS::LanguageExtensions transform"
        )


_FUNCTIONS: Mapping[str, Callable[[Scope, Value], Value]] = {
    "Ref": _ref,
    "Fn::Base64": _base64,
    "Fn::Cidr": _cidr,
    "Fn::FindInMap": _find_in_map,
    "Fn::GetAZs": _zones,
    "Fn::GetAtt": _getatt,
    "Fn::If": _if,
    "Fn::ImportValue": _import_value,
    "Fn::Join": _join,
    "Fn::Length": _length,
    "Fn::Select": _select,
    "Fn::Split": _split,
    "Fn::Sub": _sub,
    "Fn::ToJsonString": _to_json_string,
}
