"""Virtual MFA devices: kept by IAM, their codes checked by IAM (to enable one) and by STS (GetSessionToken, AssumeRole).

A code is a time-based one-time password of six digits, a new one every 30 seconds, from HMAC-SHA1 (RFC 6238), and good once.

    step = step_of(device, code, now)         None: it is not the device's code, or was used before
    tx.put(MFA_DEVICES, used(device, step))
"""

from __future__ import annotations

import base64
import hashlib
import hmac

import msgspec
from msgspec.structs import replace

from serein.store.tables import Table

STEP_S = 30
DRIFT_STEPS = 1
"""How many steps a device's clock may be off, beyond the drift that is known of it."""


class MfaDevice(msgspec.Struct, frozen=True, kw_only=True):
    """A virtual device. `user` is "" while it is assigned to nobody; `drift` is how many steps its clock runs ahead."""

    account: str
    path: str
    name: str
    seed: bytes
    user: str = ""
    enabled_at: float | None = None
    last_step: int = 0
    drift: int = 0

    @property
    def arn(self) -> str:
        """Its serial number."""
        return f"arn:aws:iam::{self.account}:mfa{self.path}{self.name}"


MFA_DEVICES = Table("contracts.mfa_devices", MfaDevice, key=lambda each: (each.account, each.name))


def code_at(seed: bytes, step: int) -> str:
    """The code of one step (https://www.rfc-editor.org/rfc/rfc4226#section-5.3)."""
    digest = hmac.digest(seed, step.to_bytes(8, "big"), hashlib.sha1)
    at = digest[-1] & 15
    number = int.from_bytes(digest[at : at + 4], "big") & 0x7FFFFFFF
    return f"{number % 1_000_000:06d}"


def base32_seed(device: MfaDevice) -> str:
    """The seed as authenticator applications take it."""
    return base64.b32encode(device.seed).decode()


def step_of(device: MfaDevice, code: str, now: float, *, window: int = DRIFT_STEPS) -> int | None:
    """The step that `code` belongs to, within `window` of now; None when it is of none, or of one that was used."""
    here = int(now // STEP_S) + device.drift
    shown = code.encode()
    found = None
    for step in range(max(here - window, 0), here + window + 1):
        known = code_at(device.seed, step).encode()
        if hmac.compare_digest(known, shown) and step > device.last_step:
            found = step
    return found


def used(device: MfaDevice, step: int, now: float | None = None) -> MfaDevice:
    """The device after the code of `step`, which is not good again. With `now`, its drift is measured anew."""
    drift = device.drift if now is None else step - int(now // STEP_S)
    return replace(device, last_step=step, drift=drift)
