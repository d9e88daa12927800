"""CloudFormation templates: read, checked, evaluated, ordered. Pure: what is outside comes in by a `Scope`.

The way of a template: `parse_template` (text) → `expand_loops`, `embedded_transforms` (and `sam`, in a process of its own) →
`compile_template` → `resolve_parameters` → `wanted_resources` → `dependencies_of` → `evaluate_properties`, one
resource at a time → `dynamic_references` → `evaluate_output`.
"""

from serein.engines.templates.compile import (
    check_sections,
    compile_template,
    parameters_of,
    transforms_of,
)
from serein.engines.templates.dynamic import DynamicReference, dynamic_references, replace_dynamic
from serein.engines.templates.errors import MissingAttribute, TemplateError
from serein.engines.templates.evaluate import (
    evaluate,
    evaluate_output,
    evaluate_properties,
    is_wanted,
    wanted_resources,
)
from serein.engines.templates.graph import creation_order, deletion_order, dependencies_of
from serein.engines.templates.language_extensions import expand_loops
from serein.engines.templates.model import (
    OutputDefinition,
    ParameterDefinition,
    ResourceDefinition,
    Template,
)
from serein.engines.templates.parameters import (
    GivenParameter,
    ResolvedParameter,
    check_value,
    is_from_ssm,
    resolve_parameters,
)
from serein.engines.templates.parse import parse_template, parse_value
from serein.engines.templates.rules import check_rules
from serein.engines.templates.scope import Pseudo, ResourceValue, Scope
from serein.engines.templates.transforms import (
    EmbeddedTransform,
    embedded_transforms,
    merged,
    with_value_at,
)
from serein.engines.templates.values import NO_VALUE, UNKNOWN, Tree, Value, has_unknown, to_text

__all__ = [
    "NO_VALUE",
    "UNKNOWN",
    "DynamicReference",
    "EmbeddedTransform",
    "GivenParameter",
    "MissingAttribute",
    "OutputDefinition",
    "ParameterDefinition",
    "Pseudo",
    "ResolvedParameter",
    "ResourceDefinition",
    "ResourceValue",
    "Scope",
    "Template",
    "TemplateError",
    "Tree",
    "Value",
    "check_rules",
    "check_sections",
    "check_value",
    "compile_template",
    "creation_order",
    "deletion_order",
    "dependencies_of",
    "dynamic_references",
    "embedded_transforms",
    "evaluate",
    "evaluate_output",
    "evaluate_properties",
    "expand_loops",
    "has_unknown",
    "is_from_ssm",
    "is_wanted",
    "merged",
    "parameters_of",
    "parse_template",
    "parse_value",
    "replace_dynamic",
    "resolve_parameters",
    "to_text",
    "transforms_of",
    "wanted_resources",
    "with_value_at",
]
