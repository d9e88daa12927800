"""Tags of repositories."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from serein.kernel import tags
from serein.kernel.operations import Read, Tx, operation
from serein.services.ecr.access import find_by_arn, resource_of
from serein.services.ecr.model import InvalidTagParameterException, TooManyTagsException
from serein.services.ecr.records import Answer, Request

TAGS_MAX = 50


def checked_tags(given: Iterable[Mapping[str, str]]) -> dict[str, str]:
    """Tags as a dict. Raises InvalidTagParameterException, TooManyTagsException."""
    found = tags.from_list(given)
    if len(found) > TAGS_MAX:
        raise TooManyTagsException(f"The number of tags must not exceed {TAGS_MAX}")
    for key, value in found.items():
        if not 1 <= len(key) <= 128 or len(value) > 256 or key.lower().startswith("aws:"):
            raise InvalidTagParameterException(f"Invalid tag: {key[:128]}")
    return found


@operation("TagResource", on=resource_of)
def tag_resource(tx: Tx, request: Request) -> Answer:
    """Add or replace tags of a repository."""
    repository = find_by_arn(tx, request["resourceArn"])
    given = checked_tags(request["tags"])
    if len({**tx.tags_of(repository.arn), **given}) > TAGS_MAX:
        raise TooManyTagsException(f"The number of tags must not exceed {TAGS_MAX}")
    tx.tag(repository.arn, given)
    return {}


@operation("UntagResource", on=resource_of)
def untag_resource(tx: Tx, request: Request) -> Answer:
    """Take tags from a repository."""
    repository = find_by_arn(tx, request["resourceArn"])
    tx.untag(repository.arn, request["tagKeys"])
    return {}


@operation("ListTagsForResource", on=resource_of)
def list_tags_for_resource(read: Read, request: Request) -> Answer:
    """The tags of a repository."""
    repository = find_by_arn(read, request["resourceArn"])
    return {"tags": tags.to_list(read.tags_of(repository.arn))}
