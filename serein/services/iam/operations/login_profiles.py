"""Console passwords: made, changed and checked against the account's policy. They are kept hashed."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from serein.base.errors import AwsError
from serein.kernel.operations import Context, Need, Read, Tx, operation
from serein.services.iam.access import Answer, Request, find_user, name_or_own, on_user
from serein.services.iam.model import (
    EntityAlreadyExistsException,
    InvalidUserTypeException,
    NoSuchEntityException,
)
from serein.services.iam.records import LOGIN_PROFILES, SETTINGS, LoginProfile
from serein.services.iam.rules.passwords import (
    REUSE_MAX,
    PasswordPolicy,
    check_password,
    check_reuse,
    hashed,
    is_password,
)


def _show(profile: LoginProfile) -> Answer:
    return {
        "UserName": profile.user,
        "CreateDate": profile.created_at,
        "PasswordResetRequired": profile.reset_required,
    }


def _find(read: Read, name: str) -> LoginProfile:
    user = find_user(read, name)
    found = read.get(LOGIN_PROFILES, read.account, user.name.lower())
    if found is None:
        raise NoSuchEntityException(f"Login Profile for User {name} cannot be found.")
    return found


def _policy(read: Read) -> PasswordPolicy | None:
    settings = read.get(SETTINGS, read.account)
    return None if settings is None else settings.password_policy


def _changed(tx: Tx, profile: LoginProfile, password: str) -> LoginProfile:
    """The profile with another password. Raises PasswordPolicyViolation."""
    policy = _policy(tx)
    check_password(password, policy, profile.user)
    kept = (profile.password, *profile.earlier) if profile.password else profile.earlier
    check_reuse(password, kept, policy)
    return replace(
        profile,
        password=hashed(password, tx.randomness),
        changed_at=float(int(tx.now)),
        earlier=kept[:REUSE_MAX],
    )


@operation("CreateLoginProfile", on=on_user)
def create_login_profile(tx: Tx, request: Request) -> Answer:
    """Give a user a console password.

    https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreateLoginProfile.html
    """
    user = find_user(tx, name_or_own(tx, request))
    if tx.get(LOGIN_PROFILES, tx.account, user.name.lower()) is not None:
        raise EntityAlreadyExistsException(f"Login Profile for user {user.name} already exists.")
    profile = LoginProfile(
        account=tx.account,
        user=user.name,
        created_at=float(int(tx.now)),
        reset_required=request.get("PasswordResetRequired", False),
    )
    if request.get("Password") is not None:
        profile = _changed(tx, profile, request["Password"])
    tx.put(LOGIN_PROFILES, profile)
    return {"LoginProfile": _show(profile)}


@operation("GetLoginProfile", on=on_user)
def get_login_profile(read: Read, request: Request) -> Answer:
    """Whether a user has a console password, and since when."""
    return {"LoginProfile": _show(_find(read, name_or_own(read, request)))}


@operation("UpdateLoginProfile", on=on_user)
def update_login_profile(tx: Tx, request: Request) -> Answer:
    """Set another password, or whether it must be changed."""
    profile = _find(tx, request["UserName"])
    if request.get("Password") is not None:
        profile = _changed(tx, profile, request["Password"])
    wanted = request.get("PasswordResetRequired", profile.reset_required)
    tx.put(LOGIN_PROFILES, replace(profile, reset_required=wanted))
    return {}


@operation("DeleteLoginProfile", on=on_user)
def delete_login_profile(tx: Tx, request: Request) -> Answer:
    """Take the console password away."""
    profile = _find(tx, name_or_own(tx, request))
    tx.delete(LOGIN_PROFILES, tx.account, profile.user.lower())
    return {}


@operation("ChangePassword", unauthorised=True)
async def change_password(cx: Context, request: Request) -> dict[str, Any]:
    """Change one's own password: allowed by the account's password policy, or by the user's own policies.

    https://docs.aws.amazon.com/IAM/latest/APIReference/API_ChangePassword.html
    """
    if cx.principal.kind != "user":
        raise InvalidUserTypeException("Must be an IAM user to change a password.")
    policy = _policy(cx.read())
    if not (policy and policy.get("AllowUsersToChangePassword")):
        cx.judge(Need("iam:ChangePassword", cx.principal.arn))
    return await cx.transact(_change_own, request)


def _change_own(tx: Tx, request: Request) -> dict[str, Any]:
    profile = _find(tx, tx.principal.arn.rpartition("/")[2])
    if not is_password(request["OldPassword"], profile.password):
        raise AwsError("The old password was incorrect.", code="AccessDenied", status=403)
    policy = _policy(tx)
    expires_s = int(policy.get("MaxPasswordAge", 0)) * 86_400 if policy else 0
    age_s = tx.now - (profile.changed_at or profile.created_at)
    if policy and policy.get("HardExpiry") and expires_s and age_s >= expires_s:
        raise AwsError(
            "The password has expired. Contact your administrator to have it reset.",
            code="AccessDenied",
            status=403,
        )
    tx.put(
        LOGIN_PROFILES,
        replace(_changed(tx, profile, request["NewPassword"]), reset_required=False),
    )
    return {}
