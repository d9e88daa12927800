"""Tags of functions and event source mappings."""

from __future__ import annotations

from serein.base.arn import arn_or_none
from serein.kernel.operations import Read, Tx, operation
from serein.services.lambda_.access import tagged_resource_of
from serein.services.lambda_.records import (
    CODE_SIGNING,
    FUNCTIONS,
    LATEST,
    MAPPINGS,
    Answer,
    Request,
)
from serein.services.lambda_.rules.configuration import check_tags, refuse
from serein.services.lambda_.rules.conflicts import not_there
from serein.services.lambda_.rules.names import not_found


@operation("ListTags", on=tagged_resource_of)
def list_tags(read: Read, request: Request) -> Answer:
    """The tags of a resource."""
    _check(read, request["Resource"])
    return {"Tags": read.tags_of(request["Resource"])}


@operation("TagResource", on=tagged_resource_of)
def tag_resource(tx: Tx, request: Request) -> Answer:
    """Add or replace tags."""
    arn = request["Resource"]
    _check(tx, arn)
    if not request["Tags"]:
        raise refuse("An error occurred and the request cannot be processed.")
    check_tags({**tx.tags_of(arn), **request["Tags"]})
    tx.tag(arn, request["Tags"])
    return {}


@operation("UntagResource", on=tagged_resource_of)
def untag_resource(tx: Tx, request: Request) -> Answer:
    """Remove tags; those that are not there are passed over."""
    _check(tx, request["Resource"])
    tx.untag(request["Resource"], request["TagKeys"])
    return {}


def _check(read: Read, arn: str) -> None:
    parsed = arn_or_none(arn)
    parts = parsed.resource.split(":") if parsed else []
    if parsed is None or len(parts) < 2:
        raise not_found(arn)
    if parts[0] == "event-source-mapping":
        if read.get(MAPPINGS, parsed.account, parsed.region, parts[1]) is None:
            raise not_there(f"Event source mapping not found: {arn}")
        return
    if parts[0] == "code-signing-config":
        if read.get(CODE_SIGNING, parsed.account, parsed.region, parts[1]) is None:
            raise not_there(f"Code signing config not found: {arn}")
        return
    if parts[0] != "function":
        raise not_there(f"{parts[0].replace('-', ' ').capitalize()} not found: {arn}")
    if len(parts) > 2:
        raise refuse(
            "Tags on function aliases and versions are not supported. "
            "Please specify a function ARN."
        )
    if read.get(FUNCTIONS, parsed.account, parsed.region, parts[1], LATEST) is None:
        raise not_found(arn)
