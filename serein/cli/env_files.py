"""`.env` files: variables for functions on one's own machine, kept out of the template."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import click

_LINE = re.compile(r"(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)\s*=\s*(.*)\Z")
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r"}


def read_env_file(path: Path) -> dict[str, str]:
    """The variables of a `.env` file. Raises ClickException with the line that is none."""
    found: dict[str, str] = {}
    try:
        lines = path.read_text("utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise click.ClickException(f"{path} cannot be read: {error}") from error
    for number, line in enumerate(lines, 1):
        text = line.strip()
        if not text or text.startswith("#"):
            continue
        match = _LINE.match(text)
        if match is None:
            raise click.ClickException(f"{path}:{number}: {text!r} is not NAME=VALUE.")
        found[match[1]] = _value(match[2])
    return found


def _value(text: str) -> str:
    if text[:1] == "'" and text.find("'", 1) > 0:
        return text[1 : text.index("'", 1)]
    if text[:1] == '"':
        match = re.match(r'"((?:[^"\\]|\\.)*)"', text)
        if match is not None:
            return re.sub(r"\\(.)", lambda found: _ESCAPES.get(found[1], found[1]), match[1])
    return re.split(r"\s+#", text, maxsplit=1)[0].strip()


def give_variables(template: dict[str, Any], variables: dict[str, str]) -> None:
    """Every function of a template gets these variables, over what the template says of the same names."""
    resources = template.get("Resources")
    for resource in resources.values() if isinstance(resources, dict) else ():
        if not isinstance(resource, dict) or resource.get("Type") not in (
            "AWS::Serverless::Function",
            "AWS::Lambda::Function",
        ):
            continue
        properties = resource.setdefault("Properties", {})
        if not isinstance(properties, dict):
            continue
        environment = properties.setdefault("Environment", {})
        if not isinstance(environment, dict):
            continue
        given = environment.setdefault("Variables", {})
        if isinstance(given, dict):
            given.update(variables)
