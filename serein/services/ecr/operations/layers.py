"""Layers by the API: what clients other than container tools use.

https://docs.aws.amazon.com/AmazonECR/latest/APIReference/API_InitiateLayerUpload.html
"""

from __future__ import annotations

import re

from serein.kernel.operations import Context, Read, Tx, operation
from serein.services.ecr import intake
from serein.services.ecr.access import find_repository, registry_host, repository_of
from serein.services.ecr.intake import LAYER_BYTES_MAX, PART_BYTES, PART_BYTES_MIN
from serein.services.ecr.model import (
    InvalidParameterException,
    LayerAlreadyExistsException,
    LayerPartTooSmallException,
)
from serein.services.ecr.records import Answer, Request
from serein.services.ecr.rules.words import invalid_parameter, of_repository
from serein.services.ecr.tickets import ticket_of
from serein.store.blobs import BlobId

_LOOSE_DIGEST = re.compile(r"[a-zA-Z0-9-_+.]+:[a-fA-F0-9]+\Z")
LAYER_MEDIA_TYPE = "application/vnd.docker.image.rootfs.diff.tar.gzip"
DOWNLOADS = "/_serein/ecr/layers/"


@operation("BatchCheckLayerAvailability", on=repository_of)
def batch_check_layer_availability(read: Read, request: Request) -> Answer:
    """Which layers a repository has."""
    repository = find_repository(read, request)
    layers, failures = [], []
    for digest in request["layerDigests"]:
        if not _LOOSE_DIGEST.match(digest):
            said = (
                "Invalid request parameters: image digest should satisfy the regex "
                "'[a-zA-Z0-9-_+.]+:[a-fA-F0-9]+'"
            )
            failure = {"layerDigest": digest, "failureCode": "InvalidLayerDigest"}
            failures.append({**failure, "failureReason": said})
            continue
        found = intake.layer_or_none(read, repository, digest)
        shown: Answer = {"layerDigest": digest, "layerAvailability": "UNAVAILABLE"}
        if found is not None:
            shown = {
                "layerDigest": digest,
                "layerAvailability": "AVAILABLE",
                "layerSize": found.size,
                "mediaType": LAYER_MEDIA_TYPE,
            }
        layers.append(shown)
    return {"layers": layers, "failures": failures}


@operation("InitiateLayerUpload", on=repository_of)
def initiate_layer_upload(tx: Tx, request: Request) -> Answer:
    """Begin to upload a layer."""
    upload = intake.begin(tx, find_repository(tx, request))
    return {"uploadId": upload.id, "partSize": PART_BYTES}


@operation("UploadLayerPart", on=repository_of)
async def upload_layer_part(cx: Context, request: Request) -> Answer:
    """A piece of a layer, where the last one ended."""
    repository = find_repository(cx.read(), request)
    id, first, last = request["uploadId"], request["partFirstByte"], request["partLastByte"]
    upload = intake.find_upload(cx.read(), repository, id)
    content = bytes(request["layerPartBlob"])
    if last - first + 1 != len(content):
        raise invalid_parameter("partLastByte", "must fit the length of the layer part")
    part = await intake.receive(cx, content, LAYER_BYTES_MAX - upload.size)
    grown = await cx.transact(intake.append, repository, id, first, part)
    return {
        "registryId": repository.account,
        "repositoryName": repository.name,
        "uploadId": id,
        "lastByteReceived": grown.size - 1,
    }


@operation("CompleteLayerUpload", on=repository_of)
async def complete_layer_upload(cx: Context, request: Request) -> Answer:
    """The layer is whole: its digest must be one of those that the request names."""
    read = cx.read()
    repository = find_repository(read, request)
    upload = intake.find_upload(read, repository, request["uploadId"])
    if any(part.size < PART_BYTES_MIN for part in upload.parts[:-1]):
        raise LayerPartTooSmallException(
            f"Layer parts must have at least {PART_BYTES_MIN} bytes, except for the last one"
        )
    joined = await intake.join(cx, upload.parts)
    digest = f"sha256:{joined.sha256}"
    if digest not in request["layerDigests"]:
        # The caller's digest is the one that the refusal speaks of.
        digest = request["layerDigests"][0]
    if intake.layer_or_none(cx.read(), repository, digest) is not None:
        raise LayerAlreadyExistsException(
            f"Layer with digest '{digest}' already exists in the {of_repository(repository)}"
        )
    layer = await cx.transact(intake.finish, repository, upload.id, joined, digest)
    return {
        "registryId": repository.account,
        "repositoryName": repository.name,
        "uploadId": upload.id,
        "layerDigest": layer.digest,
    }


@operation("GetDownloadUrlForLayer", on=repository_of)
def get_download_url_for_layer(tx: Tx, request: Request) -> Answer:
    """Where a layer can be fetched for the next hour, by whoever has the address."""
    repository = find_repository(tx, request)
    digest = request["layerDigest"]
    if not digest.startswith("sha256:"):
        raise InvalidParameterException(
            "Invalid parameter at 'layerDigest' failed to satisfy constraint: "
            "'must be a SHA-256 digest'"
        )
    layer = intake.find_layer(tx, repository, digest)
    scheme = "https" if tx.scope.secure else "http"
    host = tx.scope.host or registry_host(tx, repository.account, repository.region)
    ticket = ticket_of(tx, BlobId(layer.blob), layer.size)
    return {"downloadUrl": f"{scheme}://{host}{DOWNLOADS}{ticket}", "layerDigest": digest}
