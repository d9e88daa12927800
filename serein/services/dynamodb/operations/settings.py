"""Settings of tables: time to live, tags, continuous backups, resource policies."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec.structs import replace

from serein.engines.expressions.errors import ValidationException
from serein.kernel.operations import Read, Tx, operation
from serein.kernel.tags import to_list
from serein.services.dynamodb.access import (
    find_described_table,
    find_table_by_arn,
    resource_of,
    table_of,
    table_or_none,
)
from serein.services.dynamodb.model import (
    DescribeContinuousBackupsInput,
    DescribeTimeToLiveInput,
    ListTagsOfResourceInput,
    TableNotFoundException,
    TagResourceInput,
    UntagResourceInput,
    UpdateContinuousBackupsInput,
    UpdateTimeToLiveInput,
)
from serein.services.dynamodb.operations.tables import drop_expiries
from serein.services.dynamodb.records import TABLES, TableRecord
from serein.services.dynamodb.rules.expiry import EXPIRY_BELL
from serein.services.dynamodb.rules.journal import earliest
from serein.services.dynamodb.rules.nulls import refuse_null_members
from serein.services.dynamodb.rules.replication import replicas
from serein.services.dynamodb.rules.tags import check_tags

Request = Mapping[str, Any]
Answer = dict[str, Any]

RECOVERY_DAYS_DEFAULT = 35


@operation("UpdateTimeToLive", on=table_of)
def update_time_to_live(tx: Tx, request: UpdateTimeToLiveInput) -> Answer:
    """Have items removed after the time in one of their attributes, or no more.

    https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/TTL.html
    """
    table = find_described_table(tx, request["TableName"])
    wanted = request["TimeToLiveSpecification"]
    name = wanted["AttributeName"]
    if wanted["Enabled"]:
        if table.ttl_attribute:
            raise ValidationException("TimeToLive is already enabled")
        if not name:
            raise ValidationException("TimeToLiveSpecification AttributeName must not be empty")
        # A global table has one setting in all of its regions.
        for one in (table, *replicas(tx, table)):
            id = tx.new_id()
            tx.put(
                TABLES,
                replace(one, ttl_attribute=name, ttl_id=id, ttl_ready=False, ttl_changed_at=tx.now),
            )
        tx.ring(EXPIRY_BELL)
    else:
        if not table.ttl_attribute:
            raise ValidationException("TimeToLive is already disabled")
        if table.ttl_attribute != name:
            raise ValidationException(
                f"TimeToLive is active on a different AttributeName: current AttributeName is "
                f"{table.ttl_attribute}"
            )
        for one in (table, *replicas(tx, table)):
            tx.put(TABLES, replace(one, ttl_attribute="", ttl_id="", ttl_changed_at=tx.now))
            drop_expiries(tx, one)
    return {"TimeToLiveSpecification": wanted}


@operation("DescribeTimeToLive", on=table_of)
def describe_time_to_live(read: Read, request: DescribeTimeToLiveInput) -> Answer:
    """Whether items expire, and by which attribute."""
    table = find_described_table(read, request["TableName"])
    if not table.ttl_attribute:
        return {"TimeToLiveDescription": {"TimeToLiveStatus": "DISABLED"}}
    return {
        "TimeToLiveDescription": {
            "TimeToLiveStatus": "ENABLED",
            "AttributeName": table.ttl_attribute,
        }
    }


@operation("TagResource", on=resource_of)
def tag_resource(tx: Tx, request: TagResourceInput) -> None:
    """Add or replace tags of a table."""
    table = find_table_by_arn(tx, request["ResourceArn"])
    refuse_null_members(request["Tags"], "tags")
    check_tags(tx.tags_of(table.arn), request["Tags"])
    tx.tag(table.arn, {tag["Key"]: tag["Value"] for tag in request["Tags"]})


@operation("UntagResource", on=resource_of)
def untag_resource(tx: Tx, request: UntagResourceInput) -> None:
    """Remove tags of a table."""
    table = find_table_by_arn(tx, request["ResourceArn"])
    refuse_null_members(request["TagKeys"], "tagKeys")
    tx.untag(table.arn, request["TagKeys"])


@operation("ListTagsOfResource", on=resource_of)
def list_tags_of_resource(read: Read, request: ListTagsOfResourceInput) -> Answer:
    """The tags of a table: at most 50, so always one page."""
    table = find_table_by_arn(read, request["ResourceArn"])
    return {"Tags": to_list(read.tags_of(table.arn))}


@operation("DescribeContinuousBackups", on=table_of)
def describe_continuous_backups(read: Read, request: DescribeContinuousBackupsInput) -> Answer:
    """Whether the table can be restored to a point in time, and to which. Serein's latest is now (AWS's: five minutes ago)."""
    return _backups(read, _table_of_backups(read, request))


@operation("UpdateContinuousBackups", on=table_of)
def update_continuous_backups(tx: Tx, request: UpdateContinuousBackupsInput) -> Answer:
    """Switch point-in-time recovery on or off."""
    table = _table_of_backups(tx, request)
    wanted = request["PointInTimeRecoverySpecification"]
    if wanted["PointInTimeRecoveryEnabled"]:
        since = table.recovery_since if table.recovery_since is not None else tx.now
        days = wanted.get("RecoveryPeriodInDays", RECOVERY_DAYS_DEFAULT)
        table = replace(table, recovery_since=since, recovery_days=days)
    else:
        table = replace(table, recovery_since=None, recovery_days=RECOVERY_DAYS_DEFAULT)
    tx.put(TABLES, table)
    return _backups(tx, table)


def _table_of_backups(read: Read, request: Request) -> TableRecord:
    name = request["TableName"]
    table = table_or_none(read, name)
    if table is None:
        raise TableNotFoundException(f"Table not found: {name}")
    return table


def _backups(read: Read, table: TableRecord) -> Answer:
    recovery: Answer = {"PointInTimeRecoveryStatus": "DISABLED"}
    if table.recovery_since is not None:
        recovery = {
            "PointInTimeRecoveryStatus": "ENABLED",
            "RecoveryPeriodInDays": table.recovery_days,
            "EarliestRestorableDateTime": earliest(table, read.now),
            "LatestRestorableDateTime": read.now,
        }
    return {
        "ContinuousBackupsDescription": {
            "ContinuousBackupsStatus": "ENABLED",
            "PointInTimeRecoveryDescription": recovery,
        }
    }
