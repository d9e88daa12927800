"""Log groups.

https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_CreateLogGroup.html
"""

from __future__ import annotations

from collections.abc import Iterator

from msgspec.structs import replace

from serein.kernel.operations import Read, Tx, operation
from serein.kernel.pages import InvalidPageToken, decode_token, encode_token, take_page
from serein.services.logs.access import (
    find_group,
    find_named_group,
    group_arn,
    group_name_in,
    group_of,
)
from serein.services.logs.model import (
    CreateLogGroupRequest,
    DeleteLogGroupRequest,
    DescribeLogGroupsRequest,
    DescribeLogGroupsResponse,
    InvalidParameterException,
    PutLogGroupDeletionProtectionRequest,
    ResourceAlreadyExistsException,
    ValidationException,
)
from serein.services.logs.model import LogGroup as LogGroupAnswer
from serein.services.logs.records import GROUPS, PURGE_BELL, PURGES, LogGroup, Purge
from serein.services.logs.rules.tokens import invalid_token

PAGE_MAX = 50


@operation("CreateLogGroup", on=group_of, ignores=("kmsKeyId",))
def create_log_group(tx: Tx, request: CreateLogGroupRequest) -> None:
    """Make a log group."""
    name = request["logGroupName"]
    if name.startswith("aws/"):
        raise InvalidParameterException("Log groups starting with AWS/ are reserved for AWS.")
    if tx.get(GROUPS, tx.account, tx.region, name) is not None:
        raise ResourceAlreadyExistsException("The specified log group already exists")
    group = LogGroup(
        account=tx.account,
        region=tx.region,
        name=name,
        id=tx.new_id(),
        created_at_ms=int(tx.now * 1000),
        group_class=request.get("logGroupClass", "STANDARD"),
        kms_key_id=request.get("kmsKeyId"),
        protected=request.get("deletionProtectionEnabled", False),
    )
    tx.put(GROUPS, group)
    if tags := request.get("tags"):
        tx.tag(group_arn(group), tags)


@operation("DeleteLogGroup", on=group_of)
def delete_log_group(tx: Tx, request: DeleteLogGroupRequest) -> None:
    """Remove a group at once; its streams and events go bit by bit behind it."""
    group = find_group(tx, request["logGroupName"])
    if group.protected:
        raise ValidationException(
            f"Log group {group.name} has deletion protection enabled. Disable it before deleting."
        )
    tx.delete(GROUPS, group.account, group.region, group.name)
    tx.untag(group_arn(group))
    tx.put(PURGES, Purge(kind="group", id=group.id))
    tx.ring(PURGE_BELL)


@operation("PutLogGroupDeletionProtection", on=group_of)
def put_log_group_deletion_protection(
    tx: Tx, request: PutLogGroupDeletionProtectionRequest
) -> None:
    """Protect a group from being deleted, or no longer."""
    group = find_named_group(tx, request)
    tx.put(GROUPS, replace(group, protected=request["deletionProtectionEnabled"]))


@operation(
    "DescribeLogGroups", on=group_of, ignores=("accountIdentifiers", "includeLinkedAccounts")
)
def describe_log_groups(read: Read, request: DescribeLogGroupsRequest) -> DescribeLogGroupsResponse:
    """The account's groups in this region by name, a page at a time."""
    prefix, pattern = request.get("logGroupNamePrefix"), request.get("logGroupNamePattern")
    if prefix and pattern:
        raise InvalidParameterException(
            "LogGroup name prefix and LogGroup name pattern are mutually exclusive parameters."
        )
    listing = f"logs:DescribeLogGroups:{prefix or ''}:{pattern or ''}"
    after = ""
    if token := request.get("nextToken"):
        try:
            after = str(decode_token(listing, token)[0])
        except InvalidPageToken:
            raise invalid_token() from None
    page, next_token = take_page(
        _chosen(read, request, after),
        request.get("limit", PAGE_MAX),
        lambda group: encode_token(listing, group.name),
    )
    answer: DescribeLogGroupsResponse = {"logGroups": [describe(group) for group in page]}
    if next_token:
        answer["nextToken"] = next_token
    return answer


def _chosen(read: Read, request: DescribeLogGroupsRequest, after: str) -> Iterator[LogGroup]:
    prefix = request.get("logGroupNamePrefix", "")
    pattern = request.get("logGroupNamePattern", "")
    wanted = request.get("logGroupClass")
    named = {group_name_in(one) for one in request.get("logGroupIdentifiers", ())}
    begin = max(after, prefix)
    groups = read.scan(
        GROUPS,
        (read.account, read.region),
        start=(begin,) if begin else (),
        start_after=bool(after) and begin == after,
    )
    for group in groups:
        if not group.name.startswith(prefix):
            return
        if (
            pattern in group.name
            and (wanted is None or group.group_class == wanted)
            and (not named or group.name in named)
        ):
            yield group


def describe(group: LogGroup) -> LogGroupAnswer:
    """A group as DescribeLogGroups shows it."""
    arn = group_arn(group)
    answer: LogGroupAnswer = {
        "logGroupName": group.name,
        "creationTime": group.created_at_ms,
        "metricFilterCount": 0,
        "arn": f"{arn}:*",
        "storedBytes": group.stored_bytes,
        "logGroupClass": group.group_class,
        "logGroupArn": arn,
        "deletionProtectionEnabled": group.protected,
    }
    if group.retention_days is not None:
        answer["retentionInDays"] = group.retention_days
    if group.kms_key_id is not None:
        answer["kmsKeyId"] = group.kms_key_id
    return answer
