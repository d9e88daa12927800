"""Virtual MFA devices, with real one-time codes (RFC 6238).

https://docs.aws.amazon.com/IAM/latest/UserGuide/id_credentials_mfa_enable_virtual.html
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING
from urllib.parse import quote

from msgspec.structs import replace

from serein.base.later import later
from serein.contracts.mfa import MFA_DEVICES, MfaDevice, base32_seed, step_of, used
from serein.kernel.calls import Call
from serein.kernel.operations import Read, Tx, operation
from serein.services.iam.access import (
    Answer,
    Request,
    find_user,
    is_root,
    name_or_own,
    on_user,
    page,
    tag_list,
)
from serein.services.iam.model import (
    DeleteConflictException,
    EntityAlreadyExistsException,
    InvalidAuthenticationCodeException,
    LimitExceededException,
    NoSuchEntityException,
)
from serein.services.iam.operations.users import describe_user
from serein.services.iam.records import USERS
from serein.services.iam.rules.names import ValidationError, path_of, tags_of_request

if TYPE_CHECKING:
    import segno
else:
    segno = later("segno")

DEVICES_PER_USER_MAX = 8
_SEED_BYTES = 40
_ENABLE_STEPS = 2
_RESYNC_STEPS = 20
"""How far off, in steps of 30 seconds, a device's clock may be when it is synchronised anew."""


def on_new_device(call: Call) -> str:
    """The device to be made."""
    path = call.params.get("Path") or "/"
    return f"arn:aws:iam::{call.scope.account}:mfa{path}{call.params['VirtualMFADeviceName']}"


def on_device(call: Call) -> str:
    """The device of the request."""
    return str(call.params["SerialNumber"])


def find_device(read: Read, serial: str) -> MfaDevice:
    """The device with that serial number (its ARN). Raises NoSuchEntity."""
    found = read.get(MFA_DEVICES, read.account, serial.rpartition("/")[2])
    if found is None or found.arn != serial:
        raise NoSuchEntityException(f"MFA Device with serial number {serial} does not exist.")
    return found


def devices_of(read: Read, user: str) -> list[MfaDevice]:
    """The devices assigned to a user."""
    lowered = user.lower()
    devices = read.scan(MFA_DEVICES, (read.account,))
    return [device for device in devices if device.user and device.user.lower() == lowered]


@operation("CreateVirtualMFADevice", on=on_new_device)
def create_virtual_mfa_device(tx: Tx, request: Request) -> Answer:
    """A device that is assigned to nobody yet; the only time its seed is told.

    https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreateVirtualMFADevice.html
    """
    name = request["VirtualMFADeviceName"]
    path = path_of(request)
    tags = tags_of_request(request)
    if tx.get(MFA_DEVICES, tx.account, name) is not None:
        raise EntityAlreadyExistsException(
            "MFADevice entity at the same path and name already exists."
        )
    device = MfaDevice(
        account=tx.account, path=path, name=name, seed=tx.randomness.token(_SEED_BYTES)
    )
    tx.put(MFA_DEVICES, device)
    tx.tag(device.arn, tags)
    seed = base32_seed(device)
    return {
        "VirtualMFADevice": {
            "SerialNumber": device.arn,
            "Base32StringSeed": seed.encode(),
            "QRCodePNG": _qr_code(device, seed),
            "Tags": tag_list(tx, device.arn),
        }
    }


def _qr_code(device: MfaDevice, seed: str) -> bytes:
    label = quote(f"Amazon Web Services:{device.name}@{device.account}", safe="@:")
    text = f"otpauth://totp/{label}?secret={seed}&issuer=Amazon%20Web%20Services"
    drawn = io.BytesIO()
    segno.make(text, error="m", micro=False).save(drawn, kind="png", scale=4)
    return drawn.getvalue()


@operation("DeleteVirtualMFADevice", on=on_device)
def delete_virtual_mfa_device(tx: Tx, request: Request) -> Answer:
    """Remove a device that is assigned to nobody."""
    device = find_device(tx, request["SerialNumber"])
    if device.user:
        raise DeleteConflictException("MFA VirtualDevice in use. Must deactivate first.")
    tx.delete(MFA_DEVICES, tx.account, device.name)
    tx.untag(device.arn)
    return {}


@operation("ListVirtualMFADevices")
def list_virtual_mfa_devices(read: Read, request: Request) -> Answer:
    """The account's virtual devices, without their seeds."""
    status = request.get("AssignmentStatus") or "Any"
    devices = (
        device
        for device in read.scan(MFA_DEVICES, (read.account,))
        if status == "Any" or (status == "Assigned") is bool(device.user)
    )
    return page(
        "virtual_mfa_devices",
        "VirtualMFADevices",
        devices,
        request,
        lambda device: _show_virtual(read, device),
        lambda device: device.name,
    )


def _show_virtual(read: Read, device: MfaDevice) -> Answer:
    user = read.get(USERS, read.account, device.user.lower()) if device.user else None
    return {
        "SerialNumber": device.arn,
        "User": None if user is None else {**describe_user(read, user), "Tags": None},
        "EnableDate": device.enabled_at,
    }


@operation("ListMFADevices", on=on_user)
def list_mfa_devices(read: Read, request: Request) -> Answer:
    """A user's devices."""
    if request.get("UserName") is None and is_root(read.principal):
        return {"MFADevices": [], "IsTruncated": False}
    user = find_user(read, name_or_own(read, request))

    def show(device: MfaDevice) -> Answer:
        return {
            "UserName": device.user,
            "SerialNumber": device.arn,
            "EnableDate": device.enabled_at,
        }

    devices = devices_of(read, user.name)
    return page("mfa_devices", "MFADevices", devices, request, show, lambda device: device.name)


@operation("GetMFADevice", on=on_user)
def get_mfa_device(read: Read, request: Request) -> Answer:
    """A user's device."""
    device = find_device(read, request["SerialNumber"])
    user = request.get("UserName")
    if user is not None and device.user.lower() != find_user(read, user).name.lower():
        raise NoSuchEntityException(
            f"MFA Device with serial number {device.arn} does not exist for user {user}."
        )
    return {
        "UserName": device.user or None,
        "SerialNumber": device.arn,
        "EnableDate": device.enabled_at,
        "Certifications": {},
    }


@operation("EnableMFADevice", on=on_user)
def enable_mfa_device(tx: Tx, request: Request) -> Answer:
    """Assign a device to a user who shows two codes in a row.

    https://docs.aws.amazon.com/IAM/latest/APIReference/API_EnableMFADevice.html
    """
    user = find_user(tx, request["UserName"])
    device = find_device(tx, request["SerialNumber"])
    if device.user:
        raise EntityAlreadyExistsException(
            f"MFA Device with serial number {device.arn} is already in use."
        )
    if len(devices_of(tx, user.name)) >= DEVICES_PER_USER_MAX:
        raise LimitExceededException(
            f"Cannot exceed quota for MFADevicesPerUser: {DEVICES_PER_USER_MAX}"
        )
    shown = _synchronised(device, request, tx.now, _ENABLE_STEPS)
    tx.put(MFA_DEVICES, replace(shown, user=user.name, enabled_at=float(int(tx.now))))
    return {}


@operation("ResyncMFADevice", on=on_user)
def resync_mfa_device(tx: Tx, request: Request) -> Answer:
    """Learn anew how a device's clock runs, from two codes in a row."""
    device = _find_of_user(tx, request)
    tx.put(MFA_DEVICES, _synchronised(device, request, tx.now, _RESYNC_STEPS))
    return {}


@operation("DeactivateMFADevice", on=on_user)
def deactivate_mfa_device(tx: Tx, request: Request) -> Answer:
    """Take a device from its user."""
    if request.get("UserName") is None and tx.principal.kind != "user":
        raise ValidationError("Must specify userName when calling with non-User credentials")
    device = _find_of_user(tx, {**request, "UserName": name_or_own(tx, request)})
    tx.put(MFA_DEVICES, replace(device, user="", enabled_at=None))
    return {}


def _find_of_user(read: Read, request: Request) -> MfaDevice:
    user = find_user(read, request["UserName"])
    device = find_device(read, request["SerialNumber"])
    if device.user.lower() != user.name.lower():
        raise NoSuchEntityException(
            f"MFA Device with serial number {device.arn} does not exist for user {user.name}."
        )
    return device


def _synchronised(device: MfaDevice, request: Request, now: float, window: int) -> MfaDevice:
    """The device after two consecutive codes. Raises InvalidAuthenticationCode."""
    fresh = replace(device, drift=0)
    first = step_of(fresh, request["AuthenticationCode1"], now, window=window)
    second = step_of(fresh, request["AuthenticationCode2"], now, window=window)
    if first is None or second != first + 1:
        raise InvalidAuthenticationCodeException("Authentication code for device is not valid.")
    return used(device, second, now)
