"""Images: put, got, listed, deleted.

https://docs.aws.amazon.com/AmazonECR/latest/userguide/images.html
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import msgspec

from serein.kernel import pages
from serein.kernel.operations import Read, Tx, operation
from serein.services.ecr.access import find_image, find_repository, image_or_none, repository_of
from serein.services.ecr.model import InvalidParameterException
from serein.services.ecr.operations.repositories import page_start
from serein.services.ecr.records import (
    IMAGES,
    REFERRERS,
    Answer,
    Image,
    Repository,
    Request,
)
from serein.services.ecr.rules.words import invalid_parameter
from serein.services.ecr.shelf import (
    already_there,
    key_of,
    lists_with,
    manifest_of,
    put_image,
    remove,
    untag,
)

_PAGE_SIZE = 100
_PULLED_EVERY_S = 60.0
_LOOSE_DIGEST = re.compile(r"[a-zA-Z0-9-_+.]+:[a-fA-F0-9]+\Z")


@operation("PutImage", on=repository_of)
def put_image_(tx: Tx, request: Request) -> Answer:
    """Put a manifest into a repository, or a tag on one that is there."""
    repository = find_repository(tx, request)
    text = request["imageManifest"]
    tag = request.get("imageTag", "")
    image, is_new = put_image(
        tx,
        repository,
        text.encode(),
        request.get("imageManifestMediaType", ""),
        tag,
        request.get("imageDigest", ""),
    )
    if not is_new:
        raise already_there(repository, image, tag)
    return {"image": _shown(repository, image, tag, text)}


def _shown(repository: Repository, image: Image, tag: str, manifest: str) -> Answer:
    image_id = {"imageDigest": image.digest}
    if tag:
        image_id["imageTag"] = tag
    return {
        "registryId": repository.account,
        "repositoryName": repository.name,
        "imageId": image_id,
        "imageManifest": manifest,
        "imageManifestMediaType": image.media_type,
    }


@operation("BatchGetImage", on=repository_of, ignores=("acceptedMediaTypes",))
def batch_get_image(tx: Tx, request: Request) -> Answer:
    """Manifests by tag or digest. When an image was pulled last is written down, to the minute."""
    repository = find_repository(tx, request)
    images, failures = [], []
    for image_id in request["imageIds"]:
        failure = _failure_of(image_id)
        found = None if failure else image_or_none(tx, repository, image_id)
        if found is None:
            failures.append(failure or _failure(image_id, "ImageNotFound", _NOT_FOUND))
            continue
        if tx.now - found.pulled_at >= _PULLED_EVERY_S:
            tx.put(IMAGES, msgspec.structs.replace(found, pulled_at=tx.now))
        manifest = manifest_of(tx, found).decode()
        images.append(_shown(repository, found, image_id.get("imageTag", ""), manifest))
    return {"images": images, "failures": failures}


_NOT_FOUND = "Requested image not found"


def _failure(image_id: Request, code: str, reason: str) -> Answer:
    return {"imageId": image_id, "failureCode": code, "failureReason": reason}


def _failure_of(image_id: Request) -> Answer | None:
    """What is wrong with an image's id itself."""
    digest, tag = image_id.get("imageDigest"), image_id.get("imageTag")
    if not digest and not tag:
        said = "Invalid request parameters: both tag and digest cannot be null"
        return _failure(image_id, "MissingDigestAndTag", said)
    if digest and not _LOOSE_DIGEST.match(digest):
        said = (
            "Invalid request parameters: image digest should satisfy the regex "
            "'[a-zA-Z0-9-_+.]+:[a-fA-F0-9]+'"
        )
        return _failure(image_id, "InvalidImageDigest", said)
    return None


@operation("BatchDeleteImage", on=repository_of)
def batch_delete_image(tx: Tx, request: Request) -> Answer:
    """Delete images by digest, tags by name; an image goes with its last tag."""
    repository = find_repository(tx, request)
    deleted: list[dict[str, str]] = []
    failures = []
    for image_id in request["imageIds"]:
        failure = _failure_of(image_id) or _delete(tx, repository, image_id, deleted)
        if failure is not None:
            failures.append(failure)
    return {"imageIds": deleted, "failures": failures}


def _delete(
    tx: Tx, repository: Repository, image_id: Request, deleted: list[dict[str, str]]
) -> Answer | None:
    image = image_or_none(tx, repository, image_id)
    tag = image_id.get("imageTag", "")
    if image is None:
        by_digest = {"imageDigest": image_id.get("imageDigest")}
        if tag and by_digest["imageDigest"] and image_or_none(tx, repository, by_digest):
            said = "Requested image tag does not match the digest"
            return _failure(image_id, "ImageTagDoesNotMatchDigest", said)
        return _failure(image_id, "ImageNotFound", _NOT_FOUND)
    if tag and len(image.tags) > 1:
        untag(tx, image, tag)
        deleted.append({"imageDigest": image.digest, "imageTag": tag})
        return None
    if lists := lists_with(tx, image):
        said = f"Requested image referenced by manifest list: [{', '.join(lists)}]"
        if tag:
            untag(tx, image, tag)
            deleted.append({"imageDigest": image.digest, "imageTag": tag})
            return None
        return _failure(image_id, "ImageReferencedByManifestList", said)
    remove(tx, image)
    shown = [{"imageDigest": image.digest, "imageTag": one} for one in image.tags]
    deleted.extend(shown or [{"imageDigest": image.digest}])
    return None


def _wanted(request: Request, image: Image) -> bool:
    status: str = request.get("filter", {}).get("tagStatus", "ANY")
    return status == "ANY" or (status == "TAGGED") == bool(image.tags)


def _images(read: Read, repository: Repository, request: Request, listing: str) -> Iterator[Image]:
    after = page_start(request, listing)
    scanned = read.scan(IMAGES, key_of(repository), start=tuple(after[:1]), start_after=bool(after))
    return (image for image in scanned if _wanted(request, image))


def _check_status(request: Request) -> None:
    status = request.get("filter", {}).get("imageStatus", "ACTIVE")
    if status not in ("ACTIVE", "ANY"):
        raise InvalidParameterException(
            "Invalid parameter at 'filter' failed to satisfy constraint: 'images are never "
            "archived here'"
        )


@operation("DescribeImages", on=repository_of)
def describe_images(read: Read, request: Request) -> Answer:
    """What is known of images: by id, or all of a repository, page by page."""
    repository = find_repository(read, request)
    _check_status(request)
    if ids := request.get("imageIds"):
        if "maxResults" in request or "nextToken" in request:
            raise invalid_parameter("maxResults", "cannot be given together with imageIds")
        found = {one.digest: one for one in (find_image(read, repository, id) for id in ids)}
        return {"imageDetails": [detail_of(image) for image in found.values()]}
    page, token = pages.take_page(
        _images(read, repository, request, "DescribeImages"),
        request.get("maxResults", _PAGE_SIZE),
        lambda image: pages.encode_token("DescribeImages", image.digest),
    )
    return {"imageDetails": [detail_of(image) for image in page], "nextToken": token}


def detail_of(image: Image) -> Answer:
    """An ImageDetail."""
    shown: Answer = {
        "registryId": image.account,
        "repositoryName": image.repository,
        "imageDigest": image.digest,
        "imageSizeInBytes": image.size,
        "imagePushedAt": image.pushed_at,
        "imageManifestMediaType": image.media_type,
        "imageStatus": "ACTIVE",
    }
    if image.tags:
        shown["imageTags"] = list(image.tags)
    if image.artifact_type:
        shown["artifactMediaType"] = image.artifact_type
    if image.pulled_at:
        shown["lastRecordedPullTime"] = image.pulled_at
    if image.subject:
        shown["subjectManifestDigest"] = image.subject
    return shown


@operation("ListImages", on=repository_of)
def list_images(read: Read, request: Request) -> Answer:
    """The ids of a repository's images, one for each tag."""
    repository = find_repository(read, request)
    _check_status(request)

    def ids() -> Iterator[tuple[str, str]]:
        for image in _images(read, repository, request, "ListImages"):
            yield from ((image.digest, tag) for tag in image.tags or ("",))

    # A page ends between two images: all tags of one are told together.
    size = request.get("maxResults", _PAGE_SIZE)
    page: list[dict[str, str]] = []
    token = None
    last = ""
    for digest, tag in ids():
        if len(page) >= size and digest != last:
            token = pages.encode_token("ListImages", last)
            break
        page.append({"imageDigest": digest, "imageTag": tag} if tag else {"imageDigest": digest})
        last = digest
    return {"imageIds": page, "nextToken": token}


@operation("ListImageReferrers", on=repository_of)
def list_image_referrers(read: Read, request: Request) -> Answer:
    """The artifacts that name an image as their subject."""
    repository = find_repository(read, request)
    _check_status({"filter": {"imageStatus": _artifact_status(request)}})
    after = page_start(request, "ListImageReferrers")
    wanted = request.get("filter", {}).get("artifactTypes") or ()
    found = referrers_of(read, repository, request["subjectId"]["imageDigest"], after[:1])
    page, token = pages.take_page(
        (image for image in found if not wanted or image.artifact_type in wanted),
        request.get("maxResults", 50),
        lambda image: pages.encode_token("ListImageReferrers", image.digest),
    )
    return {"referrers": [_referrer(read, image) for image in page], "nextToken": token}


def _artifact_status(request: Request) -> str:
    status: str = request.get("filter", {}).get("artifactStatus", "ACTIVE")
    return status


def referrers_of(
    read: Read, repository: Repository, subject: str, after: list[str]
) -> Iterator[Image]:
    """The images of a repository that refer to this one."""
    key = key_of(repository)
    scanned = read.scan(REFERRERS, (*key, subject), start=tuple(after), start_after=bool(after))
    for one in scanned:
        image = read.get(IMAGES, *key, one.digest)
        if image is not None:
            yield image


def _referrer(read: Read, image: Image) -> Answer:
    shown: Answer = {
        "digest": image.digest,
        "mediaType": image.media_type,
        "artifactType": image.artifact_type,
        "size": len(manifest_of(read, image)),
        "artifactStatus": "ACTIVE",
    }
    if image.annotations:
        shown["annotations"] = image.annotations
    return shown
