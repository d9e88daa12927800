"""Parameter groups: how long clusters keep what they cached.

https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_dax_CreateParameterGroup.html
"""

from __future__ import annotations

from typing import Any

from serein.kernel.operations import Read, Tx, operation
from serein.services.dax.access import (
    BELL,
    find_parameter_group,
    note,
    page,
    paged,
)
from serein.services.dax.model import (
    CreateParameterGroupRequest,
    CreateParameterGroupResponse,
    DeleteParameterGroupRequest,
    DeleteParameterGroupResponse,
    DescribeDefaultParametersRequest,
    DescribeDefaultParametersResponse,
    DescribeParameterGroupsRequest,
    DescribeParameterGroupsResponse,
    DescribeParametersRequest,
    DescribeParametersResponse,
    InvalidParameterGroupStateFault,
    InvalidParameterValueException,
    ParameterGroupAlreadyExistsFault,
    ParameterGroupQuotaExceededFault,
    UpdateParameterGroupRequest,
    UpdateParameterGroupResponse,
)
from serein.services.dax.records import CLUSTERS, PARAMETER_GROUPS, ParameterGroup
from serein.services.dax.rules import checks
from serein.services.dax.rules.parameters import DEFAULT_GROUP, changed, described


def _told(group: ParameterGroup) -> Any:
    told: dict[str, Any] = {"ParameterGroupName": group.name}
    if group.description is not None:
        told["Description"] = group.description
    return told


@operation("CreateParameterGroup")
def create_parameter_group(
    tx: Tx, request: CreateParameterGroupRequest
) -> CreateParameterGroupResponse:
    """Make a group with the default parameters."""
    name = checks.check_group_name(request["ParameterGroupName"], "parameter")
    place = (tx.account, tx.region)
    if name == DEFAULT_GROUP or tx.get(PARAMETER_GROUPS, *place, name) is not None:
        raise ParameterGroupAlreadyExistsFault(f"Parameter group {name} already exists")
    if tx.count(PARAMETER_GROUPS, place) >= checks.PARAMETER_GROUPS_MAX:
        raise ParameterGroupQuotaExceededFault(
            f"The number of parameter groups would exceed the quota of {checks.PARAMETER_GROUPS_MAX}."
        )
    group = ParameterGroup(
        account=tx.account, region=tx.region, name=name, description=request.get("Description")
    )
    tx.put(PARAMETER_GROUPS, group)
    note(tx, name, "PARAMETER_GROUP", f"Parameter group {name} created.")
    return {"ParameterGroup": _told(group)}


@operation("UpdateParameterGroup")
def update_parameter_group(
    tx: Tx, request: UpdateParameterGroupRequest
) -> UpdateParameterGroupResponse:
    """Change parameters; clusters of the group go by them at once."""
    group = find_parameter_group(tx, request["ParameterGroupName"])
    wanted = request["ParameterNameValues"]
    if group.name == DEFAULT_GROUP:
        raise InvalidParameterValueException(
            f"The parameter group {group.name} cannot be modified."
        )
    if not 1 <= len(wanted) <= checks.PARAMETERS_MAX:
        raise InvalidParameterValueException(
            f"From 1 to {checks.PARAMETERS_MAX} parameters can be modified in a request."
        )
    group = changed(group, wanted)
    tx.put(PARAMETER_GROUPS, group)
    note(tx, group.name, "PARAMETER_GROUP", f"Updated parameter group {group.name}.")
    tx.ring(BELL)
    return {"ParameterGroup": _told(group)}


@operation("DeleteParameterGroup")
def delete_parameter_group(
    tx: Tx, request: DeleteParameterGroupRequest
) -> DeleteParameterGroupResponse:
    """Remove a group that no cluster uses."""
    group = find_parameter_group(tx, request["ParameterGroupName"])
    if group.name == DEFAULT_GROUP:
        raise InvalidParameterValueException(f"The parameter group {group.name} cannot be deleted.")
    for cluster in tx.scan(CLUSTERS, (tx.account, tx.region)):
        if cluster.parameter_group == group.name:
            raise InvalidParameterGroupStateFault(
                f"Parameter group {group.name} is in use by cluster {cluster.name}."
            )
    tx.delete(PARAMETER_GROUPS, tx.account, tx.region, group.name)
    note(tx, group.name, "PARAMETER_GROUP", f"Parameter group {group.name} deleted.")
    return {"DeletionMessage": f"Parameter group {group.name} has been deleted."}


@operation("DescribeParameterGroups")
def describe_parameter_groups(
    read: Read, request: DescribeParameterGroupsRequest
) -> DescribeParameterGroupsResponse:
    """The groups named, or all; the default one is always there."""
    names = request.get("ParameterGroupNames")
    if names:
        found = [find_parameter_group(read, name) for name in names]
    else:
        kept = list(read.scan(PARAMETER_GROUPS, (read.account, read.region)))
        found = [find_parameter_group(read, DEFAULT_GROUP), *kept]
    listed, token = page("dax.parameter_groups", found, request)
    told: Any = paged("ParameterGroups", [_told(one) for one in listed], token)
    return told  # type: ignore[no-any-return]


@operation("DescribeParameters")
def describe_parameters(
    read: Read, request: DescribeParametersRequest
) -> DescribeParametersResponse:
    """The parameters of a group."""
    group = find_parameter_group(read, request["ParameterGroupName"])
    source = request.get("Source")
    found = [one for one in described(group) if source in (None, "", one["Source"])]
    listed, token = page("dax.parameters", found, request)
    told: Any = paged("Parameters", listed, token)
    return told  # type: ignore[no-any-return]


@operation("DescribeDefaultParameters")
def describe_default_parameters(
    read: Read, request: DescribeDefaultParametersRequest
) -> DescribeDefaultParametersResponse:
    """The parameters that a new group has."""
    listed, token = page("dax.default_parameters", described(None), request)
    told: Any = paged("Parameters", listed, token)
    return told  # type: ignore[no-any-return]
