"""What the API refuses, beyond what its model tells.

https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_dax_CreateCluster.html
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/ServiceQuotas.html#limits-dax
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from serein.services.dax.model import (
    InvalidARNFault,
    InvalidParameterValueException,
    InvalidSubnet,
    SubnetQuotaExceededFault,
)
from serein.services.dax.rules.node_types import MEMORY_GIB

NODES_OF_CLUSTER_MAX = 10
NODES_OF_ACCOUNT_MAX = 50
PARAMETER_GROUPS_MAX = 20
SUBNET_GROUPS_MAX = 50
SUBNETS_MAX = 20
TAGS_MAX = 50
PARAMETERS_MAX = 20
TTL_MS_MAX = 2**63 - 1

_NAME = re.compile(r"[A-Za-z](?:-?[A-Za-z0-9])*", re.ASCII)
_GROUP = re.compile(r"[A-Za-z0-9][A-Za-z0-9.-]{0,254}", re.ASCII)
_SUBNET = re.compile(r"subnet-[0-9A-Za-z-]{1,64}", re.ASCII)
_WINDOW = re.compile(
    r"(?:sun|mon|tue|wed|thu|fri|sat):(?:[01][0-9]|2[0-3]):[0-5][0-9]"
    r"-(?:sun|mon|tue|wed|thu|fri|sat):(?:[01][0-9]|2[0-3]):[0-5][0-9]"
)
_ROLE = re.compile(r"arn:aws[a-z-]*:iam::\d{12}:role/.+", re.ASCII)
_CLUSTER_ARN = re.compile(r"arn:aws[a-z-]*:dax:[a-z0-9-]+:\d{12}:cache/([^/]+)", re.ASCII)


def check_cluster_name(name: str) -> str:
    """The name as it is kept, in lower case. Raises InvalidParameterValueException."""
    if len(name) > 20 or _NAME.fullmatch(name) is None:
        raise InvalidParameterValueException(
            "Cluster ID specified is not a valid identifier. Identifiers must begin with a letter; must contain only ASCII "
            "letters, digits, and hyphens; and must not end with a hyphen or contain two consecutive hyphens."
        )
    return name.lower()


def check_group_name(name: str, kind: str) -> str:
    """A group's name in lower case. Raises InvalidParameterValueException."""
    if _GROUP.fullmatch(name) is None:
        raise InvalidParameterValueException(f"Invalid {kind} group name: {name}")
    return name.lower()


def check_node_type(name: str) -> None:
    """Raises InvalidParameterValueException for what is no node type."""
    if name not in MEMORY_GIB:
        raise InvalidParameterValueException(f"Invalid node type: {name}")


def check_window(window: str) -> str:
    """A maintenance window. Raises InvalidParameterValueException."""
    if _WINDOW.fullmatch(window.lower()) is None:
        raise InvalidParameterValueException(f"Invalid preferred maintenance window: {window}")
    return window.lower()


def check_role(arn: str) -> None:
    """Raises InvalidParameterValueException for what is no role's ARN."""
    if _ROLE.fullmatch(arn) is None:
        raise InvalidParameterValueException(f"Invalid IAM role ARN: {arn}")


def check_zones(request: Mapping[str, Any], count: int) -> Sequence[str]:
    """The zones of `count` new nodes, () where the request leaves it open. Raises InvalidParameterValueException."""
    zones: Sequence[str] = request.get("AvailabilityZones") or ()
    if zones and len(zones) != count:
        raise InvalidParameterValueException(
            "The number of Availability Zones must be equal to the number of nodes that are added."
        )
    return zones


def check_factor(factor: int) -> None:
    """Raises InvalidParameterValueException for what is no number of nodes."""
    if factor < 1:
        raise InvalidParameterValueException("Replication factor must be at least 1.")


def check_subnets(subnets: Sequence[str]) -> tuple[str, ...]:
    """The subnets of a group: ids as given, since there are no VPCs to look them up in.

    Raises InvalidSubnet, SubnetQuotaExceededFault.
    """
    if not subnets:
        raise InvalidSubnet("At least one subnet is required.")
    if len(set(subnets)) > SUBNETS_MAX:
        raise SubnetQuotaExceededFault(f"A subnet group can have at most {SUBNETS_MAX} subnets.")
    for subnet in subnets:
        if _SUBNET.fullmatch(subnet) is None:
            raise InvalidSubnet(f"The subnet ID '{subnet}' does not exist")
    return tuple(dict.fromkeys(subnets))


def cluster_named_by(arn: str) -> str:
    """The name of the cluster that an ARN is of. Raises InvalidARNFault."""
    found = _CLUSTER_ARN.fullmatch(arn)
    if found is None:
        raise InvalidARNFault(f"The Amazon Resource Name (ARN) '{arn}' is not valid.")
    return found[1]
