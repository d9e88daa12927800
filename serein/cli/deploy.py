"""`serein deploy TEMPLATE`: package local code, then create or update the stack through a change set."""

from __future__ import annotations

import os
import re
import sys
import time
from pathlib import Path
from typing import Any, NoReturn

import click
from botocore.exceptions import ClientError

from serein.cli.client import Cloud, Speaking
from serein.cli.endpoint import endpoint_option
from serein.cli.env_files import read_env_file
from serein.cli.live_code import LiveCode, say_syntax_errors
from serein.cli.package import PackagingError, package_template
from serein.cli.progress import events_of, follow_stack
from serein.cli.watching import state_of, wait_for_change, watched

STACK_NAME = re.compile(r"[A-Za-z][A-Za-z0-9-]{0,127}")
CAPABILITIES = ["CAPABILITY_IAM", "CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND"]


@click.command("deploy")
@click.argument("template", type=click.Path(exists=True, path_type=Path))
@click.option("--stack", help="The stack's name. Default: the name of the template's folder.")
@click.option("--param", "params", multiple=True, metavar="K=V", help="A template parameter.")
@click.option(
    "--watch", is_flag=True, help="Stay, and deploy again whenever a file of it is saved."
)
@click.option(
    "--env-file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Variables for every function (NAME=VALUE lines). Default: .env beside the template, if there is one.",
)
@click.option("--no-env-file", is_flag=True, help="Leave a .env beside the template alone.")
@click.option("--guide", is_flag=True, hidden=True, help="Then print the folder's try-it.txt.")
@endpoint_option
def command(
    template: Path,
    stack: str | None,
    params: tuple[str, ...],
    watch: bool,
    env_file: Path | None,
    no_env_file: bool,
    guide: bool,
    endpoint: str,
) -> None:
    """Deploy TEMPLATE (a CloudFormation or SAM template, or a folder with a template.yaml).

    Local code folders are zipped and uploaded; the stack is created, or updated through a change set; a line
    is shown per resource, and the outputs at the end. Running it again changes only what changed.

    With --watch a saved file is live at the next call: only what changed is updated, and errors are shown and outlived.

    \b
      serein deploy examples/todo
      serein deploy app --watch
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
    variables = env_file
    if variables is None and not no_env_file and (template.parent / ".env").is_file():
        variables = template.parent / ".env"
    deployment = Deployment(Cloud(endpoint), template, name, given, variables, endpoint)
    outputs = _deploy_and_watch(deployment) if watch else deployment.run()
    if guide:
        _say_guide(template.parent / "try-it.txt", {"endpoint": endpoint, **outputs})


class Deployment:
    """One template that is deployed, perhaps again and again."""

    def __init__(
        self,
        cloud: Cloud,
        template: Path,
        name: str,
        given: list[dict[str, str]],
        variables: Path | None,
        endpoint: str,
    ) -> None:
        self.template = template
        self.variables = variables
        self._cloud = cloud
        self._name = name
        self._given = given
        self._endpoint = endpoint

    def update(self, files: list[str]) -> bool:
        """Bring changed code to its functions directly; False where that takes a deployment. Raises ClickException."""
        say_syntax_errors(files)
        if {str(self.template.resolve()), str(self.variables and self.variables.resolve())} & set(
            files
        ):
            return False
        with Speaking(self._endpoint):
            try:
                names = LiveCode(self._cloud, self._name, self.template).update(files)
            except PackagingError as error:
                raise click.ClickException(str(error)) from error
        return names is not None

    def run(self, *, quiet: bool = False) -> dict[str, str]:
        """Package and deploy; the stack's outputs. Raises ClickException."""
        variables = read_env_file(self.variables) if self.variables is not None else {}
        if variables and not quiet:
            click.echo(f"Variables from {self.variables}: {', '.join(variables)}")
        with Speaking(self._endpoint):
            try:
                body = package_template(self.template, self._cloud, variables)
            except PackagingError as error:
                raise click.ClickException(str(error)) from error
            outputs = _deploy(self._cloud, self._name, body, list(self._given), quiet=quiet)
            for name in LiveCode(self._cloud, self._name, self.template).align():
                click.echo(f"{name}: its code is up to date again.")
            return outputs


def _deploy_and_watch(deployment: Deployment) -> NoReturn:
    """Deploy, and again at each change, until interrupted. What fails is said; the next change may mend it."""
    paths = watched(deployment.template, deployment.variables)
    before = state_of(paths)
    _try(deployment, [], quiet=False)
    click.echo("Watching for changes; Ctrl-C ends it.")
    while True:
        sys.stdout.flush()
        files, before = wait_for_change(paths, before)
        names = ", ".join(os.path.relpath(file, deployment.template.parent) for file in files[:3])
        more = f" and {len(files) - 3} more" if len(files) > 3 else ""
        click.echo(f"{time.strftime('%H:%M:%S')} {click.style(names + more, bold=True)}")
        began = time.monotonic()
        is_quiet = str(deployment.template.resolve()) not in files
        if not is_quiet:
            # It may name other code now; what is saved from here on counts.
            paths = watched(deployment.template, deployment.variables)
            before = state_of(paths)
        if _try(deployment, files, quiet=is_quiet):
            click.echo(f"  live after {time.monotonic() - began:.2f} s")


def _try(deployment: Deployment, files: list[str], *, quiet: bool) -> bool:
    try:
        if not files or not deployment.update(files):
            deployment.run(quiet=quiet)
    except click.ClickException as error:
        click.echo(click.style(f"  {error.format_message()}", fg="red"), err=True)
        return False
    return True


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


def _deploy(
    cloud: Cloud, name: str, body: str, given: list[dict[str, str]], *, quiet: bool = False
) -> dict[str, str]:
    """Create or update the stack; its outputs by key, said unless `quiet`."""
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
        if not quiet:
            doing = "Creating" if creating else "Updating"
            click.echo(f"{doing} stack {click.style(name, bold=True)}")
        cloudformation.execute_change_set(ChangeSetName=change_set["Id"])
        status = follow_stack(cloudformation, change_set["StackId"], seen)
        if status not in ("CREATE_COMPLETE", "UPDATE_COMPLETE"):
            raise click.ClickException(f"{name} is {status}; the lines above say why.")
    return {} if quiet else _say_outputs(cloudformation, name)


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
        time.sleep(0.03)


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
