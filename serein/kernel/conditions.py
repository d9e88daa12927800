"""The global condition keys of a call, answered only when a policy asks for them.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from serein.kernel.calls import Call, Scope
from serein.kernel.identities import Membership, PrincipalPolicies
from serein.kernel.operations import Conditions, Read

Values = Sequence[str] | None
ConditionsOf = Callable[[Call], Conditions]
ResourceConditions = Callable[[Read, str], Conditions]
RequestConditions = Callable[[Read, Call, str], Conditions]
Memberships = Callable[[str], Membership | None]
_TAG_MEMBERS = ("Tags", "tags", "TagList")


class Circumstances:
    """One call's condition keys. Calling it with a lower-case key gives the values, or None when the call has no such key.

    Nothing is computed before a statement asks for it, the service's own keys included.
    """

    __slots__ = (
        "_arn",
        "_call",
        "_conditions_of",
        "_keys_of",
        "_memberships",
        "_more",
        "_need",
        "_of_resource",
        "_owner",
        "_policies",
        "_principal",
        "_read",
        "_scope",
        "asked",
        "asked_whence",
    )

    def __init__(
        self,
        read: Read,
        call: Call,
        arn: str,
        owner: str,
        policies: PrincipalPolicies,
        memberships: Memberships,
        *,
        conditions_of: ConditionsOf | None = None,
        need: Conditions | None = None,
        of_resource: ResourceConditions | None = None,
        keys_of: RequestConditions | None = None,
    ) -> None:
        self._read = read
        self._call = call
        self._principal = call.principal
        self._scope = call.scope
        self._arn = arn
        self._owner = owner
        self._policies = policies
        self._memberships = memberships
        self._conditions_of = conditions_of
        self._need = need
        self._of_resource = of_resource
        self._keys_of = keys_of
        self._more: tuple[Conditions, ...] | None = None
        self.asked = False
        """Whether any statement wanted to know something of this one request, that the next may not have."""
        self.asked_whence = False
        """Whether any wanted to know whence it comes: from which address, how, to which region (`whence`)."""

    def __call__(self, key: str) -> Values:
        lasting = _LASTING.get(key)
        if lasting is not None:
            return lasting(self)
        if key.startswith("aws:principaltag/"):
            return _tag(self._policies.tags, key[17:])
        whence = _WHENCE.get(key)
        if whence is not None:
            self.asked_whence = True
            return whence(self)
        self.asked = True
        answer = _GLOBAL.get(key)
        if answer is not None:
            return answer(self)
        for conditions in self._services() if self._more is None else self._more:
            found = conditions.get(key)
            if found is not None:
                return found
        if key == "aws:tagkeys":
            return self._tag_keys()
        name, slash, tag = key.partition("/")
        return self._tag_of_request_or_resource(name, tag) if slash else None

    def _services(self) -> tuple[Conditions, ...]:
        """The service's own keys: what the need says, what the request says, what the resource says."""
        more = []
        if self._need is not None:
            more.append(self._need)
        if self._conditions_of is not None:
            more.append(self._conditions_of(self._call))
        if self._keys_of is not None:
            more.append(self._keys_of(self._read, self._call, self._arn))
        if self._of_resource is not None:
            more.append(self._of_resource(self._read, self._arn))
        self._more = tuple(more)
        return self._more

    def _tag_of_request_or_resource(self, name: str, wanted: str) -> Values:
        if name == "aws:requesttag":
            return _tag(request_tags(self._call.params) or {}, wanted)
        # `iam:ResourceTag/…`, `s3:BucketTag/…` say the same of their own resources.
        if name == "aws:resourcetag" or name.endswith(":resourcetag"):
            return _tag(self._read.tags_of(self._arn), wanted)
        return None

    def source_ip(self) -> Values:
        # A service that calls on its own has no address that a policy could mean.
        ip = self._scope.source_ip
        return (ip,) if ip and self._principal.kind != "service" else None

    def secure_transport(self) -> Values:
        return ("true" if self._scope.came_safely else "false",)

    def current_time(self) -> Values:
        at = datetime.fromtimestamp(self._read.now, UTC)
        return (at.strftime("%Y-%m-%dT%H:%M:%SZ"),)

    def epoch_time(self) -> Values:
        return (str(int(self._read.now)),)

    def user_agent(self) -> Values:
        return (self._scope.user_agent,) if self._scope.user_agent else None

    def region(self) -> Values:
        return (self._scope.region,)

    def source_arn(self) -> Values:
        return (self._scope.source_arn,) if self._scope.source_arn else None

    def source_account(self) -> Values:
        return (self._scope.source_account,) if self._scope.source_account else None

    def resource_account(self) -> Values:
        return (self._owner,) if self._owner else None

    def _tag_keys(self) -> Values:
        params = self._call.params
        tags = request_tags(params)
        if tags is not None:
            return tuple(tags)
        keys = params.get("TagKeys") or params.get("tagKeys") or params.get("tags")
        return tuple(keys) if keys else None

    def principal_organization(self) -> Values:
        found = self._memberships(self._principal.account)
        return None if found is None else (found.organization,)

    def principal_paths(self) -> Values:
        found = self._memberships(self._principal.account)
        return None if found is None else (found.path,)

    def resource_organization(self) -> Values:
        found = self._memberships(self._owner)
        return None if found is None else (found.organization,)

    def resource_paths(self) -> Values:
        found = self._memberships(self._owner)
        return None if found is None else (found.path,)

    def source_organization(self) -> Values:
        found = self._memberships(self._scope.source_account)
        return None if found is None else (found.organization,)

    def source_paths(self) -> Values:
        found = self._memberships(self._scope.source_account)
        return None if found is None else (found.path,)

    def referer(self) -> Values:
        return (self._scope.referer,) if self._scope.referer else None

    def called_via(self) -> Values:
        return self._scope.called_via or None

    def called_via_first(self) -> Values:
        return self._scope.called_via[:1] or None

    def called_via_last(self) -> Values:
        return self._scope.called_via[-1:] or None

    def via_aws_service(self) -> Values:
        return ("true" if self._scope.called_via else "false",)

    def _shown(self, key: str) -> Values:
        """What the request itself shows: the code of a device, which STS checks before it answers."""
        for conditions in self._services() if self._more is None else self._more:
            if key in conditions:
                return conditions[key]
        return None

    def mfa_present(self) -> Values:
        session = self._principal.session
        shown = self._shown("aws:multifactorauthpresent")
        if shown is not None:
            return shown
        return None if session is None else ("true" if session.mfa_at is not None else "false",)

    def mfa_age(self) -> Values:
        session = self._principal.session
        shown = self._shown("aws:multifactorauthage")
        if shown is not None or session is None or session.mfa_at is None:
            return shown
        return (str(int(self._read.now - session.mfa_at)),)

    def token_issue_time(self) -> Values:
        session = self._principal.session
        if session is None:
            return None
        at = datetime.fromtimestamp(session.issued_at, UTC)
        return (at.strftime("%Y-%m-%dT%H:%M:%SZ"),)

    def source_identity(self) -> Values:
        session = self._principal.session
        return (session.source_identity,) if session and session.source_identity else None

    def source_function(self) -> Values:
        # https://docs.aws.amazon.com/lambda/latest/dg/permissions-source-function-arn.html
        session = self._principal.session
        return (session.function,) if session and session.function else None

    def federated_provider(self) -> Values:
        session = self._principal.session
        return (session.federated_provider,) if session and session.federated_provider else None


_LASTING: Mapping[str, Callable[[Circumstances], Values]] = {
    # These follow from the principal, its policies and the resource, which a remembered verdict is remembered by.
    "aws:resourceaccount": Circumstances.resource_account,
    "s3:resourceaccount": Circumstances.resource_account,
    "aws:principalorgid": Circumstances.principal_organization,
    "aws:principalorgpaths": Circumstances.principal_paths,
    "aws:resourceorgid": Circumstances.resource_organization,
    "aws:resourceorgpaths": Circumstances.resource_paths,
}
_WHENCE: Mapping[str, Callable[[Circumstances], Values]] = {
    # These follow from the principal and from `whence`.
    "aws:sourceip": Circumstances.source_ip,
    "aws:securetransport": Circumstances.secure_transport,
    "aws:requestedregion": Circumstances.region,
}


def whence(scope: Scope) -> tuple[str, bool, str]:
    """What the keys of `_WHENCE` follow from: the same for all requests of a client."""
    return scope.source_ip, scope.secure, scope.region


_GLOBAL: Mapping[str, Callable[[Circumstances], Values]] = {
    "aws:sourceip": Circumstances.source_ip,
    "aws:securetransport": Circumstances.secure_transport,
    "aws:currenttime": Circumstances.current_time,
    "aws:epochtime": Circumstances.epoch_time,
    "aws:useragent": Circumstances.user_agent,
    "aws:referer": Circumstances.referer,
    "aws:requestedregion": Circumstances.region,
    "aws:sourceorgid": Circumstances.source_organization,
    "aws:sourceorgpaths": Circumstances.source_paths,
    "aws:sourcearn": Circumstances.source_arn,
    "aws:sourceaccount": Circumstances.source_account,
    "aws:calledvia": Circumstances.called_via,
    "aws:calledviafirst": Circumstances.called_via_first,
    "aws:calledvialast": Circumstances.called_via_last,
    "aws:viaawsservice": Circumstances.via_aws_service,
    "aws:multifactorauthpresent": Circumstances.mfa_present,
    "aws:multifactorauthage": Circumstances.mfa_age,
    "aws:tokenissuetime": Circumstances.token_issue_time,
    "aws:sourceidentity": Circumstances.source_identity,
    "aws:federatedprovider": Circumstances.federated_provider,
    "lambda:sourcefunctionarn": Circumstances.source_function,
}


def _tag(tags: Mapping[str, str], wanted: str) -> Values:
    # Tag keys in condition keys are not case-sensitive:
    # https://docs.aws.amazon.com/IAM/latest/UserGuide/access_tags.html
    return next(((value,) for key, value in tags.items() if key.lower() == wanted), None)


def request_tags(params: Mapping[str, Any]) -> dict[str, str] | None:
    """The tags that a request would set, in whatever of AWS's forms; None when it carries none."""
    for member in _TAG_MEMBERS:
        given = params.get(member)
        if isinstance(given, dict):
            return {str(key): str(value) for key, value in given.items()}
        if isinstance(given, list) and all(isinstance(tag, dict) for tag in given):
            return {
                str(tag.get("Key", tag.get("key", tag.get("TagKey", "")))): str(
                    tag.get("Value", tag.get("value", tag.get("TagValue", "")))
                )
                for tag in given
            }
    return None


def members_as_keys(members: Mapping[str, str]) -> RequestConditions:
    """Condition keys that are members of the request: lower-case key to member, `Outer.Inner` for one inside another."""
    paths = {key: tuple(member.split(".")) for key, member in members.items()}

    def keys_of(read: Read, call: Call, arn: str) -> Conditions:
        found: dict[str, Sequence[str]] = {}
        for key, path in paths.items():
            value: Any = call.params
            for name in path:
                value = value.get(name) if isinstance(value, Mapping) else None
            texts = condition_texts(value)
            if texts is not None:
                found[key] = texts
        return found

    return keys_of


def condition_texts(value: Any) -> Values:
    """A request's value as values of a condition key; None for what is none."""
    if value is None:
        return None
    if isinstance(value, bool):
        return ("true" if value else "false",)
    if isinstance(value, list | tuple):
        return tuple(str(each) for each in value)
    return (str(value),)
