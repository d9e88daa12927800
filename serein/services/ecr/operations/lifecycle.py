"""Lifecycle policies: put, shown, tried out.

https://docs.aws.amazon.com/AmazonECR/latest/userguide/LifecyclePolicies.html
"""

from __future__ import annotations

from msgspec.structs import replace

from serein.kernel import pages
from serein.kernel.operations import Read, Tx, operation
from serein.services.ecr.access import find_repository, image_or_none, repository_of
from serein.services.ecr.model import (
    LifecyclePolicyNotFoundException,
    LifecyclePolicyPreviewNotFoundException,
)
from serein.services.ecr.operations.repositories import page_start
from serein.services.ecr.records import (
    IMAGES,
    LIFECYCLE_DOORBELL,
    PREVIEWS,
    REPOSITORIES,
    Answer,
    Image,
    Preview,
    Repository,
    Request,
)
from serein.services.ecr.rules.lifecycle import expired, parse_lifecycle
from serein.services.ecr.rules.words import of_repository
from serein.services.ecr.shelf import key_of

_PAGE_SIZE = 100


def _answer(repository: Repository) -> Answer:
    return {
        "registryId": repository.account,
        "repositoryName": repository.name,
        "lifecyclePolicyText": repository.lifecycle,
    }


def _with_lifecycle(read: Read, request: Request) -> Repository:
    repository = find_repository(read, request)
    if not repository.lifecycle:
        raise LifecyclePolicyNotFoundException(
            f"Lifecycle policy does not exist for the {of_repository(repository)}"
        )
    return repository


@operation("PutLifecyclePolicy", on=repository_of)
def put_lifecycle_policy(tx: Tx, request: Request) -> Answer:
    """Say which images are to go by themselves."""
    text = request["lifecyclePolicyText"]
    parse_lifecycle(text)
    repository = replace(find_repository(tx, request), lifecycle=text, lifecycle_at=0.0)
    tx.put(REPOSITORIES, repository)
    tx.ring(LIFECYCLE_DOORBELL)
    return _answer(repository)


@operation("GetLifecyclePolicy", on=repository_of)
def get_lifecycle_policy(read: Read, request: Request) -> Answer:
    """A repository's lifecycle policy."""
    repository = _with_lifecycle(read, request)
    return {**_answer(repository), "lastEvaluatedAt": repository.lifecycle_at}


@operation("DeleteLifecyclePolicy", on=repository_of)
def delete_lifecycle_policy(tx: Tx, request: Request) -> Answer:
    """Let images stay."""
    repository = _with_lifecycle(tx, request)
    tx.put(REPOSITORIES, replace(repository, lifecycle="", lifecycle_at=0.0))
    return {**_answer(repository), "lastEvaluatedAt": repository.lifecycle_at}


@operation("StartLifecyclePolicyPreview", on=repository_of)
def start_lifecycle_policy_preview(tx: Tx, request: Request) -> Answer:
    """Ask what a policy would do: the one given, or the repository's own."""
    repository = find_repository(tx, request)
    text = request.get("lifecyclePolicyText") or _with_lifecycle(tx, request).lifecycle
    parse_lifecycle(text)
    preview = Preview(
        account=repository.account,
        region=repository.region,
        repository=repository.name,
        policy=text,
        made_at=tx.now,
    )
    tx.put(PREVIEWS, preview)
    return {**_answer(replace(repository, lifecycle=text)), "status": "IN_PROGRESS"}


@operation("GetLifecyclePolicyPreview", on=repository_of)
def get_lifecycle_policy_preview(read: Read, request: Request) -> Answer:
    """What the policy that was asked about last would do."""
    repository = find_repository(read, request)
    key = key_of(repository)
    preview = read.get(PREVIEWS, *key)
    if preview is None:
        raise LifecyclePolicyPreviewNotFoundException(
            f"Lifecycle policy preview does not exist for the {of_repository(repository)}"
        )
    found = expired(parse_lifecycle(preview.policy), read.scan(IMAGES, key), preview.made_at)
    wanted = {
        image.digest
        for image in (image_or_none(read, repository, id) for id in request.get("imageIds", ()))
        if image is not None
    }
    shown = [
        (image, priority)
        for image, priority in found
        if _fits(image, request) and (not request.get("imageIds") or image.digest in wanted)
    ]
    after = page_start(request, "GetLifecyclePolicyPreview")
    first = int(after[0]) if after else 0
    size = request.get("maxResults", _PAGE_SIZE)
    page = shown[first : first + size]
    more = first + size < len(shown)
    return {
        **_answer(replace(repository, lifecycle=preview.policy)),
        "status": "COMPLETE",
        "previewResults": [_result(image, priority) for image, priority in page],
        "summary": {"expiringImageTotalCount": len(found)},
        "nextToken": pages.encode_token("GetLifecyclePolicyPreview", first + size)
        if more
        else None,
    }


def _fits(image: Image, request: Request) -> bool:
    status: str = request.get("filter", {}).get("tagStatus", "ANY")
    return status == "ANY" or (status == "TAGGED") == bool(image.tags)


def _result(image: Image, priority: int) -> Answer:
    return {
        "imageTags": list(image.tags),
        "imageDigest": image.digest,
        "imagePushedAt": image.pushed_at,
        "action": {"type": "EXPIRE"},
        "appliedRulePriority": priority,
        "storageClass": "STANDARD",
    }
