"""What IAM remembers. IAM is global: keys begin with the account and name no region.

Tags live in the kernel, by ARN.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from serein.store.tables import Table

OwnerKind = Literal["user", "group", "role"]


class User(msgspec.Struct, frozen=True, kw_only=True):
    """A user. `boundary` is the ARN of its permissions boundary, or ""."""

    account: str
    name: str
    path: str
    id: str
    created_at: float
    boundary: str = ""

    @property
    def arn(self) -> str:
        return f"arn:aws:iam::{self.account}:user{self.path}{self.name}"


class Group(msgspec.Struct, frozen=True, kw_only=True):
    """A group of users."""

    account: str
    name: str
    path: str
    id: str
    created_at: float

    @property
    def arn(self) -> str:
        return f"arn:aws:iam::{self.account}:group{self.path}{self.name}"


class Membership(msgspec.Struct, frozen=True, kw_only=True):
    """A user in a group; kept in two orders."""

    account: str
    group: str
    user: str


ROOT = ""
"""What stands for the account's root where a key names its user."""


class AccessKey(msgspec.Struct, frozen=True, kw_only=True):
    """A long-term key of a user, or of the account's root."""

    id: str
    account: str
    user: str
    secret: str
    active: bool = True
    created_at: float


class KeyUse(msgspec.Struct, frozen=True, kw_only=True):
    """The last use of a key. Written some time after it."""

    id: str
    at: float
    service: str
    region: str


class RoleUse(msgspec.Struct, frozen=True, kw_only=True):
    """The last use of a role's session."""

    account: str
    role: str
    at: float
    region: str


class ServiceCredential(msgspec.Struct, frozen=True, kw_only=True):
    """A user's credential for one service. Nothing here checks its password, which is not kept."""

    account: str
    user: str
    id: str
    service: str
    user_name: str
    active: bool = True
    created_at: float
    expires_at: float | None = None


class LoginProfile(msgspec.Struct, frozen=True, kw_only=True):
    """A user's console password, hashed, with those before it (the newest first)."""

    account: str
    user: str
    created_at: float
    reset_required: bool = False
    password: bytes = b""
    """Salt and hash (`rules/passwords.py`)."""
    changed_at: float | None = None
    earlier: tuple[bytes, ...] = ()


class SshKey(msgspec.Struct, frozen=True, kw_only=True):
    """A user's public SSH key."""

    account: str
    user: str
    id: str
    body: str
    fingerprint: str
    active: bool = True
    uploaded_at: float


class SigningCertificate(msgspec.Struct, frozen=True, kw_only=True):
    """A user's X.509 certificate."""

    account: str
    user: str
    id: str
    body: str
    active: bool = True
    uploaded_at: float


class ServerCertificate(msgspec.Struct, frozen=True, kw_only=True):
    """A certificate for servers. Nothing here serves with it, so its private key is checked but not kept."""

    account: str
    name: str
    path: str
    id: str
    body: str
    chain: str = ""
    uploaded_at: float
    expires_at: float

    @property
    def arn(self) -> str:
        return f"arn:aws:iam::{self.account}:server-certificate{self.path}{self.name}"


class SamlProvider(msgspec.Struct, frozen=True, kw_only=True):
    """A SAML identity provider, with its metadata document as it was given."""

    account: str
    name: str
    uuid: str
    metadata: str
    created_at: float
    valid_until: float
    encryption: str = ""
    """AssertionEncryptionMode, or "" where none was said."""

    @property
    def arn(self) -> str:
        return f"arn:aws:iam::{self.account}:saml-provider/{self.name}"


class ServiceUse(msgspec.Struct, frozen=True, kw_only=True):
    """The last use of a service by a user or role (`entity` is its ARN)."""

    account: str
    entity: str
    service: str
    at: float
    region: str


class AccessJob(msgspec.Struct, frozen=True, kw_only=True):
    """A report on last accesses that was asked for; it is made when it is read."""

    account: str
    id: str
    arn: str
    granularity: str
    created_at: float


class Role(msgspec.Struct, frozen=True, kw_only=True):
    """A role. `trust` is its trust policy's text as it was given."""

    account: str
    name: str
    path: str
    id: str
    created_at: float
    trust: str
    description: str | None = None
    session_s_max: int = 3600
    boundary: str = ""

    @property
    def arn(self) -> str:
        return f"arn:aws:iam::{self.account}:role{self.path}{self.name}"


class InlinePolicy(msgspec.Struct, frozen=True, kw_only=True):
    """A policy that is part of a user, group or role."""

    account: str
    kind: OwnerKind
    owner: str
    name: str
    document: str


class ManagedPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """A customer's managed policy; its documents are PolicyVersions."""

    account: str
    name: str
    path: str
    id: str
    description: str | None = None
    created_at: float
    updated_at: float
    default_version: int = 1
    next_version: int = 2

    @property
    def arn(self) -> str:
        return f"arn:aws:iam::{self.account}:policy{self.path}{self.name}"


class PolicyVersion(msgspec.Struct, frozen=True, kw_only=True):
    """One document of a managed policy."""

    arn: str
    number: int
    document: str
    created_at: float


class Attachment(msgspec.Struct, frozen=True, kw_only=True):
    """A managed policy on a user, group or role; kept in two orders."""

    account: str
    kind: OwnerKind
    owner: str
    arn: str


class InstanceProfile(msgspec.Struct, frozen=True, kw_only=True):
    """A container for the role of an EC2 instance."""

    account: str
    name: str
    path: str
    id: str
    created_at: float
    role: str = ""

    @property
    def arn(self) -> str:
        return f"arn:aws:iam::{self.account}:instance-profile{self.path}{self.name}"


class OidcProvider(msgspec.Struct, frozen=True, kw_only=True):
    """An OpenID Connect identity provider. `url` is without its scheme, as IAM shows it."""

    account: str
    url: str
    client_ids: tuple[str, ...] = ()
    thumbprints: tuple[str, ...] = ()
    created_at: float

    @property
    def arn(self) -> str:
        return f"arn:aws:iam::{self.account}:oidc-provider/{self.url}"


class AccountSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The account's alias, password policy (as the API's members) and last credential report."""

    account: str
    alias: str = ""
    password_policy: dict[str, int | bool] | None = None
    report_at: float | None = None
    report: str = ""
    """The last credential report, as CSV."""
    token_version: int = 1
    """GlobalEndpointTokenVersion."""


class DeletionTask(msgspec.Struct, frozen=True, kw_only=True):
    """A service-linked role that was deleted; kept for GetServiceLinkedRoleDeletionStatus."""

    account: str
    id: str
    deleted_at: float = 0.0


USERS = Table("iam.users", User, key=lambda user: (user.account, user.name.lower()), cached=True)
GROUPS = Table(
    "iam.groups", Group, key=lambda group: (group.account, group.name.lower()), cached=True
)
MEMBERS = Table(
    "iam.members",
    Membership,
    key=lambda m: (m.account, m.group.lower(), m.user.lower()),
    cached=True,
)
GROUPS_OF = Table(
    "iam.groups_of",
    Membership,
    key=lambda m: (m.account, m.user.lower(), m.group.lower()),
    cached=True,
)
ACCESS_KEYS = Table("iam.access_keys", AccessKey, key=lambda key: (key.id,), cached=True)
KEYS_OF = Table("iam.keys_of", AccessKey, key=lambda key: (key.account, key.user.lower(), key.id))
KEY_USES = Table("iam.key_uses", KeyUse, key=lambda use: (use.id,))
ROLE_USES = Table("iam.role_uses", RoleUse, key=lambda use: (use.account, use.role.lower()))
LOGIN_PROFILES = Table(
    "iam.login_profiles", LoginProfile, key=lambda each: (each.account, each.user.lower())
)
ROLES = Table("iam.roles", Role, key=lambda role: (role.account, role.name.lower()), cached=True)
INLINE = Table(
    "iam.inline_policies",
    InlinePolicy,
    key=lambda p: (p.account, p.kind, p.owner.lower(), p.name),
    watched=True,
)
POLICIES = Table(
    "iam.policies",
    ManagedPolicy,
    key=lambda policy: (policy.account, policy.name.lower()),
    watched=True,
)
VERSIONS = Table(
    "iam.policy_versions", PolicyVersion, key=lambda v: (v.arn, v.number), watched=True
)
ATTACHMENTS = Table(
    "iam.attachments",
    Attachment,
    key=lambda a: (a.account, a.kind, a.owner.lower(), a.arn),
    watched=True,
)
ATTACHED_TO = Table(
    "iam.attached_to", Attachment, key=lambda a: (a.account, a.arn, a.kind, a.owner.lower())
)
PROFILES = Table(
    "iam.instance_profiles", InstanceProfile, key=lambda p: (p.account, p.name.lower())
)
OIDC_PROVIDERS = Table("iam.oidc_providers", OidcProvider, key=lambda p: (p.account, p.url))
SETTINGS = Table("iam.account_settings", AccountSettings, key=lambda s: (s.account,))
DELETION_TASKS = Table("iam.deletion_tasks", DeletionTask, key=lambda task: (task.account, task.id))
SERVICE_CREDENTIALS = Table(
    "iam.service_credentials", ServiceCredential, key=lambda c: (c.account, c.user.lower(), c.id)
)
SSH_KEYS = Table(
    "iam.ssh_keys", SshKey, key=lambda each: (each.account, each.user.lower(), each.id)
)
SIGNING_CERTIFICATES = Table(
    "iam.signing_certificates",
    SigningCertificate,
    key=lambda each: (each.account, each.user.lower(), each.id),
)
SERVER_CERTIFICATES = Table(
    "iam.server_certificates",
    ServerCertificate,
    key=lambda each: (each.account, each.name.lower()),
)
SAML_PROVIDERS = Table(
    "iam.saml_providers", SamlProvider, key=lambda each: (each.account, each.name)
)
SERVICE_USES = Table(
    "iam.service_uses", ServiceUse, key=lambda use: (use.account, use.entity, use.service)
)
ACCESS_JOBS = Table("iam.access_jobs", AccessJob, key=lambda job: (job.account, job.id))
