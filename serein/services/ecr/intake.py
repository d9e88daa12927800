"""Layers on their way in: uploads piece by piece, digested as they come; and finished layers.

A piece is a blob, written and synced before the upload's record names it. Docker and skopeo send a layer as one piece, which is the
layer then; several pieces are laid together at the end.
"""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator

from msgspec.structs import replace

from serein.contracts.container_images import LAYERS, Layer
from serein.kernel.operations import Context, Read, Tx
from serein.services.ecr.model import (
    EmptyUploadException,
    InvalidLayerException,
    InvalidLayerPartException,
    LayersNotFoundException,
    LimitExceededException,
    UploadNotFoundException,
)
from serein.services.ecr.records import (
    EXPIRIES,
    UPKEEP_DOORBELL,
    UPLOADS,
    Expiry,
    Part,
    Repository,
    Upload,
)
from serein.services.ecr.rules.words import of_repository
from serein.services.ecr.shelf import UNUSED_KEPT_S, key_of, look_again
from serein.store.blobs import BlobId
from serein.wire.http import Body

# https://docs.aws.amazon.com/AmazonECR/latest/userguide/service-quotas.html
LAYER_BYTES_MAX = 52_000 * 1024 * 1024
PARTS_MAX = 4000
UPLOADS_MAX = 10_000
UPLOAD_KEPT_S = 86_400.0
PART_BYTES_MIN = 5 * 1024 * 1024
PART_BYTES = 20 * 1024 * 1024


def begin(tx: Tx, repository: Repository) -> Upload:
    """Begin an upload. Raises LimitExceededException."""
    if tx.count(UPLOADS, key_of(repository)) >= UPLOADS_MAX:
        raise LimitExceededException(f"The limit for uploads at a time is {UPLOADS_MAX}")
    upload = Upload(
        account=repository.account,
        region=repository.region,
        repository=repository.name,
        id=tx.new_id(),
        expires_at=tx.now + UPLOAD_KEPT_S,
    )
    tx.put(UPLOADS, upload)
    tx.put(EXPIRIES, expiry_of(upload))
    tx.ring(UPKEEP_DOORBELL)
    return upload


def expiry_of(upload: Upload) -> Expiry:
    """When an upload is given up."""
    return Expiry(
        due_at=upload.expires_at,
        account=upload.account,
        region=upload.region,
        repository=upload.repository,
        upload=upload.id,
    )


def find_upload(read: Read, repository: Repository, id: str) -> Upload:
    """An upload under way. Raises UploadNotFoundException."""
    found = read.get(UPLOADS, *key_of(repository), id)
    if found is None or found.expires_at <= read.now:
        raise UploadNotFoundException(
            f"The upload with id '{id}' does not exist in the {of_repository(repository)}"
        )
    return found


async def receive(cx: Context, body: Body, bytes_max: int) -> Part:
    """Keep a piece, digesting it as it comes. Raises LimitExceededException; what is broken off is not kept."""
    digest = hashlib.sha256()
    size = 0

    async def pieces() -> AsyncIterator[bytes]:
        nonlocal size
        if isinstance(body, bytes):
            size = len(body)
            if size > bytes_max:
                raise _too_large()
            digest.update(body)
            yield body
            return
        async for piece in body:
            size += len(piece)
            if size > bytes_max:
                raise _too_large()
            digest.update(piece)
            yield piece

    blob = await cx.blobs.write(pieces())
    return Part(str(blob), size, digest.hexdigest())


def _too_large() -> LimitExceededException:
    return LimitExceededException(f"A layer may have at most {LAYER_BYTES_MAX} bytes")


def append(tx: Tx, repository: Repository, id: str, first: int, part: Part) -> Upload:
    """Add a piece that begins at byte `first`. Raises UploadNotFoundException, InvalidLayerPartException."""
    upload = find_upload(tx, repository, id)
    check_start(upload, first)
    if len(upload.parts) >= PARTS_MAX:
        raise LimitExceededException(f"The limit for parts of a layer is {PARTS_MAX}")
    grown = replace(upload, parts=(*upload.parts, part))
    tx.put(UPLOADS, grown)
    return grown


def check_start(upload: Upload, first: int) -> None:
    """Raises InvalidLayerPartException unless a piece that begins at byte `first` follows what is there."""
    if first != upload.size:
        raise InvalidLayerPartException(
            f"Layer part starts at byte {first}, expected byte {upload.size}",
            fields={
                "registryId": upload.account,
                "repositoryName": upload.repository,
                "uploadId": upload.id,
                "lastValidByteReceived": max(0, upload.size - 1),
            },
        )


async def join(cx: Context, parts: tuple[Part, ...]) -> Part:
    """All pieces as one. Raises EmptyUploadException."""
    kept = tuple(part for part in parts if part.size) or parts[:1]
    if not kept:
        raise EmptyUploadException("The upload has no content")
    if len(kept) == 1:
        return kept[0]
    blob = await cx.blobs.concatenate([BlobId(part.blob) for part in kept])
    digest = hashlib.sha256()
    async for piece in cx.blobs.stream(blob):
        digest.update(piece)
    return Part(str(blob), sum(part.size for part in kept), digest.hexdigest())


def finish(tx: Tx, repository: Repository, id: str, joined: Part, digest: str) -> Layer:
    """Make a layer of an upload. Raises InvalidLayerException where its bytes are not those of `digest`."""
    if digest != f"sha256:{joined.sha256}":
        raise InvalidLayerException(
            f"Layer digest '{digest}' does not match the uploaded content 'sha256:{joined.sha256}'"
        )
    if id:
        upload = find_upload(tx, repository, id)
        tx.delete(UPLOADS, *key_of(repository), id)
        expiry = expiry_of(upload)
        tx.delete(EXPIRIES, expiry.due_at, *key_of(repository), id)
    return put_layer(tx, repository, digest, joined.blob, joined.size)


def put_layer(tx: Tx, repository: Repository, digest: str, blob: str, size: int) -> Layer:
    """A layer of a repository, as it was put or as another put it before."""
    known = tx.get(LAYERS, *key_of(repository), digest)
    if known is not None:
        return known
    layer = Layer(
        account=repository.account,
        region=repository.region,
        repository=repository.name,
        digest=digest,
        blob=blob,
        size=size,
        uploaded_at=tx.now,
    )
    tx.put(LAYERS, layer)
    look_again(tx, layer, UNUSED_KEPT_S)
    return layer


def cancel(tx: Tx, repository: Repository, id: str) -> None:
    """Give an upload up. Raises UploadNotFoundException."""
    upload = find_upload(tx, repository, id)
    tx.delete(UPLOADS, *key_of(repository), id)
    tx.delete(EXPIRIES, upload.expires_at, *key_of(repository), id)


def layer_or_none(read: Read, repository: Repository, digest: str) -> Layer | None:
    """A layer of a repository."""
    return read.get(LAYERS, *key_of(repository), digest)


def find_layer(read: Read, repository: Repository, digest: str) -> Layer:
    """A layer of a repository. Raises LayersNotFoundException."""
    found = layer_or_none(read, repository, digest)
    if found is None:
        raise LayersNotFoundException(
            f"The layer with digest '{digest}' does not exist in the {of_repository(repository)}"
        )
    return found
