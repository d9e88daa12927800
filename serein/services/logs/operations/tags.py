"""Tags of groups: by ARN, and in the older form by name."""

from __future__ import annotations

from serein.base.arn import arn_or_none
from serein.kernel.operations import Read, Tx, operation
from serein.services.logs.access import (
    find_group,
    group_arn,
    group_name_in,
    group_of,
    group_or_none,
    resource_of,
)
from serein.services.logs.model import (
    InvalidParameterException,
    ListTagsForResourceRequest,
    ListTagsForResourceResponse,
    ListTagsLogGroupRequest,
    ListTagsLogGroupResponse,
    ResourceNotFoundException,
    TagLogGroupRequest,
    TagResourceRequest,
    TooManyTagsException,
    UntagLogGroupRequest,
    UntagResourceRequest,
)

TAGS_MAX = 50


@operation("TagResource", on=resource_of)
def tag_resource(tx: Tx, request: TagResourceRequest) -> None:
    """Add or replace tags."""
    _tag(tx, _arn_of(tx, request["resourceArn"]), request["tags"])


@operation("UntagResource", on=resource_of)
def untag_resource(tx: Tx, request: UntagResourceRequest) -> None:
    """Remove tags by key."""
    tx.untag(_arn_of(tx, request["resourceArn"]), request["tagKeys"])


@operation("ListTagsForResource", on=resource_of)
def list_tags_for_resource(
    read: Read, request: ListTagsForResourceRequest
) -> ListTagsForResourceResponse:
    """The tags of a group."""
    return {"tags": read.tags_of(_arn_of(read, request["resourceArn"]))}


@operation("TagLogGroup", on=group_of)
def tag_log_group(tx: Tx, request: TagLogGroupRequest) -> None:
    """TagResource by the group's name."""
    _tag(tx, group_arn(find_group(tx, request["logGroupName"])), request["tags"])


@operation("UntagLogGroup", on=group_of)
def untag_log_group(tx: Tx, request: UntagLogGroupRequest) -> None:
    """UntagResource by the group's name."""
    tx.untag(group_arn(find_group(tx, request["logGroupName"])), request["tags"])


@operation("ListTagsLogGroup", on=group_of)
def list_tags_log_group(read: Read, request: ListTagsLogGroupRequest) -> ListTagsLogGroupResponse:
    """ListTagsForResource by the group's name."""
    return {"tags": read.tags_of(group_arn(find_group(read, request["logGroupName"])))}


def _arn_of(read: Read, arn: str) -> str:
    if arn_or_none(arn) is None:
        raise InvalidParameterException(f"Invalid resource ARN: {arn}")
    group = group_or_none(read, group_name_in(arn))
    if group is None:
        raise ResourceNotFoundException("The specified resource does not exist.")
    return group_arn(group)


def _tag(tx: Tx, arn: str, added: dict[str, str]) -> None:
    if len({**tx.tags_of(arn), **added}) > TAGS_MAX:
        raise TooManyTagsException(
            f"The number of tags exceeds the limit of {TAGS_MAX}.", fields={"resourceName": arn}
        )
    tx.tag(arn, added)
