"""Code of a deployed stack's functions, brought up to date without going through the stack.

What is saved while `serein deploy --watch` runs is live at once this way; the stack's own template still names the archive of its
last deployment, so a deployment that finds nothing to change looks here whether the functions have their code.
"""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path
from typing import Any

import click

from serein.cli.client import Cloud
from serein.cli.package import FunctionCode, archive, function_sources

DIRECT_BYTES_MAX = (
    50 * 1024 * 1024
)  # https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html


class LiveCode:
    """The functions of one stack whose code is local."""

    def __init__(self, cloud: Cloud, stack: str, template: Path) -> None:
        self._lambda = cloud.client("lambda")
        self._cloudformation = cloud.client("cloudformation")
        self._stack = stack
        self._template = template

    def update(self, files: list[str]) -> list[str] | None:
        """Update the functions that these files belong to; their names, or None where a deployment is needed for them."""
        sources = function_sources(self._template)
        touched: dict[str, FunctionCode] = {}
        for file in files:
            owners = [one for one in sources if _holds(one.source, Path(file))]
            if not owners or any(one.publishes for one in owners):
                return None
            touched |= {one.logical_id: one for one in owners}
        names = self._names()
        if touched.keys() - names.keys():
            return None
        archives: dict[Path, bytes] = {}
        for logical_id, one in touched.items():
            data = archives.get(one.source) or _archived(one)
            archives[one.source] = data
            if len(data) > DIRECT_BYTES_MAX:
                return None
            self._lambda.update_function_code(FunctionName=names[logical_id], ZipFile=data)
        return [names[logical_id] for logical_id in touched]

    def align(self) -> list[str]:
        """Give back to functions the code that they should have, if they were updated past the stack; their names."""
        names = self._names()
        updated: list[str] = []
        for one in function_sources(self._template):
            name = names.get(one.logical_id)
            if name is None or one.publishes:
                continue
            data = _archived(one)
            wanted = base64.b64encode(hashlib.sha256(data).digest()).decode()
            found = self._lambda.get_function_configuration(FunctionName=name)
            if found.get("CodeSha256") != wanted and len(data) <= DIRECT_BYTES_MAX:
                self._lambda.update_function_code(FunctionName=name, ZipFile=data)
                updated.append(name)
        return updated

    def _names(self) -> dict[str, str]:
        found: list[dict[str, Any]] = self._cloudformation.describe_stack_resources(
            StackName=self._stack
        )["StackResources"]
        return {
            one["LogicalResourceId"]: one["PhysicalResourceId"]
            for one in found
            if one["ResourceType"] == "AWS::Lambda::Function" and one.get("PhysicalResourceId")
        }


def say_syntax_errors(files: list[str]) -> None:
    """What Python would say to these files when a function imports them; it is deployed nevertheless."""
    for file in files:
        if not file.endswith(".py"):
            continue
        try:
            compile(Path(file).read_bytes(), file, "exec")
        except SyntaxError as error:
            where = f"{file}:{error.lineno}"
            click.echo(click.style(f"  {where}: SyntaxError: {error.msg}", fg="red"), err=True)
        except (OSError, ValueError):
            continue


def _holds(source: Path, file: Path) -> bool:
    return file == source or source in file.parents


def _archived(one: FunctionCode) -> bytes:
    return one.source.read_bytes() if one.source.is_file() else archive(one.source, one.logical_id)
