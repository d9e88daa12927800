"""Console passwords. There is no AWS console here to sign in to: that a user has one is kept, the password is not."""

from __future__ import annotations

from msgspec.structs import replace

from serein.kernel.operations import Read, Tx, operation
from serein.services.iam.access import Answer, Request, find_user, name_or_own, on_user
from serein.services.iam.model import EntityAlreadyExistsException, NoSuchEntityException
from serein.services.iam.records import LOGIN_PROFILES, LoginProfile


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


@operation("CreateLoginProfile", on=on_user, ignores=("Password",))
def create_login_profile(tx: Tx, request: Request) -> Answer:
    """Note that a user has a console password.

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
    tx.put(LOGIN_PROFILES, profile)
    return {"LoginProfile": _show(profile)}


@operation("GetLoginProfile", on=on_user)
def get_login_profile(read: Read, request: Request) -> Answer:
    """Whether a user has a console password, and since when."""
    return {"LoginProfile": _show(_find(read, name_or_own(read, request)))}


@operation("UpdateLoginProfile", on=on_user, ignores=("Password",))
def update_login_profile(tx: Tx, request: Request) -> Answer:
    """Change whether the password must be changed."""
    profile = _find(tx, request["UserName"])
    wanted = request.get("PasswordResetRequired", profile.reset_required)
    tx.put(LOGIN_PROFILES, replace(profile, reset_required=wanted))
    return {}


@operation("DeleteLoginProfile", on=on_user)
def delete_login_profile(tx: Tx, request: Request) -> Answer:
    """Take the console password away."""
    profile = _find(tx, name_or_own(tx, request))
    tx.delete(LOGIN_PROFILES, tx.account, profile.user.lower())
    return {}
