"""The codes of MFA devices that GetSessionToken and AssumeRole are shown.

https://docs.aws.amazon.com/IAM/latest/UserGuide/id_credentials_mfa_configure-api-require.html
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from serein.contracts.mfa import MFA_DEVICES, step_of, used
from serein.kernel.calls import Principal
from serein.kernel.operations import Context, Tx
from serein.services.sts.rules.words import AccessDenied

_UNKNOWN = (
    "MultiFactorAuthentication failed, unable to validate MFA code.  Please verify your MFA serial number is valid and "
    "associated with this user."
)


async def check_device(cx: Context, caller: Principal, request: Mapping[str, Any]) -> bool:
    """Whether the caller showed its device. A code is good once. Raises AccessDenied for a wrong or incomplete one."""
    serial, code = request.get("SerialNumber"), request.get("TokenCode")
    if not serial and not code:
        return False
    if not serial or not code:
        raise AccessDenied(
            "MultiFactorAuthentication failed, must provide both MFA serial number and one time pass code."
        )
    await cx.transact(_use, caller, str(serial), str(code))
    return True


def _use(tx: Tx, caller: Principal, serial: str, code: str) -> None:
    device = tx.get(MFA_DEVICES, caller.account, serial.rpartition("/")[2])
    user = caller.arn.rpartition("/")[2] if caller.kind == "user" else ""
    if (
        device is None
        or device.arn != serial
        or not device.user
        or device.user.lower() != user.lower()
    ):
        raise AccessDenied(_UNKNOWN)
    step = step_of(device, code, tx.now)
    if step is None:
        raise AccessDenied("MultiFactorAuthentication failed with invalid MFA one time pass code. ")
    tx.put(MFA_DEVICES, used(device, step))
