"""Terraform with the AWS provider: apply, an empty second plan, destroy."""

from __future__ import annotations

import os
import shutil
import subprocess
import urllib.request
import zipfile
from pathlib import Path

import pytest

from tests.running import RunningSerein

CONFIGURATION = Path(__file__).parent / "terraform"
PLACES = ("/opt", "/usr/share", "/usr/local/share", str(Path.home() / ".terraform.d"))


def plugin_mirror() -> Path | None:
    """A folder that a `filesystem_mirror` can name: $TF_PLUGIN_MIRROR, or one in the usual places."""
    if given := os.environ.get("TF_PLUGIN_MIRROR"):
        return Path(given)
    found = (path for place in PLACES for path in Path(place).glob("*/*/hashicorp/aws"))
    return next((path.parents[2] for path in found), None)


MIRROR = plugin_mirror()

pytestmark = [
    pytest.mark.clients,
    pytest.mark.skipif(
        shutil.which("terraform") is None or MIRROR is None,
        reason="terraform, or a mirror of its AWS provider ($TF_PLUGIN_MIRROR), is absent",
    ),
]


class Terraform:
    def __init__(self, folder: Path, serein: RunningSerein) -> None:
        for path in CONFIGURATION.glob("*.tf"):
            shutil.copy(path, folder)
        self.folder = folder
        rc = folder / "terraform.rc"
        rc.write_text(
            f'provider_installation {{\n  filesystem_mirror {{\n    path = "{MIRROR}"\n  }}\n}}\n'
        )
        package = folder / "package.zip"
        with zipfile.ZipFile(package, "w") as packed:
            packed.writestr(
                "app.py", "def handler(event, context):\n    return {'hello': 'world'}\n"
            )
        self.environment = {
            **serein.environment(),
            "TF_CLI_CONFIG_FILE": str(rc),
            "TF_VAR_endpoint": serein.endpoint,
            "TF_VAR_package": str(package),
            "TF_IN_AUTOMATION": "1",
            "CHECKPOINT_DISABLE": "1",
        }
        self.environment.pop("AWS_ENDPOINT_URL")

    def run(self, *arguments: str, codes: tuple[int, ...] = (0,)) -> str:
        done = subprocess.run(
            ["terraform", *arguments, "-no-color"],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=300,
        )
        assert done.returncode in codes, f"terraform {arguments[0]}:\n{done.stdout}\n{done.stderr}"
        return done.stdout


def test_apply_empty_plan_destroy(tmp_path: Path) -> None:
    with RunningSerein(tmp_path / "data") as serein:
        terraform = Terraform(tmp_path, serein)
        terraform.run("init", "-input=false")
        terraform.run("apply", "-auto-approve", "-input=false")
        api = terraform.run("output", "-raw", "api").strip()
        with urllib.request.urlopen(
            f"{serein.endpoint}/_aws/execute-api/{api}/$default/hello"
        ) as answer:
            assert answer.read() == b'{"hello": "world"}'
        # -detailed-exitcode: 0 says that nothing is to be changed.
        terraform.run("plan", "-detailed-exitcode", "-input=false")
        terraform.run("destroy", "-auto-approve", "-input=false")
