"""Terraform with the AWS provider on DynamoDB, Application Auto Scaling and Lambda: apply, an empty plan, destroy."""

from __future__ import annotations

import shutil
import zipfile
from pathlib import Path

import pytest

from tests.clients.test_terraform import Terraform, pytestmark
from tests.running import RunningSerein

__all__ = ["pytestmark"]
CONFIGURATION = Path(__file__).parent / "terraform_data" / "main.tf"


@pytest.mark.long
def test_tables_and_functions(tmp_path: Path) -> None:
    with RunningSerein(tmp_path / "data") as serein:
        terraform = Terraform(tmp_path, serein)
        shutil.copy(CONFIGURATION, tmp_path / "main.tf")
        with zipfile.ZipFile(tmp_path / "layer.zip", "w") as packed:
            packed.writestr("python/apart.py", "VALUE = 1\n")
        terraform.run("init", "-input=false")
        terraform.run("apply", "-auto-approve", "-input=false")
        assert terraform.run("output", "-raw", "said").strip() == '{"hello": "world"}'
        # -detailed-exitcode: 0 says that nothing is to be changed.
        terraform.run("plan", "-detailed-exitcode", "-input=false")
        terraform.run("destroy", "-auto-approve", "-input=false")
