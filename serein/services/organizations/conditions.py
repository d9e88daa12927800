"""The condition keys of Organizations' requests.

https://docs.aws.amazon.com/service-authorization/latest/reference/list_awsorganizations.html
"""

from __future__ import annotations

from collections.abc import Iterable

from serein.contracts.organization import place_or_none
from serein.kernel.calls import Call
from serein.kernel.operations import Conditions, Need, Read
from serein.services.organizations.records import POLICIES
from serein.services.organizations.rules.policies import AWS_POLICIES

_LINKED_ROLE = "role/aws-service-role/organizations.amazonaws.com/AWSServiceRoleForOrganizations"


def keys_of(read: Read, call: Call, arn: str) -> Conditions:
    """The kind of policy and the service that a request is about."""
    found: dict[str, tuple[str]] = {}
    kind = _kind_of_policy(read, call)
    if kind:
        found["organizations:policytype"] = (kind,)
    service = call.params.get("ServicePrincipal")
    if service:
        found["organizations:serviceprincipal"] = (str(service),)
    return found


def _kind_of_policy(read: Read, call: Call) -> str | None:
    params = call.params
    for member in ("PolicyType", "Type", "Filter"):
        if params.get(member):
            return str(params[member])
    id = str(params.get("PolicyId") or params.get("ResourceId") or "")
    if id in AWS_POLICIES:
        return AWS_POLICIES[id].kind
    place = place_or_none(read.snapshot, read.account) if id.startswith("p-") else None
    policy = read.get(POLICIES, place.organization, id) if place is not None else None
    return policy.kind if policy is not None else None


def linked_role(call: Call) -> Iterable[Need]:
    """Joining or making an organization makes its role in the account.

    https://docs.aws.amazon.com/organizations/latest/userguide/orgs_integrate_services.html#orgs_integrate_services-using_slrs
    """
    arn = f"arn:aws:iam::{call.scope.account}:{_LINKED_ROLE}"
    service = ("organizations.amazonaws.com",)
    yield Need("iam:CreateServiceLinkedRole", arn, {"iam:awsservicename": service})
