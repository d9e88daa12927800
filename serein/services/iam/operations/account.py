"""The account as a whole: alias, password policy, summary."""

from __future__ import annotations

import re

from msgspec.structs import replace

from serein.contracts.mfa import MFA_DEVICES
from serein.kernel.operations import Read, Tx, operation
from serein.services.iam.access import Answer, Request
from serein.services.iam.model import NoSuchEntityException
from serein.services.iam.operations.groups import GROUPS_MAX, GROUPS_PER_USER_MAX
from serein.services.iam.operations.instance_profiles import PROFILES_MAX
from serein.services.iam.operations.managed_policies import POLICIES_MAX, VERSIONS_MAX
from serein.services.iam.operations.roles import ROLES_MAX
from serein.services.iam.operations.server_certificates import CERTIFICATES_MAX
from serein.services.iam.operations.users import USERS_MAX
from serein.services.iam.records import (
    ACCESS_KEYS,
    GROUPS,
    OIDC_PROVIDERS,
    POLICIES,
    PROFILES,
    ROLES,
    ROOT,
    SAML_PROVIDERS,
    SERVER_CERTIFICATES,
    SETTINGS,
    SIGNING_CERTIFICATES,
    USERS,
    VERSIONS,
    AccountSettings,
)
from serein.services.iam.rules.documents import (
    INLINE_CHARACTERS_MAX,
    POLICY_CHARACTERS_MAX,
    TRUST_CHARACTERS_MAX,
)
from serein.services.iam.rules.names import ValidationError

_ALIAS = re.compile(r"(?!\d{12}$)[a-z0-9](([a-z0-9]|-(?!-))*[a-z0-9])?")


def _settings(read: Read) -> AccountSettings:
    return read.get(SETTINGS, read.account) or AccountSettings(account=read.account)


@operation("CreateAccountAlias")
def create_account_alias(tx: Tx, request: Request) -> Answer:
    """Name the account; it has one alias.

    https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreateAccountAlias.html
    """
    alias = request["AccountAlias"]
    if not _ALIAS.fullmatch(alias):
        raise ValidationError(
            "The specified value for accountAlias is invalid. It must contain only lowercase letters, digits, and "
            "dashes, must not begin or end with a dash, and must not be twelve digits."
        )
    tx.put(SETTINGS, replace(_settings(tx), alias=alias))
    return {}


@operation("ListAccountAliases")
def list_account_aliases(read: Read, request: Request) -> Answer:
    """The account's alias, if it has one."""
    alias = _settings(read).alias
    return {"AccountAliases": [alias] if alias else [], "IsTruncated": False}


@operation("DeleteAccountAlias")
def delete_account_alias(tx: Tx, request: Request) -> Answer:
    """Take the alias away."""
    settings = _settings(tx)
    if settings.alias != request["AccountAlias"]:
        raise NoSuchEntityException(f"The account alias {request['AccountAlias']} cannot be found.")
    tx.put(SETTINGS, replace(settings, alias=""))
    return {}


# https://docs.aws.amazon.com/IAM/latest/APIReference/API_UpdateAccountPasswordPolicy.html
_PASSWORD_DEFAULTS: tuple[tuple[str, int | bool], ...] = (
    ("MinimumPasswordLength", 6),
    ("RequireSymbols", False),
    ("RequireNumbers", False),
    ("RequireUppercaseCharacters", False),
    ("RequireLowercaseCharacters", False),
    ("AllowUsersToChangePassword", False),
)


@operation("UpdateAccountPasswordPolicy")
def update_account_password_policy(tx: Tx, request: Request) -> Answer:
    """Say what passwords must be; what is not given goes back to its default."""
    policy: dict[str, int | bool] = {
        name: request.get(name, default) for name, default in _PASSWORD_DEFAULTS
    }
    policy["ExpirePasswords"] = bool(request.get("MaxPasswordAge"))
    for name in ("MaxPasswordAge", "PasswordReusePrevention", "HardExpiry"):
        if request.get(name) is not None:
            policy[name] = request[name]
    tx.put(SETTINGS, replace(_settings(tx), password_policy=policy))
    return {}


@operation("GetAccountPasswordPolicy")
def get_account_password_policy(read: Read, request: Request) -> Answer:
    """What passwords must be. Raises NoSuchEntity while nothing was said."""
    policy = _settings(read).password_policy
    if policy is None:
        raise NoSuchEntityException(
            f"The Password Policy with domain name {read.account} cannot be found."
        )
    return {"PasswordPolicy": policy}


@operation("DeleteAccountPasswordPolicy")
def delete_account_password_policy(tx: Tx, request: Request) -> Answer:
    """Back to the default."""
    settings = _settings(tx)
    if settings.password_policy is None:
        raise NoSuchEntityException("The account policy with name PasswordPolicy cannot be found.")
    tx.put(SETTINGS, replace(settings, password_policy=None))
    return {}


@operation("SetSecurityTokenServicePreferences")
def set_security_token_service_preferences(tx: Tx, request: Request) -> Answer:
    """Say which version the global endpoint's tokens have; Serein's are valid in every region either way."""
    version = 2 if request["GlobalEndpointTokenVersion"] == "v2Token" else 1
    tx.put(SETTINGS, replace(_settings(tx), token_version=version))
    return {}


@operation("GetAccountSummary")
def get_account_summary(read: Read, request: Request) -> Answer:
    """How much there is, and may be.

    https://docs.aws.amazon.com/IAM/latest/APIReference/API_GetAccountSummary.html
    """
    account = (read.account,)
    policies = list(read.scan(POLICIES, account))
    versions = sum(read.count(VERSIONS, (policy.arn,)) for policy in policies)
    keys = sum(1 for key in read.scan(ACCESS_KEYS) if key.account == read.account and not key.user)
    devices = list(read.scan(MFA_DEVICES, account))
    summary = {
        "AccessKeysPerUserQuota": 2,
        "AccountAccessKeysPresent": keys,
        "AccountMFAEnabled": 0,
        "AccountPasswordPresent": 0,
        "AccountSigningCertificatesPresent": read.count(SIGNING_CERTIFICATES, (*account, ROOT)),
        "AssumeRolePolicySizeQuota": TRUST_CHARACTERS_MAX,
        "AttachedPoliciesPerGroupQuota": 10,
        "AttachedPoliciesPerRoleQuota": 10,
        "AttachedPoliciesPerUserQuota": 10,
        "GlobalEndpointTokenVersion": _settings(read).token_version,
        "GroupPolicySizeQuota": INLINE_CHARACTERS_MAX["group"],
        "Groups": read.count(GROUPS, account),
        "GroupsPerUserQuota": GROUPS_PER_USER_MAX,
        "GroupsQuota": GROUPS_MAX,
        "InstanceProfiles": read.count(PROFILES, account),
        "InstanceProfilesQuota": PROFILES_MAX,
        "MFADevices": len(devices),
        "MFADevicesInUse": sum(1 for device in devices if device.user),
        "Policies": len(policies),
        "PoliciesQuota": POLICIES_MAX,
        "PolicySizeQuota": POLICY_CHARACTERS_MAX,
        "PolicyVersionsInUse": versions,
        "PolicyVersionsInUseQuota": 10_000,
        "Providers": read.count(OIDC_PROVIDERS, account) + read.count(SAML_PROVIDERS, account),
        "RolePolicySizeQuota": INLINE_CHARACTERS_MAX["role"],
        "Roles": read.count(ROLES, account),
        "RolesQuota": ROLES_MAX,
        "ServerCertificates": read.count(SERVER_CERTIFICATES, account),
        "ServerCertificatesQuota": CERTIFICATES_MAX,
        "SigningCertificatesPerUserQuota": 2,
        "UserPolicySizeQuota": INLINE_CHARACTERS_MAX["user"],
        "Users": read.count(USERS, account),
        "UsersQuota": USERS_MAX,
        "VersionsPerPolicyQuota": VERSIONS_MAX,
    }
    return {"SummaryMap": summary}
