"""Terraform with the AWS provider on ECR and functions made of images: apply, an empty plan, destroy."""

from __future__ import annotations

import shutil
from pathlib import Path

import boto3
import pytest

from tests.clients.test_terraform import Terraform, pytestmark
from tests.oci import Image, folder_of, push_by_api
from tests.running import RunningSerein

__all__ = ["pytestmark"]
CONFIGURATION = Path(__file__).parent / "terraform_images" / "main.tf"


@pytest.mark.long
def test_repositories_and_functions(tmp_path: Path) -> None:
    with RunningSerein(tmp_path / "data") as serein:
        terraform = Terraform(tmp_path, serein)
        shutil.copy(CONFIGURATION, tmp_path / "main.tf")
        terraform.run("init", "-input=false")
        target = "-target=aws_ecr_repository.app"
        terraform.run("apply", "-auto-approve", "-input=false", target)
        ecr = boto3.client(
            "ecr",
            endpoint_url=serein.endpoint,
            region_name="us-east-1",
            aws_access_key_id="test",
            aws_secret_access_key="test",
        )
        image = Image([folder_of({"a": b"1"})], {"Cmd": ["/a"]})
        digest = push_by_api(ecr, "team/app", image, "v1")
        terraform.run("apply", "-auto-approve", "-input=false")
        assert terraform.run("output", "-raw", "digest").strip() == digest
        # -detailed-exitcode: 0 says that nothing is to be changed.
        terraform.run("plan", "-detailed-exitcode", "-input=false")
        terraform.run("destroy", "-auto-approve", "-input=false")
        assert ecr.describe_repositories()["repositories"] == []
