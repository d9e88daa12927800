"""Layers at the registry: pulled, pushed in one piece or several, mounted from another repository."""

from __future__ import annotations

import asyncio

from serein.base.errors import AwsError
from serein.services.ecr import intake
from serein.services.ecr.access import registry_of
from serein.services.ecr.intake import LAYER_BYTES_MAX
from serein.services.ecr.model import RepositoryNotFoundException
from serein.services.ecr.operations.templates import make_from_template, template_for
from serein.services.ecr.records import Part, Repository, Upload
from serein.services.ecr.rules.names import is_digest, is_repository_name
from serein.services.ecr.rules.paths import parse_content_range, parse_range
from serein.services.ecr.sites.registry import Visit, not_allowed, refusal
from serein.store.blobs import BlobId
from serein.wire.http import HttpResponse


async def blob(visit: Visit) -> HttpResponse:
    """GET and HEAD of a layer. Layers are not deleted one by one: they go with their images."""
    if visit.method != "GET":
        return not_allowed()
    head = visit.request.method == "HEAD"
    visit.judge("BatchCheckLayerAvailability" if head else "GetDownloadUrlForLayer")
    digest = visit.address.what
    if not is_digest(digest):
        return refusal("DIGEST_INVALID", 400, "The digest is not a SHA-256 digest", digest)
    repository = visit.repository()
    layer = intake.layer_or_none(visit.cx.read(), repository, digest)
    if layer is None:
        said = "blob unknown to registry"
        return refusal("BLOB_UNKNOWN", 404, said, {"digest": digest})
    headers = [
        ("Content-Type", "application/octet-stream"),
        ("Docker-Content-Digest", digest),
        ("Accept-Ranges", "bytes"),
        ("ETag", f'"{digest}"'),
    ]
    try:
        wanted = parse_range(visit.request.headers.get("range", ""), layer.size)
    except ValueError:
        response = refusal("SIZE_INVALID", 416, "The range is outside of the blob")
        response.headers.append(("Content-Range", f"bytes */{layer.size}"))
        return response
    start, end = wanted or (0, layer.size)
    if wanted is not None:
        headers.append(("Content-Range", f"bytes {start}-{end - 1}/{layer.size}"))
    headers.append(("Content-Length", str(end - start)))
    status = 200 if wanted is None else 206
    if head or start == end:
        return HttpResponse(status, headers)
    body = visit.cx.blobs.stream(BlobId(layer.blob), start, end - start)
    return HttpResponse(status, headers, body)


async def uploads(visit: Visit) -> HttpResponse:
    """POST: begin an upload, or do it at once, or take a layer from another repository."""
    if visit.method != "POST":
        return not_allowed()
    visit.judge("InitiateLayerUpload")
    repository = await _repository(visit)
    if visit.query.get("mount"):
        mounted = await _mount(visit, repository)
        if mounted is not None:
            return mounted
    elif visit.query.get("digest"):
        visit.judge("CompleteLayerUpload")
        part = await intake.receive(visit.cx, visit.request.body, LAYER_BYTES_MAX)
        return await _finish(visit, repository, "", part, visit.query["digest"])
    upload = await visit.cx.transact(intake.begin, repository)
    return _accepted(visit, repository, upload)


async def _repository(visit: Visit) -> Repository:
    """The repository, made now where a template says so."""
    try:
        return visit.repository()
    except RepositoryNotFoundException:
        name = visit.address.name
        template = template_for(visit.cx.read(), visit.account, visit.region, name)
        if template is None or visit.account != visit.cx.account:
            raise
    visit.judge("CreateRepository")
    return await visit.cx.transact(make_from_template, name, template)


async def _mount(visit: Visit, repository: Repository) -> HttpResponse | None:
    """The layer of another repository, in this one too; None where an upload has to do instead."""
    digest, source = visit.query["mount"], visit.query.get("from", "")
    if registry_of(visit.cx.read(), repository.account).settings.get("BLOB_MOUNTING") == "DISABLED":
        return None
    if not is_digest(digest) or not is_repository_name(source):
        return None
    try:
        visit.judge("GetDownloadUrlForLayer", source)
        layer = intake.layer_or_none(visit.cx.read(), visit.repository(source), digest)
    except AwsError:
        return None
    if layer is None:
        return None
    await visit.cx.transact(intake.put_layer, repository, digest, layer.blob, layer.size)
    return _created(repository, digest)


async def upload(visit: Visit) -> HttpResponse:
    """An upload under way: its state, a further piece, its end, or giving it up."""
    repository = visit.repository()
    id = visit.address.what
    method = visit.method
    if method == "PATCH":
        return await _piece(visit, repository, id)
    if method == "PUT":
        return await _complete(visit, repository, id)
    if method == "GET":
        visit.judge("InitiateLayerUpload")
        found = intake.find_upload(visit.cx.read(), repository, id)
        response = _accepted(visit, repository, found)
        response.status = 204
        return response
    if method == "DELETE":
        visit.judge("InitiateLayerUpload")
        await visit.cx.transact(intake.cancel, repository, id)
        return HttpResponse(204)
    return not_allowed()


async def _piece(visit: Visit, repository: Repository, id: str) -> HttpResponse:
    visit.judge("UploadLayerPart")
    grown = await _append(visit, repository, id)
    return _accepted(visit, repository, grown)


async def _append(visit: Visit, repository: Repository, id: str) -> Upload:
    """Add the request's body to an upload. Raises what `intake.append` does."""
    upload = intake.find_upload(visit.cx.read(), repository, id)
    try:
        said = parse_content_range(visit.request.headers.get("content-range", ""))
    except ValueError:
        said = (upload.size + 1, 0)
    if said is not None:
        intake.check_start(upload, said[0])
    first = upload.size
    part = await intake.receive(visit.cx, visit.request.body, LAYER_BYTES_MAX - first)
    if not part.size:
        await visit.cx.blobs.delete(BlobId(part.blob))
        return upload
    return await visit.cx.transact(intake.append, repository, id, first, part)


async def _complete(visit: Visit, repository: Repository, id: str) -> HttpResponse:
    visit.judge("CompleteLayerUpload")
    digest = visit.query.get("digest", "")
    if not is_digest(digest):
        return refusal("DIGEST_INVALID", 400, "The digest is not a SHA-256 digest", digest)
    upload = intake.find_upload(visit.cx.read(), repository, id)
    if visit.request.body:
        upload = await _append(visit, repository, id)
    parts = upload.parts or (await intake.receive(visit.cx, b"", 0),)
    # Once begun it is done, whether or not the client waits for it: a long layer takes its time.
    joined = await asyncio.shield(intake.join(visit.cx, parts))
    return await _finish(visit, repository, id, joined, digest)


async def _finish(
    visit: Visit, repository: Repository, id: str, joined: Part, digest: str
) -> HttpResponse:
    await visit.cx.transact(intake.finish, repository, id, joined, digest)
    return _created(repository, digest)


def _created(repository: Repository, digest: str) -> HttpResponse:
    headers = [
        ("Location", f"/v2/{repository.name}/blobs/{digest}"),
        ("Docker-Content-Digest", digest),
    ]
    return HttpResponse(201, headers)


def _accepted(visit: Visit, repository: Repository, upload: Upload) -> HttpResponse:
    headers = [
        ("Location", f"/v2/{repository.name}/blobs/uploads/{upload.id}"),
        ("Range", f"0-{max(0, upload.size - 1)}"),
        ("Docker-Upload-UUID", upload.id),
    ]
    return HttpResponse(202, headers)
