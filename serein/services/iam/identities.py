"""What the door knows of identities, from IAM's tables: keys, sessions, policies. Cached by the tables' versions."""

from __future__ import annotations

from typing import Final

import msgspec
from msgspec.structs import replace

from serein.base.clock import Clock
from serein.contracts.access_keys import is_own_session_key
from serein.contracts.organization import (
    CONTROLS,
    PLACES,
    RESOURCE_CONTROL_POLICY,
    SERVICE_CONTROL_POLICY,
    Place,
    controls_of,
    place_or_none,
)
from serein.contracts.sessions import KEYS, DamagedToken, open_or_none
from serein.engines.policy import Policy, PolicyKind
from serein.kernel.calls import Principal, root_of
from serein.kernel.identities import (
    Credential,
    InvalidToken,
    Membership,
    PrincipalPolicies,
    RoleFacts,
)
from serein.kernel.tags import TAGS, tags_of
from serein.services.iam.policies_of_entities import (
    Compiled,
    document_or_none,
    policies_of_entity,
)
from serein.services.iam.records import (
    ACCESS_KEYS,
    ATTACHMENTS,
    GROUPS_OF,
    INLINE,
    POLICIES,
    ROLES,
    ROOT,
    USERS,
    VERSIONS,
    KeyUse,
    OwnerKind,
    Role,
    RoleUse,
    ServiceUse,
    User,
)
from serein.services.iam.rules.services import prefix_of
from serein.store.interface import Snapshot

CACHED_MAX: Final = 4096
USES_MAX: Final = 10_000
_TABLES = frozenset(
    table.name
    for table in (
        USERS,
        ROLES,
        GROUPS_OF,
        INLINE,
        ATTACHMENTS,
        POLICIES,
        VERSIONS,
        ACCESS_KEYS,
        TAGS,
        KEYS,
        PLACES,
        CONTROLS,
    )
)


_EVERYTHING: Final = (
    '{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}'
)

_OF_USER_SESSIONS: Final = (
    '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","NotAction":["iam:*","sts:*"],"Resource":"*"},'
    '{"Effect":"Allow","Action":["sts:AssumeRole","sts:TagSession","sts:SetSourceIdentity","sts:GetCallerIdentity"],"Resource":"*"}]}'
)
"""What GetSessionToken's credentials may at most: no IAM without MFA, of STS only AssumeRole and GetCallerIdentity.

https://docs.aws.amazon.com/STS/latest/APIReference/API_GetSessionToken.html
"""
_OF_MFA_SESSIONS: Final = _OF_USER_SESSIONS.replace('"iam:*",', "")


class StoredIdentities:
    """Fulfils `kernel.identities.Identities`."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._compiled = Compiled()
        self._seen: Snapshot | None = None
        self._stamp: tuple[int, ...] = ()
        self._credentials: dict[tuple[str, str | None], Credential | None] = {}
        self._policies: dict[tuple[str, str, str], tuple[Principal, PrincipalPolicies | None]] = {}
        self._memberships: dict[str, Membership | None] = {}
        self._uses: dict[tuple[str, str], tuple[float, str]] = {}
        """When and where each key last used each service."""
        self._roles: dict[str, str] = {}
        """The role behind each session's access key, for the role's last use."""

    def _refresh(self, snapshot: Snapshot) -> tuple[int, ...]:
        """Forget what was derived from tables that have changed since. What is derived now may be kept as long as
        `_stamp` is this very answer: a look at a database lets others go on meanwhile."""
        if snapshot is self._seen:
            return self._stamp
        stamp = snapshot.table_versions(_TABLES)
        if stamp != self._stamp:
            self._stamp = stamp
            self._credentials.clear()
            self._policies.clear()
            self._memberships.clear()
        # A transaction may still write: it is asked each time.
        self._seen = None if hasattr(snapshot, "put") else snapshot
        return self._stamp

    def credential_or_none(
        self, snapshot: Snapshot, access_key: str, session_token: str | None
    ) -> Credential | None:
        """What an access key stands for. Raises InvalidToken."""
        stamp = self._refresh(snapshot)
        key = (access_key, session_token)
        if key in self._credentials:
            return self._credentials[key]
        found = _look_up(snapshot, access_key, session_token)
        if found is not None:
            place = place_or_none(snapshot, found.principal.account)
            if place is not None and place.closed:
                found = replace(found, active=False)
        if len(self._credentials) >= CACHED_MAX:
            self._credentials.clear()
        # Strangers are not kept: whoever makes up keys would empty the cache of the known ones.
        if found is not None and self._stamp is stamp:
            self._credentials[key] = found
            if found.principal.kind == "role":
                if len(self._roles) >= CACHED_MAX:
                    self._roles.clear()
                self._roles[access_key] = found.principal.role_arn
        return found

    def policies_of(self, snapshot: Snapshot, principal: Principal) -> PrincipalPolicies | None:
        """The policies of a user, role session or federated user; None when user or role is gone."""
        stamp = self._refresh(snapshot)
        key = (principal.access_key, principal.arn, principal.role_arn)
        kept = self._policies.get(key)
        if kept is not None and (kept[0] is principal or kept[0] == principal):
            return kept[1]
        found = self._compile(snapshot, principal)
        if len(self._policies) >= CACHED_MAX:
            self._policies.clear()
        if self._stamp is stamp:
            self._policies[key] = (principal, found)
        return found

    def _compile(self, snapshot: Snapshot, principal: Principal) -> PrincipalPolicies | None:
        arn = principal.role_arn or principal.arn
        session = principal.session
        tags: dict[str, str] = {}
        name = ""
        if principal.kind == "federated" and arn.endswith(":root"):
            identity, boundary = self._everything(), None
        else:
            entity = _entity_or_none(snapshot, principal, arn)
            if entity is None:
                return None
            kind: OwnerKind = "role" if isinstance(entity, Role) else "user"
            identity, boundary = policies_of_entity(snapshot, kind, entity, self._compiled)
            name = entity.name
            if principal.kind != "federated":
                tags = tags_of(snapshot, entity.arn)
        if session is not None:
            tags = {**tags, **session.tags}
        return PrincipalPolicies(
            identity=tuple(identity),
            boundary=boundary,
            session=self._session_policies(snapshot, principal),
            tags=tags,
            name=name,
        )

    def _everything(self) -> list[Policy]:
        """What the root user may, of which it may give parts to a federated user."""
        policy = self._compiled.policy_or_none(_EVERYTHING, "identity", "root")
        return [] if policy is None else [policy]

    def _session_policies(
        self, snapshot: Snapshot, principal: Principal
    ) -> tuple[Policy, ...] | None:
        """Session policies: texts, and ARNs of managed policies, whose documents hold as they are now."""
        session = principal.session
        if session is not None and principal.kind == "user":
            text = _OF_USER_SESSIONS if session.mfa_at is None else _OF_MFA_SESSIONS
            policy = self._compiled.policy_or_none(text, "session", "GetSessionToken")
            return () if policy is None else (policy,)
        if session is None or session.policies is None:
            return None
        compiled = []
        for text in session.policies:
            document = document_or_none(snapshot, text) if text.startswith("arn:") else text
            policy = self._compiled.policy_or_none(document or "", "session", "")
            if policy is not None:
                compiled.append(policy)
        return tuple(compiled)

    def role_or_none(self, snapshot: Snapshot, arn: str) -> RoleFacts | None:
        """The role of that ARN."""
        parts = arn.split(":", 5)
        if len(parts) != 6 or parts[2] != "iam":
            return None
        role = snapshot.get(ROLES, parts[4], arn.rpartition("/")[2].lower())
        if role is None or role.arn != arn:
            return None
        return RoleFacts(
            arn=role.arn,
            id=role.id,
            name=role.name,
            account=role.account,
            trust=role.trust,
            session_s_max=role.session_s_max,
            tags=tags_of(snapshot, role.arn),
        )

    def membership_or_none(self, snapshot: Snapshot, account: str) -> Membership | None:
        """The account's organization, with the control policies that bind it; None when it is in none."""
        self._refresh(snapshot)
        if account in self._memberships:
            return self._memberships[account]
        place = place_or_none(snapshot, account)
        found = None
        if place is not None:
            found = Membership(
                organization=place.organization,
                path=place.path,
                management_account=place.management_account,
                service_controls=self._controls(snapshot, place, SERVICE_CONTROL_POLICY, "scp"),
                resource_controls=self._controls(snapshot, place, RESOURCE_CONTROL_POLICY, "rcp"),
            )
        if len(self._memberships) >= CACHED_MAX:
            self._memberships.clear()
        self._memberships[account] = found
        return found

    def _controls(
        self, snapshot: Snapshot, place: Place, kind: str, compiled_as: PolicyKind
    ) -> tuple[tuple[Policy, ...], ...]:
        return tuple(
            tuple(
                policy
                for control in level
                if (
                    policy := self._compiled.policy_or_none(
                        control.document, compiled_as, control.arn
                    )
                )
                is not None
            )
            for level in controls_of(snapshot, place, kind)
        )

    def note_use(self, access_key: str, service: str, region: str, now: float) -> None:
        """Remember the last use of a key; a worker writes it down."""
        key = (access_key, service)
        if key in self._uses or len(self._uses) < USES_MAX:
            self._uses[key] = (now, region)

    def take_uses(self) -> list[KeyUse | RoleUse | ServiceUse]:
        """The uses noted since the last time, as the records to be written."""
        taken, self._uses = self._uses, {}
        records: list[KeyUse | RoleUse | ServiceUse] = []
        for (key, service), (at, region) in taken.items():
            arn = self._roles.get(key)
            if arn is not None:
                name, account = arn.rpartition("/")[2], arn.split(":")[4]
                records.append(RoleUse(account=account, role=name, at=at, region=region))
                prefix = prefix_of(service)
                records.append(
                    ServiceUse(account=account, entity=arn, service=prefix, at=at, region=region)
                )
            elif key.startswith("AKIA"):
                records.append(KeyUse(id=key, at=at, service=service, region=region))
        return records


def _look_up(snapshot: Snapshot, access_key: str, token: str | None) -> Credential | None:
    if token:
        try:
            session = open_or_none(snapshot, token)
        except DamagedToken as error:
            raise InvalidToken from error
        if session is not None:
            if session.access_key != access_key:
                raise InvalidToken
            principal = msgspec.msgpack.decode(session.principal, type=Principal)
            return Credential(
                secret=session.secret, principal=principal, expires_at=session.expires_at
            )
    key = snapshot.get(ACCESS_KEYS, access_key)
    if key is None:
        # Also with a token that is none of ours: the key is, so whoever has lost its token is no stranger.
        if is_own_session_key(access_key):
            raise InvalidToken
        return None
    if token:
        raise InvalidToken
    if key.user == ROOT:
        root = root_of(key.account, key.id)
        return Credential(secret=key.secret, principal=root, active=key.active)
    user = snapshot.get(USERS, key.account, key.user.lower())
    if user is None:
        return None
    principal = Principal(
        kind="user", account=key.account, arn=user.arn, id=user.id, access_key=key.id
    )
    return Credential(secret=key.secret, principal=principal, active=key.active)


def _entity_or_none(snapshot: Snapshot, principal: Principal, arn: str) -> User | Role | None:
    """The user or role itself: one of the same name that was made later is another."""
    name = arn.rpartition("/")[2].lower()
    account = principal.account
    entity: User | Role | None
    if principal.kind == "role":
        entity = snapshot.get(ROLES, account, name)
        known_id = principal.id.partition(":")[0]
    else:
        entity = snapshot.get(USERS, account, name)
        known_id = principal.id if principal.kind == "user" else ""
    if entity is None or entity.arn != arn or (known_id and entity.id != known_id):
        return None
    return entity
