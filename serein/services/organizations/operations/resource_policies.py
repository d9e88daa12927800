"""The organization's own resource policy: checked, kept and told. What it would delegate is not granted here.

https://docs.aws.amazon.com/organizations/latest/userguide/orgs-policy-delegate.html
"""

from __future__ import annotations

from serein.engines.policy import MalformedPolicy, parse_policy
from serein.kernel.operations import Read, Tx, operation
from serein.services.organizations.access import (
    Answer,
    Request,
    managed_organization,
    readable_organization,
)
from serein.services.organizations.model import ResourcePolicyNotFoundException
from serein.services.organizations.records import (
    RESOURCE_POLICIES,
    Organization,
    ResourcePolicy,
)
from serein.services.organizations.rules.errors import invalid_input
from serein.services.organizations.rules.ids import resource_policy_id
from serein.services.organizations.rules.tags import tags_of_request


def _show(organization: Organization, policy: ResourcePolicy) -> Answer:
    arn = organization.arn_of("resourcepolicy", policy.id)
    summary = {"Id": policy.id, "Arn": arn}
    return {"ResourcePolicy": {"ResourcePolicySummary": summary, "Content": policy.content}}


def _find(read: Read, organization: Organization) -> ResourcePolicy:
    found = read.get(RESOURCE_POLICIES, organization.id)
    if found is None:
        raise ResourcePolicyNotFoundException(
            "We can't find a resource policy request with the parameter that you specified."
        )
    return found


@operation("PutResourcePolicy")
def put_resource_policy(tx: Tx, request: Request) -> Answer:
    """Set the organization's resource policy."""
    organization = managed_organization(tx)
    tags = tags_of_request(request)
    try:
        parse_policy(request["Content"], "resource")
    except MalformedPolicy as error:
        raise invalid_input(
            "INVALID_RESOURCE_POLICY_JSON", "The provided resource policy document is invalid."
        ) from error
    kept = tx.get(RESOURCE_POLICIES, organization.id)
    policy = ResourcePolicy(
        organization=organization.id,
        id=kept.id if kept is not None else resource_policy_id(tx.randomness),
        content=request["Content"],
    )
    tx.put(RESOURCE_POLICIES, policy)
    tx.tag(organization.arn_of("resourcepolicy", policy.id), tags)
    return _show(organization, policy)


@operation("DescribeResourcePolicy")
def describe_resource_policy(read: Read, request: Request) -> Answer:
    """The organization's resource policy."""
    organization = readable_organization(read)
    return _show(organization, _find(read, organization))


@operation("DeleteResourcePolicy")
def delete_resource_policy(tx: Tx, request: Request) -> Answer:
    """Remove it."""
    organization = managed_organization(tx)
    policy = _find(tx, organization)
    tx.untag(organization.arn_of("resourcepolicy", policy.id))
    tx.delete(RESOURCE_POLICIES, organization.id)
    return {}
