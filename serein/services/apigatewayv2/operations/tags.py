"""Tags of APIs and stages."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import unquote

from serein.kernel.operations import Read, Tx, operation
from serein.services.apigatewayv2 import access
from serein.services.apigatewayv2.model import (
    BadRequestException,
    GetTagsRequest,
    NotFoundException,
    TagResourceRequest,
    UntagResourceRequest,
)
from serein.services.apigatewayv2.operations.configuration import find_api, find_stage

TAGS_MAX = 50
_ARN = re.compile(r"arn:[^:]+:apigateway:([^:]*)::/apis/([^/]+)(?:/stages/([^/]+))?")


def _tagged(read: Read, arn: str) -> str:
    """The ARN of an existing API or stage. Raises NotFoundException or BadRequestException."""
    found = _ARN.fullmatch(unquote(arn))
    if found is None:
        raise BadRequestException(f"Invalid resource ARN specified: {arn}")
    if found[1] != read.region:
        raise NotFoundException("Invalid API identifier specified")
    api = find_api(read, found[2])
    if found[3] is not None:
        find_stage(read, api, found[3])
    return unquote(arn)


@operation("GetTags", on=access.of_tagged, action=access.GET)
def get_tags(read: Read, request: GetTagsRequest) -> dict[str, Any]:
    """The tags of an API or stage."""
    return {"Tags": read.tags_of(_tagged(read, request["ResourceArn"]))}


@operation("TagResource", on=access.of_tagged, action=access.POST)
def tag_resource(tx: Tx, request: TagResourceRequest) -> dict[str, Any]:
    """Add or replace tags."""
    arn = _tagged(tx, request["ResourceArn"])
    added = request.get("Tags") or {}
    if len({**tx.tags_of(arn), **added}) > TAGS_MAX:
        raise BadRequestException(f"A resource can have {TAGS_MAX} tags at most")
    tx.tag(arn, added)
    return {}


@operation("UntagResource", on=access.of_tagged, action=access.DELETE)
def untag_resource(tx: Tx, request: UntagResourceRequest) -> None:
    """Remove tags."""
    tx.untag(_tagged(tx, request["ResourceArn"]), request["TagKeys"])
