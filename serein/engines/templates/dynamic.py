"""Dynamic references, `{{resolve:service:reference}}`, found and replaced in evaluated values.

https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/dynamic-references.html
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import msgspec

from serein.engines.templates.errors import TemplateError
from serein.engines.templates.values import Value, texts_in

_PATTERN = re.compile(r"\{\{resolve:([a-z-]+):([^{}]{1,2048})\}\}")
REFERENCES_MAX = 60
"""https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/dynamic-references.html#dynamic-references-considerations"""


class DynamicReference(msgspec.Struct, frozen=True, kw_only=True):
    """One reference. For `ssm`: `name` and `version`; for `secretsmanager`: also the JSON key and the stage."""

    text: str
    service: str
    name: str
    version: str = ""
    json_key: str = ""
    stage: str = ""


def dynamic_references(value: Value) -> list[DynamicReference]:
    """Every reference in `value`, each text once. Raises TemplateError for one that is malformed."""
    found: dict[str, DynamicReference] = {}
    for text in texts_in(value):
        for match in _PATTERN.finditer(text):
            if match.group(0) not in found:
                found[match.group(0)] = _read(match.group(0), match.group(1), match.group(2))
    if len(found) > REFERENCES_MAX:
        raise TemplateError(
            f"Template error: at most {REFERENCES_MAX} dynamic references are allowed"
        )
    return list(found.values())


def replace_dynamic(value: Value, answers: Mapping[str, str]) -> Value:
    """`value` with every reference replaced by its answer (by the reference's whole text)."""
    if isinstance(value, str):
        if "{{resolve:" not in value:
            return value
        return _PATTERN.sub(lambda match: answers.get(match.group(0), match.group(0)), value)
    if isinstance(value, list):
        return [replace_dynamic(member, answers) for member in value]
    if isinstance(value, dict):
        return {key: replace_dynamic(member, answers) for key, member in value.items()}
    return value


def _read(text: str, service: str, reference: str) -> DynamicReference:
    if service in ("ssm", "ssm-secure"):
        name, colon, version = reference.rpartition(":")
        if not colon or not version.isdecimal():
            name, version = reference, ""
        return DynamicReference(text=text, service=service, name=name, version=version)
    if service == "secretsmanager":
        name, rest = _secret(reference)
        parts = ([*rest.split(":"), "", "", "", ""])[:4]
        if parts[0] not in ("", "SecretString"):
            raise TemplateError(
                f"Could not parse SecretId references in dynamic reference {text}: only SecretString is supported"
            )
        return DynamicReference(
            text=text,
            service=service,
            name=name,
            json_key=parts[1],
            stage=parts[2],
            version=parts[3],
        )
    raise TemplateError(f"Dynamic reference {text} is not supported: unknown service {service}")


def _secret(reference: str) -> tuple[str, str]:
    """The secret's name or ARN, and the rest."""
    if reference.startswith("arn:"):
        parts = reference.split(":")
        return ":".join(parts[:7]), ":".join(parts[7:])
    name, _, rest = reference.partition(":")
    return name, rest
