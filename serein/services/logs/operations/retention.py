"""How long events are kept."""

from __future__ import annotations

from msgspec.structs import replace

from serein.kernel.operations import Tx, operation
from serein.services.logs.access import find_group, group_of
from serein.services.logs.model import (
    DeleteRetentionPolicyRequest,
    InvalidParameterException,
    PutRetentionPolicyRequest,
)
from serein.services.logs.records import GROUPS

# https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutRetentionPolicy.html
DAYS = (
    1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653,
)  # fmt: skip


@operation("PutRetentionPolicy", on=group_of)
def put_retention_policy(tx: Tx, request: PutRetentionPolicyRequest) -> None:
    """Keep a group's events for so many days."""
    days = request["retentionInDays"]
    if days not in DAYS:
        raise InvalidParameterException(
            f"1 validation error detected: Value '{days}' at 'retentionInDays' failed to satisfy constraint: "
            f"Member must satisfy enum value set: [{', '.join(map(str, DAYS))}]"
        )
    tx.put(GROUPS, replace(find_group(tx, request["logGroupName"]), retention_days=days))


@operation("DeleteRetentionPolicy", on=group_of)
def delete_retention_policy(tx: Tx, request: DeleteRetentionPolicyRequest) -> None:
    """Keep a group's events for ever."""
    tx.put(GROUPS, replace(find_group(tx, request["logGroupName"]), retention_days=None))
