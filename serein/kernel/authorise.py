"""Who may do what, decided at one place for every call: from the wire, from a neighbour, from the courier.

The decision itself is `engines/policy`; here the facts are gathered: the caller's policies (from `Identities`), the
resource's (from its service), and the condition keys.
"""

from __future__ import annotations

from collections.abc import Sequence

from serein.base.arn import arn_or_none
from serein.base.errors import AwsError
from serein.engines.policy import (
    MalformedPolicy,
    Policy,
    PolicyKind,
    Request,
    decide,
    parse_policy,
    refusal_message,
)
from serein.kernel.calls import Call, Principal
from serein.kernel.conditions import Circumstances
from serein.kernel.identities import Identities, PrincipalPolicies
from serein.kernel.operations import Conditions, Need, Read
from serein.kernel.services import Registered, Registry, Service

COMPILED_MAX = 4096
VERDICTS_MAX = 4096
PRINCIPALS_MAX = 256
NO_POLICIES = PrincipalPolicies()


class AccessDenied(AwsError):
    """The policies refuse. Its code and status are the service's (`Service.denied`)."""

    code = "AccessDenied"
    status = 403


class MissingAuthentication(AwsError):
    """The request is not signed, and nobody but a signer may make it. The front says it in the protocol's words."""

    code = "MissingAuthenticationToken"
    status = 403


class Verdicts:
    """What one principal was allowed under one state of its policies, where no statement asked for circumstances.

    Such an answer follows from the key alone, so it holds until the policies (a new object then) or the resource's change.
    """

    __slots__ = ("allowed", "policies", "principal")

    def __init__(self, principal: Principal, policies: PrincipalPolicies) -> None:
        self.principal = principal
        self.policies = policies
        self.allowed: set[tuple[str, str, str, str, str | None]] = set()


class Authoriser:
    """Judges calls in the handler's own snapshot, so nothing changes between question and act."""

    def __init__(self, identities: Identities) -> None:
        self._identities = identities
        self._compiled: dict[tuple[str, PolicyKind], Policy | None] = {}
        self._verdicts: dict[tuple[str, str], Verdicts] = {}

    def authorise(self, read: Read, found: Registered, call: Call) -> None:
        """Return when `call` may be made. Raises AccessDenied in AWS's words."""
        spec = found.spec
        if spec.unauthorised:
            if call.principal.kind == "anonymous" and not spec.unsigned:
                raise MissingAuthentication
        else:
            action = found.action if not callable(spec.action) else spec.action(call)
            more = () if spec.conditions is None else (spec.conditions(call),)
            arns = "*" if spec.on is None else spec.on(call)
            if isinstance(arns, str):
                self._judge(read, found.service, call, action, arns, more, creates=spec.creates)
            else:
                for arn in arns:
                    self._judge(read, found.service, call, action, arn, more)
        for needs in spec.needs:
            for need in needs(call):
                self._judge(read, found.service, call, need.action, need.arn, (need.conditions,))

    def ask(self, read: Read, need: Need, registry: Registry) -> None:
        """A further question about the caller of `read`. Raises AccessDenied."""
        prefix = need.action.partition(":")[0]
        service = next((s for s in registry.services.values() if s.prefix == prefix), None)
        if service is None:
            service = Service(name=prefix, operations=())
        call = Call(service.name, need.action, {}, read.principal, read.scope)
        self._judge(read, service, call, need.action, need.arn, (need.conditions,))

    def _judge(
        self,
        read: Read,
        service: Service,
        call: Call,
        action: str,
        arn: str,
        more: Sequence[Conditions],
        *,
        creates: bool = False,
    ) -> None:
        principal = call.principal
        text: str | None = None
        owner: str | None = None
        # A need (iam:PassRole) is about another service's resource, whose policy is not this service's to tell.
        if arn != "*" and not creates and action.partition(":")[0] == service.prefix:
            if service.arn_of is not None:
                arn = service.arn_of(read, arn)
            text = service.policy_of(read, arn)
            owner = service.owner_of(read, arn)
        elif action == "iam:PassRole":
            # https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_use_passrole.html: never across accounts
            parsed = arn_or_none(arn)
            owner = parsed.account if parsed is not None else None
        owner = owner or call.scope.account
        same_account = owner == principal.account
        if principal.kind == "root" and same_account and text is None:
            return
        policies = self._policies_of(read, principal)
        known = self._verdicts_of(principal, policies)
        key = (action, arn, owner, service.name, text)
        if key in known.allowed:
            return
        if service.conditions_of is not None:
            more = (*more, service.conditions_of(read, arn))
        circumstances = Circumstances(
            read, principal, call.scope, call.params, arn, owner, policies, more
        )
        request = Request(
            action=action,
            resource=arn,
            kind=principal.kind,
            arn=principal.arn,
            account=principal.account,
            id=principal.id,
            name=policies.name,
            role_arn=principal.role_arn,
            service=principal.service,
            context=circumstances,
        )
        decision = decide(
            request,
            policies.identity,
            None if text is None else self._compile(text, service.policy_kind),
            boundary=policies.boundary,
            session=policies.session,
            same_account=same_account,
            resource_must_allow=service.resource_must_allow,
        )
        if not decision.allowed:
            raise self._refusal(service, request, refusal_message(request, decision))
        if not circumstances.asked:
            if len(known.allowed) >= VERDICTS_MAX:
                known.allowed.clear()
            known.allowed.add(key)

    def _verdicts_of(self, principal: Principal, policies: PrincipalPolicies) -> Verdicts:
        """What is remembered of this very principal under these very policies."""
        name = (principal.arn, principal.access_key)
        known = self._verdicts.get(name)
        if (
            known is not None
            and known.policies is policies
            and (known.principal is principal or known.principal == principal)
        ):
            return known
        if len(self._verdicts) >= PRINCIPALS_MAX:
            self._verdicts.clear()
        known = self._verdicts[name] = Verdicts(principal, policies)
        return known

    def _policies_of(self, read: Read, principal: Principal) -> PrincipalPolicies:
        if principal.kind in ("root", "service", "anonymous"):
            return NO_POLICIES
        found = self._identities.policies_of(read.snapshot, principal)
        if found is None:
            raise AwsError(
                "The security token included in the request is invalid.",
                code="InvalidClientTokenId",
                status=403,
            )
        return found

    def _compile(self, text: str, kind: PolicyKind) -> Policy | None:
        """The compiled policy; a stored text was checked when it was stored, so a broken one grants nothing."""
        key = (text, kind)
        found = self._compiled.get(key)
        if found is None and key not in self._compiled:
            if len(self._compiled) >= COMPILED_MAX:
                self._compiled.clear()
            try:
                found = parse_policy(text, kind)
            except MalformedPolicy:
                found = None
            self._compiled[key] = found
        return found

    def _refusal(self, service: Service, request: Request, message: str) -> AwsError:
        if request.kind == "anonymous" and not service.has_policies:
            return MissingAuthentication()
        code, status = service.denied
        return AccessDenied(message, code=code, status=status)
