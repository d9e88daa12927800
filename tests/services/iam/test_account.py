"""The account. https://docs.aws.amazon.com/IAM/latest/APIReference/API_GetAccountSummary.html"""

from __future__ import annotations


def test_alias(iam, refused) -> None:
    assert iam.list_account_aliases()["AccountAliases"] == []
    iam.create_account_alias(AccountAlias="my-cloud")
    assert iam.list_account_aliases()["AccountAliases"] == ["my-cloud"]
    assert refused(iam.delete_account_alias, AccountAlias="other")[0] == "NoSuchEntity"
    iam.delete_account_alias(AccountAlias="my-cloud")
    assert iam.list_account_aliases()["AccountAliases"] == []
    assert refused(iam.create_account_alias, AccountAlias="a--b")[0] == "ValidationError"


def test_password_policy(iam, refused) -> None:
    told = ("NoSuchEntity", "The Password Policy with domain name 000000000000 cannot be found.")
    assert refused(iam.get_account_password_policy) == told
    iam.update_account_password_policy(
        MinimumPasswordLength=12, RequireNumbers=True, MaxPasswordAge=90
    )
    policy = iam.get_account_password_policy()["PasswordPolicy"]
    assert policy == {
        "MinimumPasswordLength": 12,
        "RequireSymbols": False,
        "RequireNumbers": True,
        "RequireUppercaseCharacters": False,
        "RequireLowercaseCharacters": False,
        "AllowUsersToChangePassword": False,
        "ExpirePasswords": True,
        "MaxPasswordAge": 90,
    }
    iam.delete_account_password_policy()
    assert refused(iam.delete_account_password_policy)[0] == "NoSuchEntity"


def test_summary(iam, user, role, policy) -> None:
    summary = iam.get_account_summary()["SummaryMap"]
    assert (summary["Users"], summary["Roles"], summary["Policies"], summary["Groups"]) == (
        1,
        1,
        1,
        0,
    )
    assert summary["PolicySizeQuota"] == 6144


def test_token_preferences(iam) -> None:
    """https://docs.aws.amazon.com/IAM/latest/APIReference/API_SetSecurityTokenServicePreferences.html"""
    assert iam.get_account_summary()["SummaryMap"]["GlobalEndpointTokenVersion"] == 1
    iam.set_security_token_service_preferences(GlobalEndpointTokenVersion="v2Token")
    assert iam.get_account_summary()["SummaryMap"]["GlobalEndpointTokenVersion"] == 2
