"""The ResourceTypes parameter: which types a request may work with.

https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_CreateStack.html
"""

from __future__ import annotations

from collections.abc import Sequence

from serein.engines.templates import Template
from serein.services.cloudformation.rules.naming import Invalid


def check_allowed_types(template: Template, allowed: Sequence[str] | None) -> None:
    """Raise when the template has a type that the request's ResourceTypes does not cover."""
    if not allowed:
        return
    for resource in template.resources.values():
        if not any(_covers(pattern, resource.type) for pattern in allowed):
            raise Invalid(
                f"Resource type {resource.type} is not allowed by parameter ResourceTypes [{', '.join(allowed)}]"
            )


def _covers(pattern: str, name: str) -> bool:
    if pattern.endswith("::*"):
        return name.startswith(pattern[:-1])
    return pattern in ("*", name)
