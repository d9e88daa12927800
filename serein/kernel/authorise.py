"""Who may do what, decided at one place for every call: from the wire, from a neighbour, from the courier.

The decision itself is `engines/policy`; here the facts are gathered: the caller's policies (from `Identities`), the
resource's (from its service), the control policies of both accounts' organizations, and the condition keys.
"""

from __future__ import annotations

from typing import Any

import msgspec

from serein.base.arn import arn_or_none
from serein.base.errors import AwsError
from serein.engines.policy import (
    Decision,
    MalformedPolicy,
    Policy,
    PolicyKind,
    PolicySet,
    Request,
    decide,
    explain,
    parse_policy,
    refusal_message,
)
from serein.kernel.calls import Call, Principal
from serein.kernel.conditions import Circumstances, whence
from serein.kernel.identities import Identities, Membership, PrincipalPolicies
from serein.kernel.operations import Conditions, Need, OperationSpec, Read
from serein.kernel.refusals import Needs, Refusal, Refusals
from serein.kernel.services import Registered, Registry, Service

COMPILED_MAX = 4096
VERDICTS_MAX = 4096
PRINCIPALS_MAX = 256
NO_POLICIES = PrincipalPolicies()
CONTROLLED_SERVICES = frozenset(
    {"aoss", "cognito-identity", "cognito-idp", "dynamodb", "ecr", "kms", "logs", "s3", "secretsmanager", "sqs", "sts"}
)  # fmt: skip
"""Whose resources resource control policies bind.
https://docs.aws.amazon.com/organizations/latest/userguide/orgs_manage_policies_rcps.html#rcp-supported-services"""
SERVICE_LINKED = ":role/aws-service-role/"


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
    Where statements asked no more than whence a call comes, that is part of the key (`allowed_from`).
    """

    __slots__ = ("allowed", "allowed_from", "identity", "policies", "principal", "session")

    def __init__(self, principal: Principal, policies: PrincipalPolicies) -> None:
        self.principal = principal
        self.policies = policies
        self.allowed: set[tuple[object, ...]] = set()
        self.allowed_from: set[tuple[object, ...]] = set()
        self.identity = PolicySet(policies.identity)
        self.session = None if policies.session is None else PolicySet(policies.session)


class Controls:
    """An organization's control policies that bind one account, ready to be judged."""

    __slots__ = ("membership", "resource", "service")

    def __init__(self, membership: Membership) -> None:
        self.membership = membership
        self.service = tuple(PolicySet(level) for level in membership.service_controls)
        self.resource = tuple(PolicySet(level) for level in membership.resource_controls)


class Question(msgspec.Struct, frozen=True):
    """One thing asked of the policies: an action on a resource, for a call, with what the service knows of it."""

    service: Service
    call: Call
    action: str
    arn: str
    spec: OperationSpec | None = None
    need: Conditions | None = None
    creates: bool = False


class Authoriser:
    """Judges calls in the handler's own snapshot, so nothing changes between question and act.

    `records`: what would be refused to a principal that IAM knows is recorded and allowed (`--auth record`).
    """

    def __init__(self, identities: Identities, *, records: bool = False) -> None:
        self._identities = identities
        self._records = records
        self._compiled: dict[tuple[str, PolicyKind], Policy] = {}
        self._verdicts: dict[tuple[str, str], Verdicts] = {}
        self._controls: dict[str, Controls] = {}
        self.refusals = Refusals()
        self.needs = Needs()

    def authorise(self, read: Read, found: Registered, call: Call) -> None:
        """Return when `call` may be made. Raises AccessDenied in AWS's words."""
        spec = found.spec
        if spec.unauthorised:
            if call.principal.kind == "anonymous" and not spec.unsigned:
                raise MissingAuthentication
        else:
            action = found.action if not callable(spec.action) else spec.action(call)
            arns = "*" if spec.on is None else spec.on(call)
            if isinstance(arns, str):
                self._judge(read, found.service, call, action, arns, spec, None, spec.creates)
            else:
                for arn in arns:
                    self._judge(read, found.service, call, action, arn, spec, None, False)
        for needs in spec.needs:
            for need in needs(call):
                self._judge(
                    read, found.service, call, need.action, need.arn, None, need.conditions, False
                )

    def ask(self, read: Read, need: Need, registry: Registry) -> None:
        """A further question about the caller of `read`. Raises AccessDenied."""
        prefix = need.action.partition(":")[0]
        service = next((s for s in registry.services.values() if s.prefix == prefix), None)
        if service is None:
            service = Service(name=prefix, operations=())
        call = Call(service.name, need.action, {}, read.principal, read.scope)
        self._judge(read, service, call, need.action, need.arn, None, need.conditions, False)

    def _judge(
        self,
        read: Read,
        service: Service,
        call: Call,
        action: str,
        arn: str,
        spec: OperationSpec | None,
        need: Conditions | None,
        creates: bool,
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
        kind = principal.kind
        key: tuple[object, ...]
        if kind == "user" or kind == "role" or kind == "federated":
            policies = self._policies_of(read, principal)
            known = self._verdicts_of(principal, policies)
            key = (action, arn, owner, service.name, text)
        else:
            # These have no policies whose change would tell of new control policies.
            bound = self._identities.membership_or_none(read.snapshot, owner)
            if bound is None and kind == "root" and same_account and text is None:
                return
            own = self._identities.membership_or_none(read.snapshot, principal.account)
            known = self._verdicts_of(principal, NO_POLICIES)
            key = (action, arn, owner, service.name, text, bound, own)
        if key in known.allowed:
            return
        if known.allowed_from and (*key, *whence(call.scope)) in known.allowed_from:
            return
        question = Question(service, call, action, arn, spec, need, creates)
        circumstances = self._decide(read, question, known, owner, text)
        if circumstances is None or circumstances.asked:
            return
        remembered = known.allowed
        if circumstances.asked_whence:
            remembered = known.allowed_from
            key = (*key, *whence(call.scope))
        if len(remembered) >= VERDICTS_MAX:
            remembered.clear()
        remembered.add(key)

    def _decide(
        self, read: Read, question: Question, known: Verdicts, owner: str, text: str | None
    ) -> Circumstances | None:
        """Judge a question that is not remembered: what statements asked of it, None where the answer is not to be.

        Raises AccessDenied.
        """
        service, call = question.service, question.call
        principal, policies = call.principal, known.policies
        circumstances = Circumstances(
            read,
            call,
            question.arn,
            owner,
            policies,
            lambda account: self._identities.membership_or_none(read.snapshot, account),
            conditions_of=question.spec.conditions if question.spec is not None else None,
            need=question.need,
            of_resource=service.conditions_of,
            keys_of=service.keys_of,
        )
        request = Request(
            action=question.action,
            resource=question.arn,
            kind=principal.kind,
            arn=principal.arn,
            account=principal.account,
            id=principal.id,
            name=policies.name,
            role_arn=principal.role_arn,
            service=principal.service,
            context=circumstances,
        )
        caller = self._controls_of(read, principal.account)
        resource = caller if owner == principal.account else self._controls_of(read, owner)
        bearing: dict[str, Any] = {
            "identity": known.identity,
            "resource": None if text is None else self._compile(text, service.policy_kind),
            "boundary": policies.boundary,
            "session": known.session,
            "same_account": owner == principal.account,
            "resource_must_allow": service.resource_must_allow,
        }
        if SERVICE_LINKED not in principal.role_arn:
            if caller is not None and principal.kind != "service":
                bearing["scps"] = caller.service
            if resource is not None and question.action.partition(":")[0] in CONTROLLED_SERVICES:
                bearing["rcps"] = resource.resource
        decision = decide(request, **bearing)
        is_person = self._note(principal, question, decision)
        if decision.allowed:
            return circumstances
        near = bearing["same_account"] or _same_organization(caller, resource)
        message = refusal_message(request, decision, near=near)
        only_recorded = self._records and is_person
        self._refused(read, question, request, decision, bearing, owner, message, only_recorded)
        if only_recorded:
            return None
        if request.kind == "anonymous" and not service.has_policies:
            raise MissingAuthentication
        code, status = service.denied
        raise AccessDenied(message, code=code, status=status)

    def _note(self, principal: Principal, question: Question, decision: Decision) -> bool:
        """Remember what a user or role needed; whether the caller is one."""
        if principal.kind not in ("user", "role"):
            return False
        passed_to = (question.need or {}).get("iam:passedtoservice", ("",))[0]
        self.needs.note(
            principal.role_arn or principal.arn,
            question.action,
            question.arn,
            service=passed_to,
            refused=not decision.allowed,
        )
        return True

    def _refused(
        self,
        read: Read,
        question: Question,
        request: Request,
        decision: Decision,
        bearing: dict[str, Any],
        owner: str,
        message: str,
        only_recorded: bool,
    ) -> None:
        """Remember a refusal with its reasons, for `serein why`."""
        call = question.call
        self.refusals.add(
            Refusal(
                at=read.now,
                request_id=call.scope.request_id,
                service=call.service,
                operation=call.operation,
                account=request.account,
                owner=owner,
                principal_id=request.id,
                message=message,
                explanation=explain(request, decision, **bearing),
                recorded=only_recorded,
            )
        )

    def _controls_of(self, read: Read, account: str) -> Controls | None:
        """The control policies that bind an account, compiled once for as long as its membership is the same object."""
        membership = self._identities.membership_or_none(read.snapshot, account)
        if membership is None:
            return None
        kept = self._controls.get(account)
        if kept is not None and kept.membership is membership:
            return kept
        if len(self._controls) >= COMPILED_MAX:
            self._controls.clear()
        made = self._controls[account] = Controls(membership)
        return made

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
        found = self._identities.policies_of(read.snapshot, principal)
        if found is None:
            raise AwsError(
                "The security token included in the request is invalid.",
                code="InvalidClientTokenId",
                status=403,
            )
        return found

    def _compile(self, text: str, kind: PolicyKind) -> Policy:
        """The compiled policy; a stored text was checked when it was stored, so a broken one grants nothing."""
        key = (text, kind)
        found = self._compiled.get(key)
        if found is None:
            if len(self._compiled) >= COMPILED_MAX:
                self._compiled.clear()
            try:
                found = parse_policy(text, kind)
            except MalformedPolicy:
                found = Policy(kind, "", ())
            self._compiled[key] = found
        return found


def _same_organization(one: Controls | None, other: Controls | None) -> bool:
    return (
        one is not None
        and other is not None
        and one.membership.organization == other.membership.organization
    )
