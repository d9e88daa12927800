"""Console passwords. https://docs.aws.amazon.com/IAM/latest/UserGuide/id_credentials_passwords_account-policy.html"""

from __future__ import annotations

from typing import Any

import pytest

from serein.base.errors import AwsError
from serein.kernel.calls import Principal
from tests.cloud import Cloud

GOOD = "Passw0rd-one"


@pytest.fixture
def bob(cloud: Cloud, iam: Any, user: str) -> Any:
    """IAM as the user bob."""
    key = iam.create_access_key(UserName=user)["AccessKey"]
    return cloud.client("iam", access_key=key["AccessKeyId"], secret_key=key["SecretAccessKey"])


def test_profiles(iam, user, refused) -> None:
    made = iam.create_login_profile(UserName=user, Password=GOOD, PasswordResetRequired=True)
    assert made["LoginProfile"]["PasswordResetRequired"] is True
    assert refused(iam.create_login_profile, UserName=user, Password=GOOD) == (
        "EntityAlreadyExists",
        "Login Profile for user bob already exists.",
    )
    iam.update_login_profile(UserName=user, PasswordResetRequired=False)
    assert iam.get_login_profile(UserName=user)["LoginProfile"]["PasswordResetRequired"] is False
    assert refused(iam.delete_user, UserName=user)[1].endswith("must delete login profile first.")
    iam.delete_login_profile(UserName=user)
    assert refused(iam.get_login_profile, UserName=user) == (
        "NoSuchEntity",
        "Login Profile for User bob cannot be found.",
    )


@pytest.mark.parametrize("password", ["short", "onlylowercase", "lower4nd5"])
def test_the_default_policy(iam, user, refused, password) -> None:
    """Eight characters, three of four kinds."""
    code, _ = refused(iam.create_login_profile, UserName=user, Password=password)
    assert code == "PasswordPolicyViolation"


def test_the_account_s_policy(iam, user, refused) -> None:
    iam.update_account_password_policy(
        MinimumPasswordLength=10, RequireSymbols=True, RequireNumbers=True
    )
    create = iam.create_login_profile
    assert refused(create, UserName=user, Password="short1-") == (
        "PasswordPolicyViolation",
        "Password should have a minimum length of 10 or greater",
    )
    assert refused(create, UserName=user, Password="longenough1") == (
        "PasswordPolicyViolation",
        "Password should have at least one symbol",
    )
    create(UserName=user, Password="longenough-1")


def test_changing_one_s_own(iam, user, bob, refused, document) -> None:
    iam.create_login_profile(UserName=user, Password=GOOD, PasswordResetRequired=True)
    change = {"OldPassword": GOOD, "NewPassword": "Passw0rd-two"}
    assert refused(bob.change_password, **change)[0] == "AccessDenied"
    iam.put_user_policy(
        UserName=user, PolicyName="own", PolicyDocument=document("iam:ChangePassword")
    )
    assert refused(bob.change_password, OldPassword="wrong", NewPassword="Passw0rd-two") == (
        "AccessDenied",
        "The old password was incorrect.",
    )
    bob.change_password(**change)
    assert iam.get_login_profile(UserName=user)["LoginProfile"]["PasswordResetRequired"] is False
    assert refused(bob.change_password, **change)[0] == "AccessDenied"
    assert refused(iam.change_password, **change)[0] == "InvalidUserType"


def test_the_policy_lets_users_change_and_forbids_reuse(iam, user, bob, refused) -> None:
    iam.update_account_password_policy(AllowUsersToChangePassword=True, PasswordReusePrevention=2)
    iam.create_login_profile(UserName=user, Password=GOOD)
    bob.change_password(OldPassword=GOOD, NewPassword="another-one")
    code, _ = refused(bob.change_password, OldPassword="another-one", NewPassword=GOOD)
    assert code == "PasswordPolicyViolation"
    bob.change_password(OldPassword="another-one", NewPassword="a-third-one")
    bob.change_password(OldPassword="a-third-one", NewPassword=GOOD)


def test_hard_expiry(cloud, iam, user) -> None:
    """Called in the house's own time: signatures carry the wall clock's."""
    iam.update_account_password_policy(
        AllowUsersToChangePassword=True, MaxPasswordAge=1, HardExpiry=True
    )
    iam.create_login_profile(UserName=user, Password="old-password")
    told = iam.get_user(UserName=user)["User"]
    bob = Principal(kind="user", account=cloud.account, arn=told["Arn"], id=told["UserId"])
    context = cloud.context(bob)
    change = {"OldPassword": "old-password", "NewPassword": "new-password"}
    cloud.advance(86_400)
    with pytest.raises(AwsError, match="The password has expired"):
        cloud.run(context.call(context.make_call("iam", "ChangePassword", change)))
