"""Terraform with the AWS provider on IAM and Organizations: apply, an empty plan, changes in place, an empty plan, destroy."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from tests.clients.test_terraform import Terraform, pytestmark
from tests.running import RunningSerein
from tests.services.iam.certificates import new_certificate
from tests.services.iam.test_saml_providers import metadata_of

__all__ = ["pytestmark"]
CONFIGURATION = Path(__file__).parent / "terraform_identity" / "main.tf"
CHANGES = (
    ('= "works"', '= "works more"'),
    ("= 7200", "= 3600"),
    ('["s3:GetObject"]\n', '["s3:GetObject", "s3:PutObject"]\n'),
    ('identifiers = ["lambda.amazonaws.com"]', 'identifiers = ["sqs.amazonaws.com"]'),
    ('"SERVICE_CONTROL_POLICY", "TAG_POLICY"', '"SERVICE_CONTROL_POLICY", "BACKUP_POLICY"'),
    (
        "= aws_organizations_organizational_unit.team.id\n  close",
        "= aws_organizations_organization.org.roots[0].id\n  close",
    ),
    ('"ec2:*"', '"rds:*"'),
)


def write_files(folder: Path) -> None:
    """The configuration, and the certificate, key and metadata that it reads."""
    certificate, key = new_certificate(300)
    (folder / "cert.pem").write_text(certificate)
    (folder / "key.pem").write_text(key)
    (folder / "meta.xml").write_text(metadata_of(certificate))
    public = rsa.generate_private_key(65537, 2048).public_key()
    body = public.public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
    (folder / "ssh.pub").write_bytes(body + b" bob@example.com\n")
    shutil.copy(CONFIGURATION, folder / "main.tf")


@pytest.mark.long
def test_identity(tmp_path: Path) -> None:
    with RunningSerein(tmp_path / "data") as serein:
        terraform = Terraform(tmp_path, serein)
        write_files(tmp_path)
        terraform.environment["AWS_ACCESS_KEY_ID"] = "test"
        terraform.run("init", "-input=false")
        terraform.run("apply", "-auto-approve", "-input=false")
        terraform.run("plan", "-input=false", "-detailed-exitcode")
        text = (tmp_path / "main.tf").read_text()
        for old, new in CHANGES:
            assert old in text, old
            text = text.replace(old, new)
        (tmp_path / "main.tf").write_text(text)
        terraform.run("apply", "-auto-approve", "-input=false")
        terraform.run("plan", "-input=false", "-detailed-exitcode")
        terraform.run("destroy", "-auto-approve", "-input=false")
