"""Templates: given back, summarised, validated."""

from __future__ import annotations

from typing import Any

from serein.engines.templates import (
    ParameterDefinition,
    Tree,
    compile_template,
    parameters_of,
    parse_template,
    transforms_of,
)
from serein.kernel.operations import Context, Read, operation
from serein.services.cloudformation.access import (
    ValidationError,
    anything,
    find_change_set,
    find_stack,
    stack_of,
)
from serein.services.cloudformation.model import (
    GetTemplateInput,
    GetTemplateOutput,
    GetTemplateSummaryInput,
    GetTemplateSummaryOutput,
    ValidateTemplateInput,
    ValidateTemplateOutput,
)
from serein.services.cloudformation.preparing import as_tree, template_text
from serein.services.cloudformation.records import TEMPLATES, TemplateText
from serein.services.cloudformation.rules import capabilities
from serein.services.cloudformation.rules.naming import check_template_source


@operation("GetTemplate", on=stack_of)
def get_template(read: Read, request: GetTemplateInput) -> GetTemplateOutput:
    """A stack's or change set's template: as it was given, or as its transforms left it."""
    kept = _kept(read, request.get("StackName"), request.get("ChangeSetName"))
    is_processed = request.get("TemplateStage") == "Processed"
    body = kept.processed if is_processed else kept.original
    return {"TemplateBody": body, "StagesAvailable": ["Original", "Processed"]}


def _kept(read: Read, stack_name: str | None, change_set_name: str | None) -> TemplateText:
    if change_set_name:
        if not stack_name and not change_set_name.startswith("arn:"):
            raise ValidationError("StackName is a required parameter.")
        change_set = find_change_set(read, change_set_name, stack_name)
        kept = read.get(TEMPLATES, change_set.id, "next")
    else:
        if not stack_name:
            raise ValidationError("StackName is required if ChangeSetName is not specified.")
        stack = find_stack(read, stack_name, f"Stack with id {stack_name} does not exist")
        kept = read.get(TEMPLATES, stack.id, "current") or read.get(TEMPLATES, stack.id, "next")
    if kept is None:
        raise ValidationError("The template of this stack is not available yet.")
    return kept


@operation("ValidateTemplate", on=anything)
async def validate_template(cx: Context, request: ValidateTemplateInput) -> ValidateTemplateOutput:
    """Check a template's form; templates with transforms are checked as far as they are plain."""
    check_template_source(dict(request))
    tree = parse_template(await template_text(cx, dict(request), None))
    needed, reason, transforms = _needs(tree)
    parameters = [
        {
            "ParameterKey": p.name,
            "DefaultValue": p.default,
            "NoEcho": p.no_echo,
            "Description": p.description,
        }
        for p in parameters_of(tree).values()
    ]
    answer: dict[str, Any] = {
        "Parameters": parameters,
        "Description": tree.get("Description"),
        "Capabilities": needed or None,
        "CapabilitiesReason": reason or None,
        "DeclaredTransforms": list(transforms) or None,
    }
    return answer  # type: ignore[return-value]


def _needs(tree: Tree) -> tuple[list[str], str, tuple[str, ...]]:
    """Capabilities, why, and the transforms."""
    transforms = transforms_of(tree)
    if transforms:
        resources = as_tree(tree.get("Resources"))
        if not resources:
            raise ValidationError(
                "Template format error: At least one Resources member must be defined."
            )
        names = sorted({str(as_tree(r).get("Type", "")) for r in resources.values()})
        generated = [name for name in names if name.startswith("AWS::Serverless::")]
        words = capabilities.reason_for(generated) if generated else ""
        return [capabilities.AUTO_EXPAND], words, transforms
    needed, types = capabilities.needed_for_iam(compile_template(tree))
    return needed, capabilities.reason_for(types) if types else "", ()


@operation("GetTemplateSummary", on=stack_of, ignores=("TemplateSummaryConfig",))
async def get_template_summary(
    cx: Context, request: GetTemplateSummaryInput
) -> GetTemplateSummaryOutput:
    """What a template is about: parameters, types, capabilities."""
    params = dict(request)
    name = request.get("StackName")
    if name:
        text = _kept(cx.read(), name, None).original
    else:
        check_template_source(params)
        text = await template_text(cx, params, None)
    tree = parse_template(text)
    needed, reason, transforms = _needs(tree)
    by_type: dict[str, list[str]] = {}
    for logical_id, resource in as_tree(tree.get("Resources")).items():
        by_type.setdefault(str(as_tree(resource).get("Type", "")), []).append(logical_id)
    metadata = tree.get("Metadata")
    answer: dict[str, Any] = {
        "Parameters": [_declaration(p) for p in parameters_of(tree).values()],
        "Description": tree.get("Description"),
        "Capabilities": needed or None,
        "CapabilitiesReason": reason or None,
        "ResourceTypes": list(by_type),
        "Version": tree.get("AWSTemplateFormatVersion"),
        # AWS gives the metadata as the text of a map, in single quotes.
        "Metadata": None if metadata is None else str(metadata),
        "DeclaredTransforms": list(transforms) or None,
        "ResourceIdentifierSummaries": [
            {"ResourceType": kind, "LogicalResourceIds": ids} for kind, ids in by_type.items()
        ],
    }
    return answer  # type: ignore[return-value]


def _declaration(parameter: ParameterDefinition) -> dict[str, Any]:
    constraints: dict[str, Any] = {}
    if parameter.allowed_values:
        constraints["AllowedValues"] = list(parameter.allowed_values)
    return {
        "ParameterKey": parameter.name,
        "DefaultValue": parameter.default,
        "ParameterType": parameter.type,
        "NoEcho": parameter.no_echo,
        "Description": parameter.description,
        "ParameterConstraints": constraints,
    }
