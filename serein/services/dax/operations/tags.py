"""Tags of clusters.

https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_dax_TagResource.html
"""

from __future__ import annotations

from typing import Any

from serein.kernel import tags
from serein.kernel.operations import Read, Tx, operation
from serein.services.dax.access import find_cluster, page, paged, resource_of
from serein.services.dax.model import (
    InvalidParameterValueException,
    ListTagsRequest,
    ListTagsResponse,
    TagNotFoundFault,
    TagQuotaPerResourceExceeded,
    TagResourceRequest,
    TagResourceResponse,
    UntagResourceRequest,
    UntagResourceResponse,
)
from serein.services.dax.rules import checks


def _find(read: Read, arn: str) -> str:
    """The ARN of the cluster that a request is about. Raises InvalidARNFault, ClusterNotFoundFault."""
    cluster = find_cluster(read, checks.cluster_named_by(arn))
    if cluster.arn != arn:
        return find_cluster(read, arn).arn
    return cluster.arn


def _told(found: dict[str, str]) -> Any:
    return tags.to_list(found)


@operation("TagResource", on=resource_of)
def tag_resource(tx: Tx, request: TagResourceRequest) -> TagResourceResponse:
    """Add or replace tags; all of them are told."""
    arn = _find(tx, request["ResourceName"])
    added = tags.from_list(request["Tags"])  # type: ignore[arg-type]
    for key, value in added.items():
        if not 1 <= len(key) <= 128 or len(value) > 256 or key.lower().startswith("aws:"):
            raise InvalidParameterValueException(f"Invalid tag: {key}")
    together = tx.tags_of(arn) | added
    if len(together) > checks.TAGS_MAX:
        raise TagQuotaPerResourceExceeded(f"A resource can have at most {checks.TAGS_MAX} tags.")
    tx.tag(arn, added)
    return {"Tags": _told(together)}


@operation("UntagResource", on=resource_of)
def untag_resource(tx: Tx, request: UntagResourceRequest) -> UntagResourceResponse:
    """Remove tags; those left are told."""
    arn = _find(tx, request["ResourceName"])
    left = tx.tags_of(arn)
    for key in request["TagKeys"]:
        if left.pop(key, None) is None:
            raise TagNotFoundFault(f"Tag not found: {key}")
    tx.untag(arn, request["TagKeys"])
    return {"Tags": _told(left)}


@operation("ListTags", on=resource_of)
def list_tags(read: Read, request: ListTagsRequest) -> ListTagsResponse:
    """The tags of a cluster."""
    arn = _find(read, request["ResourceName"])
    listed, token = page("dax.tags", tags.to_list(read.tags_of(arn)), request)
    told: Any = paged("Tags", listed, token)
    return told  # type: ignore[no-any-return]
