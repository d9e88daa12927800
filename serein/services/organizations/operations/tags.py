"""Tags of accounts, units, the root and policies.

https://docs.aws.amazon.com/organizations/latest/APIReference/API_TagResource.html
"""

from __future__ import annotations

from serein.kernel.operations import Read, Tx, operation
from serein.kernel.tags import to_list
from serein.services.organizations.access import (
    Answer,
    Request,
    check_target,
    find_policy,
    managed_organization,
    on_tagged,
    page,
    readable_organization,
)
from serein.services.organizations.model import TargetNotFoundException
from serein.services.organizations.records import RESOURCE_POLICIES, Organization
from serein.services.organizations.rules.policies import arn_of, check_own
from serein.services.organizations.rules.tags import check_tag_count, tags_of_request


def _arn(read: Read, organization: Organization, id: str) -> str:
    """The ARN of what is tagged. Raises TargetNotFound, PolicyNotFound."""
    if id.startswith("p-"):
        policy = find_policy(read, organization, id)
        check_own(policy)
        return arn_of(policy, organization.management_account)
    if id.startswith("rp-"):
        policy_of = read.get(RESOURCE_POLICIES, organization.id)
        if policy_of is None or policy_of.id != id:
            raise TargetNotFoundException("You specified a target that doesn't exist.")
        return organization.arn_of("resourcepolicy", id)
    check_target(read, organization, id)
    kind = "root" if id.startswith("r-") else "ou" if id.startswith("ou-") else "account"
    return organization.arn_of(kind, id)


@operation("TagResource", on=on_tagged)
def tag_resource(tx: Tx, request: Request) -> Answer:
    """Add or replace tags."""
    organization = managed_organization(tx)
    arn = _arn(tx, organization, request["ResourceId"])
    tags = tags_of_request(request)
    check_tag_count(len(tx.tags_of(arn).keys() | tags.keys()))
    tx.tag(arn, tags)
    return {}


@operation("UntagResource", on=on_tagged)
def untag_resource(tx: Tx, request: Request) -> Answer:
    """Remove tags."""
    organization = managed_organization(tx)
    tx.untag(_arn(tx, organization, request["ResourceId"]), request["TagKeys"])
    return {}


@operation("ListTagsForResource", on=on_tagged)
def list_tags_for_resource(read: Read, request: Request) -> Answer:
    """A resource's tags."""
    organization = readable_organization(read)
    tags = to_list(read.tags_of(_arn(read, organization, request["ResourceId"])))
    return page("tags", "Tags", tags, request, lambda tag: tag, lambda tag: tag["Key"])
