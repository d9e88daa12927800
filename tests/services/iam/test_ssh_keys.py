"""SSH public keys. https://docs.aws.amazon.com/IAM/latest/APIReference/API_UploadSSHPublicKey.html"""

from __future__ import annotations

import re

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa


def new_key(form: str = "ssh") -> str:
    key = rsa.generate_private_key(65537, 2048).public_key()
    if form == "ssh":
        text = key.public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
        return text.decode() + " bob@example.com"
    return key.public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    ).decode()


@pytest.mark.parametrize("form", ["ssh", "pem"])
def test_the_life_of_a_key(iam, user, refused, form) -> None:
    body = new_key(form)
    made = iam.upload_ssh_public_key(UserName=user, SSHPublicKeyBody=body)["SSHPublicKey"]
    assert re.fullmatch(r"APKA[A-Z2-7]{16}", made["SSHPublicKeyId"])
    assert re.fullmatch(r"([0-9a-f]{2}:){15}[0-9a-f]{2}", made["Fingerprint"])
    assert made["SSHPublicKeyBody"] == body.strip()
    id = made["SSHPublicKeyId"]
    shown = iam.get_ssh_public_key(UserName=user, SSHPublicKeyId=id, Encoding="SSH")
    assert shown["SSHPublicKey"]["SSHPublicKeyBody"].startswith("ssh-rsa ")
    shown = iam.get_ssh_public_key(UserName=user, SSHPublicKeyId=id, Encoding="PEM")
    assert shown["SSHPublicKey"]["SSHPublicKeyBody"].startswith("-----BEGIN PUBLIC KEY-----")
    assert refused(iam.upload_ssh_public_key, UserName=user, SSHPublicKeyBody=body)[0] == (
        "DuplicateSSHPublicKey"
    )
    iam.update_ssh_public_key(UserName=user, SSHPublicKeyId=id, Status="Inactive")
    listed = iam.list_ssh_public_keys(UserName=user)["SSHPublicKeys"]
    assert [(each["SSHPublicKeyId"], each["Status"]) for each in listed] == [(id, "Inactive")]
    iam.delete_ssh_public_key(UserName=user, SSHPublicKeyId=id)
    assert refused(iam.get_ssh_public_key, UserName=user, SSHPublicKeyId=id, Encoding="SSH") == (
        "NoSuchEntity",
        f"The Public Key with id {id} cannot be found.",
    )


def test_what_is_no_key(iam, user, refused) -> None:
    code, _ = refused(iam.upload_ssh_public_key, UserName=user, SSHPublicKeyBody="ssh-rsa nothing")
    assert code == "InvalidPublicKey"
