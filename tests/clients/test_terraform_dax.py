"""Terraform with the AWS provider on DAX: apply, an empty plan, changes, destroy."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.clients.test_terraform import Terraform, pytestmark
from tests.running import RunningSerein

__all__ = ["pytestmark"]
CONFIGURATION = Path(__file__).parent / "terraform_dax" / "main.tf"


@pytest.mark.long
def test_clusters_and_groups(tmp_path: Path) -> None:
    with RunningSerein(tmp_path / "data") as serein:
        terraform = Terraform(tmp_path, serein)
        shutil.copy(CONFIGURATION, tmp_path / "main.tf")
        terraform.run("init", "-input=false")
        terraform.run("apply", "-auto-approve", "-input=false")
        assert terraform.run("output", "-raw", "endpoint").strip().startswith("127.0.0.1:")
        # -detailed-exitcode: 0 says that nothing is to be changed.
        terraform.run("plan", "-detailed-exitcode", "-input=false")
        changes = ("-var", "nodes=3", "-var", "ttl=90000")
        terraform.run("apply", "-auto-approve", "-input=false", *changes)
        terraform.run("plan", "-detailed-exitcode", "-input=false", *changes)
        terraform.run("destroy", "-auto-approve", "-input=false", *changes)
