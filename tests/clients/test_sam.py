"""The example by AWS's own tools: `sam deploy`, and `aws cloudformation package` and `deploy`."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.clients.programs import ROOT, program
from tests.clients.todo import TodoUser
from tests.running import RunningSerein

SAM, AWS = program("sam"), program("aws")
EXAMPLE = ROOT / "examples" / "todo"
CAPABILITIES = ["--capabilities", "CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"]

pytestmark = pytest.mark.clients


def run(running: RunningSerein, folder: Path, *command: str) -> str:
    environment = {**running.environment(), "SAM_CLI_TELEMETRY": "0", "HOME": str(folder)}
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=240
    )
    assert done.returncode == 0, f"{' '.join(command[:3])}:\n{done.stdout}\n{done.stderr}"
    return done.stdout


def api_of(running: RunningSerein, stack: str, folder: Path) -> str:
    told = run(
        running, folder, str(AWS), "cloudformation", "describe-stacks", "--stack-name", stack
    )
    outputs = json.loads(told)["Stacks"][0]["Outputs"]
    return next(o["OutputValue"] for o in outputs if o["OutputKey"] == "ApiId")


@pytest.mark.skipif(SAM is None or AWS is None, reason="sam or aws (`make clients`) is absent")
def test_sam_deploy(tmp_path: Path) -> None:
    shutil.copytree(EXAMPLE, tmp_path / "todo")
    folder = tmp_path / "todo"
    with RunningSerein(tmp_path / "data") as running:
        parameter = f"PublicEndpoint={running.endpoint}"
        deploy = [
            str(SAM),
            "deploy",
            "--stack-name",
            "by-sam",
            "--resolve-s3",
            "--no-confirm-changeset",
        ]
        run(running, folder, *deploy, *CAPABILITIES, "--parameter-overrides", parameter)
        api = api_of(running, "by-sam", folder)
        TodoUser(f"{running.endpoint}/_aws/execute-api/{api}/$default").whole_story()


@pytest.mark.skipif(AWS is None, reason="aws (`make clients`) is absent")
@pytest.mark.long
def test_aws_cloudformation_deploy(tmp_path: Path) -> None:
    shutil.copytree(EXAMPLE, tmp_path / "todo")
    folder = tmp_path / "todo"
    aws = str(AWS)
    with RunningSerein(tmp_path / "data") as running:
        run(running, folder, aws, "s3", "mb", "s3://packages")
        packaged = ["--template-file", "template.yaml", "--output-template-file", "packaged.yaml"]
        run(running, folder, aws, "cloudformation", "package", "--s3-bucket", "packages", *packaged)
        parameter = f"PublicEndpoint={running.endpoint}"
        deploy = ["--template-file", "packaged.yaml", "--stack-name", "by-aws"]
        deploy += [*CAPABILITIES, "--parameter-overrides", parameter]
        run(running, folder, aws, "cloudformation", "deploy", *deploy)
        api = api_of(running, "by-aws", folder)
        TodoUser(f"{running.endpoint}/_aws/execute-api/{api}/$default").whole_story()
