"""Manifests, tags and referrers at the registry: each is a call of ECR's own API, through the door."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import orjson

from serein.base.errors import AwsError
from serein.services.ecr.records import REPOSITORIES, TAGS
from serein.services.ecr.rules.manifests import (
    MANIFEST_BYTES_MAX,
    MEDIA_TYPES,
    OCI_INDEX,
    digest_of,
)
from serein.services.ecr.rules.names import is_digest, is_tag
from serein.services.ecr.sites.registry import (
    Visit,
    answer_json,
    not_allowed,
    read_all,
    refusal,
)
from serein.wire.http import HttpResponse

PAGE_MAX = 1000


async def _call(visit: Visit, operation: str, **params: Any) -> dict[str, Any]:
    """An operation on the visited repository, as whoever asks."""
    params = {
        "registryId": visit.account,
        "repositoryName": visit.address.name,
        **params,
    }
    return await visit.cx.call(
        visit.cx.make_call("ecr", operation, params, account=visit.cx.account, region=visit.region)
    )


async def manifest(visit: Visit) -> HttpResponse:
    """A manifest by tag or digest."""
    reference = visit.address.what
    if not is_digest(reference) and not is_tag(reference):
        code = "DIGEST_INVALID" if ":" in reference else "TAG_INVALID"
        return refusal(code, 400, "The reference is neither a tag nor a digest", reference[:300])
    image_id = {"imageDigest" if is_digest(reference) else "imageTag": reference}
    if visit.method == "GET":
        return await _get(visit, image_id)
    if visit.method == "PUT":
        return await _put(visit, image_id)
    if visit.method == "DELETE":
        answer = await _call(visit, "BatchDeleteImage", imageIds=[image_id])
        if answer["failures"]:
            return _failed(visit, answer["failures"][0])
        return HttpResponse(202)
    return not_allowed()


async def _get(visit: Visit, image_id: dict[str, str]) -> HttpResponse:
    answer = await _call(visit, "BatchGetImage", imageIds=[image_id])
    if answer["failures"]:
        return _failed(visit, answer["failures"][0])
    image = answer["images"][0]
    content = image["imageManifest"].encode()
    digest = image["imageId"]["imageDigest"]
    headers = [
        ("Content-Type", image["imageManifestMediaType"]),
        ("Docker-Content-Digest", digest),
        ("ETag", f'"{digest}"'),
    ]
    return HttpResponse(200, headers, content)


def _failed(visit: Visit, failure: dict[str, Any]) -> HttpResponse:
    if failure["failureCode"] == "ImageReferencedByManifestList":
        return refusal("DENIED", 409, failure["failureReason"])
    return refusal("MANIFEST_UNKNOWN", 404, "Requested image not found")


async def _put(visit: Visit, image_id: dict[str, str]) -> HttpResponse:
    content = await read_all(visit.request.body, MANIFEST_BYTES_MAX)
    try:
        text = content.decode()
    except UnicodeDecodeError:
        return refusal("MANIFEST_INVALID", 400, "The manifest is not UTF-8")
    kind = visit.request.headers.get("content-type", "").partition(";")[0].strip()
    params = {"imageManifest": text, **image_id}
    if kind in MEDIA_TYPES:
        params["imageManifestMediaType"] = kind
    digest = digest_of(content)
    try:
        await _call(visit, "PutImage", **params)
    except AwsError as error:
        # To put again what is there is no error for container tools.
        if error.code == "LayersNotFoundException":
            return refusal("MANIFEST_BLOB_UNKNOWN", 404, error.message)
        if error.code != "ImageAlreadyExistsException":
            raise
    headers = [
        ("Location", f"/v2/{visit.address.name}/manifests/{digest}"),
        ("Docker-Content-Digest", digest),
    ]
    try:
        subject = (orjson.loads(content).get("subject") or {}).get("digest")
    except (orjson.JSONDecodeError, AttributeError):
        subject = None
    if subject:
        headers.append(("OCI-Subject", subject))
    return HttpResponse(201, headers)


def _page_size(visit: Visit) -> int | None:
    """The `n` of a listing, or None when it cannot be one."""
    text = visit.query.get("n", "")
    if not text:
        return PAGE_MAX
    return min(int(text), PAGE_MAX) if text.isascii() and text.isdigit() else None


def _next(path: str, size: int, last: str) -> list[tuple[str, str]]:
    return [("Link", f'<{path}?n={size}&last={quote(last, safe="")}>; rel="next"')]


async def tags(visit: Visit) -> HttpResponse:
    """The tags of a repository in order, page by page."""
    if visit.method != "GET":
        return not_allowed()
    visit.judge("ListImages")
    repository = visit.repository()
    size = _page_size(visit)
    if size is None:
        return refusal("PAGINATION_NUMBER_INVALID", 400, "n must be a number")
    last = visit.query.get("last", "")
    key = (repository.account, repository.region, repository.name)
    start = (last,) if last else ()
    scanned = visit.cx.read().scan(TAGS, key, start=start, start_after=bool(last), limit=size + 1)
    names = [tag.tag for tag in scanned]
    more = len(names) > size
    names = names[:size]
    link = _next(f"/v2/{repository.name}/tags/list", size, names[-1]) if more and names else []
    return answer_json({"name": repository.name, "tags": names}, headers=link)


async def referrers(visit: Visit) -> HttpResponse:
    """What refers to a manifest, as an index."""
    if visit.method != "GET":
        return not_allowed()
    digest = visit.address.what
    if not is_digest(digest):
        return refusal("DIGEST_INVALID", 400, "The digest is not a SHA-256 digest", digest[:300])
    params: dict[str, Any] = {"subjectId": {"imageDigest": digest}, "maxResults": 50}
    headers = [("Content-Type", OCI_INDEX)]
    if wanted := visit.query.get("artifactType"):
        params["filter"] = {"artifactTypes": [wanted]}
        headers.append(("OCI-Filters-Applied", "artifactType"))
    if token := visit.query.get("nextToken"):
        params["nextToken"] = token
    answer = await _call(visit, "ListImageReferrers", **params)
    shown = [
        {key: value for key, value in one.items() if key != "artifactStatus"}
        for one in answer["referrers"]
    ]
    if answer.get("nextToken"):
        path = f"/v2/{visit.address.name}/referrers/{digest}"
        following = quote(answer["nextToken"], safe="")
        headers.append(("Link", f'<{path}?nextToken={following}>; rel="next"'))
    index = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": shown}
    return HttpResponse(200, headers, orjson.dumps(index))


async def catalog(visit: Visit) -> HttpResponse:
    """The names of the registry's repositories in order, page by page."""
    if visit.method != "GET":
        return not_allowed()
    visit.judge("DescribeRepositories", "*")
    size = _page_size(visit)
    if size is None:
        return refusal("PAGINATION_NUMBER_INVALID", 400, "n must be a number")
    last = visit.query.get("last", "")
    scanned = visit.cx.read().scan(
        REPOSITORIES,
        (visit.account, visit.region),
        start=(last,) if last else (),
        start_after=bool(last),
        limit=size + 1,
    )
    names = [repository.name for repository in scanned]
    more = len(names) > size
    names = names[:size]
    link = _next("/v2/_catalog", size, names[-1]) if more and names else []
    return answer_json({"repositories": names}, headers=link)
