"""Console passwords. https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreateLoginProfile.html"""

from __future__ import annotations


def test_lifecycle(iam, user, refused) -> None:
    absent = ("NoSuchEntity", "Login Profile for User bob cannot be found.")
    assert refused(iam.get_login_profile, UserName=user) == absent
    made = iam.create_login_profile(
        UserName=user, Password="Secret-1234", PasswordResetRequired=True
    )["LoginProfile"]
    assert made.keys() == {"UserName", "CreateDate", "PasswordResetRequired"}
    again = refused(iam.create_login_profile, UserName=user, Password="Secret-1234")
    assert again == ("EntityAlreadyExists", "Login Profile for user bob already exists.")
    iam.update_login_profile(UserName=user, PasswordResetRequired=False)
    assert not iam.get_login_profile(UserName=user)["LoginProfile"]["PasswordResetRequired"]
    iam.delete_login_profile(UserName=user)
    assert refused(iam.delete_login_profile, UserName=user) == absent
