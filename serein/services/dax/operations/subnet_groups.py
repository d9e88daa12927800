"""Subnet groups. There are no VPCs here: ids of subnets are taken as they are given.

https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_dax_CreateSubnetGroup.html
"""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from serein.kernel.operations import Read, Tx, operation
from serein.services.dax.access import (
    DEFAULT_SUBNET_GROUP,
    describe_subnet_group,
    find_subnet_group,
    note,
    page,
    paged,
)
from serein.services.dax.model import (
    CreateSubnetGroupRequest,
    CreateSubnetGroupResponse,
    DeleteSubnetGroupRequest,
    DeleteSubnetGroupResponse,
    DescribeSubnetGroupsRequest,
    DescribeSubnetGroupsResponse,
    SubnetGroupAlreadyExistsFault,
    SubnetGroupInUseFault,
    SubnetGroupQuotaExceededFault,
    UpdateSubnetGroupRequest,
    UpdateSubnetGroupResponse,
)
from serein.services.dax.records import CLUSTERS, SUBNET_GROUPS, SubnetGroup
from serein.services.dax.rules import checks


@operation("CreateSubnetGroup")
def create_subnet_group(tx: Tx, request: CreateSubnetGroupRequest) -> CreateSubnetGroupResponse:
    """Make a group of subnets."""
    name = checks.check_group_name(request["SubnetGroupName"], "subnet")
    place = (tx.account, tx.region)
    if name == DEFAULT_SUBNET_GROUP or tx.get(SUBNET_GROUPS, *place, name) is not None:
        raise SubnetGroupAlreadyExistsFault(f"Subnet group {name} already exists")
    if tx.count(SUBNET_GROUPS, place) >= checks.SUBNET_GROUPS_MAX:
        raise SubnetGroupQuotaExceededFault(
            f"The number of subnet groups would exceed the quota of {checks.SUBNET_GROUPS_MAX}."
        )
    group = SubnetGroup(
        account=tx.account,
        region=tx.region,
        name=name,
        subnets=checks.check_subnets(request["SubnetIds"]),
        description=request.get("Description"),
    )
    tx.put(SUBNET_GROUPS, group)
    note(tx, name, "SUBNET_GROUP", f"Subnet group {name} created.")
    return {"SubnetGroup": describe_subnet_group(group)}


@operation("UpdateSubnetGroup")
def update_subnet_group(tx: Tx, request: UpdateSubnetGroupRequest) -> UpdateSubnetGroupResponse:
    """Change a group."""
    group = find_subnet_group(tx, request["SubnetGroupName"])
    if "Description" in request:
        group = replace(group, description=request["Description"])
    if request.get("SubnetIds"):
        group = replace(group, subnets=checks.check_subnets(request["SubnetIds"]))
    tx.put(SUBNET_GROUPS, group)
    note(tx, group.name, "SUBNET_GROUP", f"Updated subnet group {group.name}.")
    return {"SubnetGroup": describe_subnet_group(group)}


@operation("DeleteSubnetGroup")
def delete_subnet_group(tx: Tx, request: DeleteSubnetGroupRequest) -> DeleteSubnetGroupResponse:
    """Remove a group that no cluster is in."""
    group = find_subnet_group(tx, request["SubnetGroupName"])
    for cluster in tx.scan(CLUSTERS, (tx.account, tx.region)):
        if cluster.subnet_group == group.name:
            raise SubnetGroupInUseFault(
                f"Subnet group {group.name} is in use by cluster {cluster.name}."
            )
    tx.delete(SUBNET_GROUPS, tx.account, tx.region, group.name)
    note(tx, group.name, "SUBNET_GROUP", f"Subnet group {group.name} deleted.")
    return {"DeletionMessage": f"Subnet group {group.name} has been deleted."}


@operation("DescribeSubnetGroups")
def describe_subnet_groups(
    read: Read, request: DescribeSubnetGroupsRequest
) -> DescribeSubnetGroupsResponse:
    """The groups named, or all; the default one is always there."""
    names = request.get("SubnetGroupNames")
    if names:
        found = [find_subnet_group(read, name) for name in names]
    else:
        kept = list(read.scan(SUBNET_GROUPS, (read.account, read.region)))
        named = {group.name for group in kept}
        default = [] if DEFAULT_SUBNET_GROUP in named else [find_subnet_group(read, "default")]
        found = [*default, *kept]
    listed, token = page("dax.subnet_groups", found, request)
    told: Any = paged("SubnetGroups", [describe_subnet_group(one) for one in listed], token)
    return told  # type: ignore[no-any-return]
