"""Virtual MFA devices. https://docs.aws.amazon.com/IAM/latest/APIReference/API_EnableMFADevice.html"""

from __future__ import annotations

import base64
from typing import Any

import pytest

from serein.contracts.mfa import code_at
from tests.cloud import Cloud

ACCOUNT = "000000000000"
SERIAL = f"arn:aws:iam::{ACCOUNT}:mfa/phone"


@pytest.fixture
def seed(iam: Any) -> bytes:
    """The seed of a new device."""
    made = iam.create_virtual_mfa_device(VirtualMFADeviceName="phone")["VirtualMFADevice"]
    return base64.b32decode(made["Base32StringSeed"])


def codes(cloud: Cloud, seed: bytes, off: int = 0) -> dict[str, str]:
    """Two codes in a row, as a device shows them whose clock is `off` steps ahead."""
    step = int(cloud.clock.now() // 30) + off
    return {
        "AuthenticationCode1": code_at(seed, step - 1),
        "AuthenticationCode2": code_at(seed, step),
    }


def test_codes_are_rfc_6238() -> None:
    """https://www.rfc-editor.org/rfc/rfc6238#appendix-B, the last six digits."""
    seed = b"12345678901234567890"
    found = [code_at(seed, at // 30) for at in (59, 1111111109, 1111111111, 20000000000)]
    assert found == ["287082", "081804", "050471", "353130"]


def test_a_new_device(iam, refused) -> None:
    """Members as in https://docs.aws.amazon.com/IAM/latest/APIReference/API_VirtualMFADevice.html"""
    made = iam.create_virtual_mfa_device(VirtualMFADeviceName="phone", Path="/a/")
    device = made["VirtualMFADevice"]
    assert device["SerialNumber"] == f"arn:aws:iam::{ACCOUNT}:mfa/a/phone"
    assert len(base64.b32decode(device["Base32StringSeed"])) == 40
    assert device["QRCodePNG"].startswith(b"\x89PNG\r\n")
    code, _ = refused(iam.create_virtual_mfa_device, VirtualMFADeviceName="phone")
    assert code == "EntityAlreadyExists"
    listed = iam.list_virtual_mfa_devices()["VirtualMFADevices"]
    assert [each.keys() for each in listed] == [{"SerialNumber"}]
    iam.delete_virtual_mfa_device(SerialNumber=device["SerialNumber"])
    assert iam.list_virtual_mfa_devices()["VirtualMFADevices"] == []


def test_enabling_needs_two_codes_in_a_row(cloud, iam, user, seed, refused) -> None:
    step = int(cloud.clock.now() // 30)
    wrong = ("InvalidAuthenticationCode", "Authentication code for device is not valid.")
    same = {
        "AuthenticationCode1": code_at(seed, step),
        "AuthenticationCode2": code_at(seed, step),
    }
    enable = iam.enable_mfa_device
    assert refused(enable, UserName=user, SerialNumber=SERIAL, **same) == wrong
    old = codes(cloud, seed, -10)
    assert refused(enable, UserName=user, SerialNumber=SERIAL, **old) == wrong
    enable(UserName=user, SerialNumber=SERIAL, **codes(cloud, seed))
    listed = iam.list_mfa_devices(UserName=user)["MFADevices"]
    assert [(each["UserName"], each["SerialNumber"]) for each in listed] == [(user, SERIAL)]
    assert iam.get_mfa_device(SerialNumber=SERIAL)["UserName"] == user
    assigned = iam.list_virtual_mfa_devices(AssignmentStatus="Assigned")["VirtualMFADevices"]
    assert assigned[0]["User"]["UserName"] == user
    assert iam.list_virtual_mfa_devices(AssignmentStatus="Unassigned")["VirtualMFADevices"] == []
    code, _ = refused(enable, UserName=user, SerialNumber=SERIAL, **codes(cloud, seed))
    assert code == "EntityAlreadyExists"


def test_resync_learns_the_drift(cloud, iam, user, seed, refused) -> None:
    iam.enable_mfa_device(UserName=user, SerialNumber=SERIAL, **codes(cloud, seed))
    fast = codes(cloud, seed, 15)
    iam.resync_mfa_device(UserName=user, SerialNumber=SERIAL, **fast)
    # Codes are good once.
    code, _ = refused(iam.resync_mfa_device, UserName=user, SerialNumber=SERIAL, **fast)
    assert code == "InvalidAuthenticationCode"


def test_a_device_in_use_stays(cloud, iam, user, seed, refused) -> None:
    iam.enable_mfa_device(UserName=user, SerialNumber=SERIAL, **codes(cloud, seed))
    assert refused(iam.delete_virtual_mfa_device, SerialNumber=SERIAL) == (
        "DeleteConflict",
        "MFA VirtualDevice in use. Must deactivate first.",
    )
    assert refused(iam.delete_user, UserName=user) == (
        "DeleteConflict",
        "Cannot delete entity, must delete MFA device first.",
    )
    assert iam.get_account_summary()["SummaryMap"]["MFADevicesInUse"] == 1
    iam.update_user(UserName=user, NewUserName="robert")
    assert iam.get_mfa_device(SerialNumber=SERIAL, UserName="robert")["UserName"] == "robert"
    iam.deactivate_mfa_device(UserName="robert", SerialNumber=SERIAL)
    iam.delete_virtual_mfa_device(SerialNumber=SERIAL)
    iam.delete_user(UserName="robert")
    code, message = refused(iam.get_mfa_device, SerialNumber=SERIAL)
    assert (code, message) == (
        "NoSuchEntity",
        f"MFA Device with serial number {SERIAL} does not exist.",
    )


def test_tags(iam, seed) -> None:
    iam.tag_mfa_device(SerialNumber=SERIAL, Tags=[{"Key": "a", "Value": "1"}])
    assert iam.list_mfa_device_tags(SerialNumber=SERIAL)["Tags"] == [{"Key": "a", "Value": "1"}]
    iam.untag_mfa_device(SerialNumber=SERIAL, TagKeys=["a"])
    assert iam.list_mfa_device_tags(SerialNumber=SERIAL)["Tags"] == []
