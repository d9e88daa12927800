"""`serein deploy TEMPLATE`: package local code, then create or update the stack through a change set."""

from __future__ import annotations

import re
import sys
import time
from pathlib import Path
from typing import Any

import click
from botocore.exceptions import ClientError

from serein.cli.client import Cloud, Speaking
from serein.cli.endpoint import endpoint_option
from serein.cli.package import PackagingError, package_template
from serein.cli.progress import events_of, follow_stack

STACK_NAME = re.compile(r"[A-Za-z][A-Za-z0-9-]{0,127}")
CAPABILITIES = ["CAPABILITY_IAM", "CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND"]


@click.command("deploy")
@click.argument("template", type=click.Path(exists=True, path_type=Path))
@click.option("--stack", help="The stack's name. Default: the name of the template's folder.")
@click.option("--param", "params", multiple=True, metavar="K=V", help="A template parameter.")
@click.option("--guide", is_flag=True, hidden=True, help="Then print the folder's try-it.txt.")
@endpoint_option
def command(
    template: Path, stack: str | None, params: tuple[str, ...], guide: bool, endpoint: str
) -> None:
    """Deploy TEMPLATE (a CloudFormation or SAM template, or a folder with a template.yaml).

    Local code folders are zipped and uploaded; the stack is created, or updated through a change set; a line
    is shown per resource, and the outputs at the end. Running it again changes only what changed.

    \b
      serein deploy examples/todo
      serein deploy app/template.yaml --stack app-test --param Stage=test
    """
    if template.is_dir():
        template = _template_in(template)
    name = stack or template.resolve().parent.name
    if not STACK_NAME.fullmatch(name):
        raise click.UsageError(
            f"{name!r} cannot be a stack's name (a letter, then letters, digits and hyphens, 128 in all): "
            "choose one with --stack."
        )
    given = [_parameter(text) for text in params]
    cloud = Cloud(endpoint)
    with Speaking(endpoint):
        try:
            body = package_template(template, cloud)
        except PackagingError as error:
            raise click.ClickException(str(error)) from error
        outputs = _deploy(cloud, name, body, given)
    if guide:
        _say_guide(template.parent / "try-it.txt", {"endpoint": endpoint, **outputs})


def _say_guide(path: Path, values: dict[str, str]) -> None:
    """What to try now, with the stack's outputs filled in."""
    text = path.read_text("utf-8")
    for name, value in values.items():
        text = text.replace(f"{{{name}}}", value)
    click.echo(text)
    sys.stdout.flush()


def _template_in(folder: Path) -> Path:
    for name in ("template.yaml", "template.yml", "template.json"):
        if (folder / name).is_file():
            return folder / name
    raise click.ClickException(f"{folder} has no template.yaml, template.yml or template.json.")


def _parameter(text: str) -> dict[str, str]:
    key, equals, value = text.partition("=")
    if not equals or not key:
        raise click.UsageError(f"--param wants K=V, not {text!r}.")
    return {"ParameterKey": key, "ParameterValue": value}


def _deploy(cloud: Cloud, name: str, body: str, given: list[dict[str, str]]) -> dict[str, str]:
    """Create or update the stack; its outputs by key."""
    cloudformation = cloud.client("cloudformation")
    existing = _stack_or_none(cloudformation, name)
    creating = existing is None or existing["StackStatus"] == "REVIEW_IN_PROGRESS"
    if existing is not None and existing["StackStatus"] == "ROLLBACK_COMPLETE":
        raise click.ClickException(
            f"{name} failed when it was created. Remove what is left with `serein delete {name}`, then deploy."
        )
    if existing is not None and not creating:
        named = {parameter["ParameterKey"] for parameter in given}
        given += [
            {"ParameterKey": parameter["ParameterKey"], "UsePreviousValue": True}  # type: ignore[dict-item]
            for parameter in existing.get("Parameters", ())
            if parameter["ParameterKey"] not in named
        ]
        given = _only_declared(cloudformation, body, given)
    seen = {event["EventId"] for event in events_of(cloudformation, name)} if existing else set()
    change_set = cloudformation.create_change_set(
        StackName=name,
        ChangeSetName=f"serein-{int(time.time() * 1000)}",
        ChangeSetType="CREATE" if creating else "UPDATE",
        TemplateBody=body,
        Parameters=given,
        Capabilities=CAPABILITIES,
    )
    if not _await_change_set(cloudformation, change_set["Id"]):
        click.echo(f"{name}: no changes.")
    else:
        click.echo(f"{'Creating' if creating else 'Updating'} stack {click.style(name, bold=True)}")
        cloudformation.execute_change_set(ChangeSetName=change_set["Id"])
        status = follow_stack(cloudformation, change_set["StackId"], seen)
        if status not in ("CREATE_COMPLETE", "UPDATE_COMPLETE"):
            raise click.ClickException(f"{name} is {status}; the lines above say why.")
    return _say_outputs(cloudformation, name)


def _only_declared(
    cloudformation: Any, body: str, given: list[dict[str, str]]
) -> list[dict[str, str]]:
    """Previous values only for parameters that the new template still has."""
    declared = {
        parameter["ParameterKey"]
        for parameter in cloudformation.get_template_summary(TemplateBody=body)["Parameters"]
    }
    return [p for p in given if "UsePreviousValue" not in p or p["ParameterKey"] in declared]


def _stack_or_none(cloudformation: Any, name: str) -> dict[str, Any] | None:
    try:
        stack: dict[str, Any] = cloudformation.describe_stacks(StackName=name)["Stacks"][0]
    except ClientError as error:
        if "does not exist" in str(error):
            return None
        raise
    return stack


def _await_change_set(cloudformation: Any, change_set: str) -> bool:
    """Wait until the change set can be executed; False when it has no changes."""
    while True:
        described = cloudformation.describe_change_set(ChangeSetName=change_set)
        status, reason = described["Status"], described.get("StatusReason", "")
        if status == "CREATE_COMPLETE":
            return True
        if status == "FAILED":
            cloudformation.delete_change_set(ChangeSetName=change_set)
            if "didn't contain changes" in reason or "No updates" in reason:
                return False
            raise click.ClickException(f"The change set failed: {reason}")
        time.sleep(0.1)


def _say_outputs(cloudformation: Any, name: str) -> dict[str, str]:
    stack = cloudformation.describe_stacks(StackName=name)["Stacks"][0]
    outputs = {output["OutputKey"]: output["OutputValue"] for output in stack.get("Outputs", [])}
    if outputs:
        click.echo("Outputs")
        width = max(map(len, outputs))
        for key, value in outputs.items():
            click.echo(f"  {key:<{width}}  {value}")
    sys.stdout.flush()
    return outputs
