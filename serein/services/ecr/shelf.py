"""Images on a repository's shelf: put there, found, taken away, with their tags and what refers to them."""

from __future__ import annotations

from msgspec.structs import replace

from serein.contracts.container_images import LAYERS, Layer
from serein.kernel.operations import Read, Tx
from serein.services.ecr.model import (
    ImageAlreadyExistsException,
    ImageDigestDoesNotMatchException,
    ImageTagAlreadyExistsException,
    LayersNotFoundException,
    LimitExceededException,
    ReferencedImagesNotFoundException,
)
from serein.services.ecr.records import (
    IMAGES,
    MANIFESTS,
    REFERRERS,
    TAGS,
    UNUSED,
    UPKEEP_DOORBELL,
    Image,
    ImageTag,
    Referrer,
    Repository,
    Unused,
)
from serein.services.ecr.rules.manifests import Manifest, parse
from serein.services.ecr.rules.names import is_digest, is_tag, is_tag_fixed
from serein.services.ecr.rules.words import invalid_parameter, of_repository
from serein.store.tables import Key

# https://docs.aws.amazon.com/AmazonECR/latest/userguide/service-quotas.html
IMAGES_MAX = 100_000
UNUSED_KEPT_S = 86_400.0  # a layer without an image: somebody may be about to push it
TAGS_MAX = 1000


def key_of(repository: Repository) -> Key:
    """What the keys of everything in a repository begin with."""
    return (repository.account, repository.region, repository.name)


def check_tag(tag: str) -> None:
    """Raises InvalidParameterException for what no image can be called."""
    if not is_tag(tag):
        raise invalid_parameter(
            "imageTag", "must satisfy regular expression '[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}'"
        )


def put_image(
    tx: Tx, repository: Repository, content: bytes, media_type: str, tag: str, digest: str
) -> tuple[Image, bool]:
    """Put a manifest, under a tag if there is one; whether it, or its tag, is new.

    Raises InvalidParameterException, ImageDigestDoesNotMatchException, LayersNotFoundException,
    ReferencedImagesNotFoundException, ImageTagAlreadyExistsException, LimitExceededException.
    """
    if tag:
        check_tag(tag)
    if digest and not is_digest(digest):
        raise invalid_parameter("imageDigest", "must be a SHA-256 digest")
    manifest = parse(content, media_type)
    if digest and digest != manifest.digest:
        raise ImageDigestDoesNotMatchException(
            f"The specified image digest '{digest}' does not match the digest of the manifest "
            f"'{manifest.digest}'"
        )
    _check_parts(tx, repository, manifest)
    key = key_of(repository)
    image = tx.get(IMAGES, *key, manifest.digest)
    known = image is not None
    if image is None:
        image = _new_image(tx, repository, manifest)
        for blob in manifest.blobs:
            _count(tx, key, blob, 1)
        tx.put_bytes(MANIFESTS, (*key, manifest.digest), content)
        if manifest.subject:
            tx.put(REFERRERS, _referrer(image))
    if not tag:
        tx.put(IMAGES, image)
        return image, not known
    if tag in image.tags:
        return image, False
    return _name(tx, repository, image, tag), True


def already_there(repository: Repository, image: Image, tag: str) -> ImageAlreadyExistsException:
    """The error for an image that is put a second time."""
    with_tag = f" and tag '{tag}'" if tag else ""
    return ImageAlreadyExistsException(
        f"Image with digest '{image.digest}'{with_tag} already exists in the {of_repository(repository)}"
    )


def _new_image(tx: Tx, repository: Repository, manifest: Manifest) -> Image:
    key = key_of(repository)
    if tx.count(IMAGES, key) >= IMAGES_MAX:
        raise LimitExceededException(f"The limit for number of images is {IMAGES_MAX}")
    return Image(
        account=repository.account,
        region=repository.region,
        repository=repository.name,
        digest=manifest.digest,
        media_type=manifest.media_type,
        artifact_type=manifest.artifact_type,
        size=manifest.size or sum(_sizes(tx, key, manifest.members)),
        pushed_at=tx.now,
        subject=manifest.subject,
        members=manifest.members,
        annotations=manifest.annotations,
    )


def _sizes(read: Read, key: Key, digests: tuple[str, ...]) -> list[int]:
    found = [read.get(IMAGES, *key, digest) for digest in digests]
    return [image.size for image in found if image is not None]


def _referrer(image: Image) -> Referrer:
    return Referrer(
        account=image.account,
        region=image.region,
        repository=image.repository,
        subject=image.subject,
        digest=image.digest,
    )


def _check_parts(read: Read, repository: Repository, manifest: Manifest) -> None:
    """What a manifest is made of must be there. A subject need not: it may come later."""
    key = key_of(repository)
    missing = [d for d in manifest.blobs if read.get(LAYERS, *key, d) is None]
    if missing:
        raise LayersNotFoundException(
            f"Layers with digests '[{', '.join(missing)}]' required for pushing image into "
            f"{of_repository(repository)} do not exist"
        )
    absent = [d for d in manifest.members if read.get(IMAGES, *key, d) is None]
    if absent:
        raise ReferencedImagesNotFoundException(
            f"Images with digests '[{', '.join(absent)}]' required for pushing image into "
            f"{of_repository(repository)} do not exist"
        )


def _name(tx: Tx, repository: Repository, image: Image, tag: str) -> Image:
    key = key_of(repository)
    before = tx.get(TAGS, *key, tag)
    if before is not None:
        if is_tag_fixed(repository, tag):
            raise ImageTagAlreadyExistsException(
                f"The image tag '{tag}' already exists in the '{repository.name}' repository and "
                "cannot be overwritten because the repository is immutable."
            )
        other = tx.get(IMAGES, *key, before.digest)
        if other is not None:
            tx.put(IMAGES, replace(other, tags=tuple(t for t in other.tags if t != tag)))
    if len(image.tags) >= TAGS_MAX:
        raise LimitExceededException(f"The limit for number of tags per image is {TAGS_MAX}")
    named = replace(image, tags=(*image.tags, tag), pushed_at=tx.now)
    tx.put(IMAGES, named)
    tx.put(
        TAGS,
        ImageTag(
            account=repository.account,
            region=repository.region,
            repository=repository.name,
            tag=tag,
            digest=image.digest,
        ),
    )
    return named


def untag(tx: Tx, image: Image, tag: str) -> Image:
    """Take a tag from an image; the image stays."""
    left = replace(image, tags=tuple(t for t in image.tags if t != tag))
    tx.put(IMAGES, left)
    tx.delete(TAGS, image.account, image.region, image.repository, tag)
    return left


def remove(tx: Tx, image: Image) -> None:
    """Take an image away, with its tags. Its layers go with the last image that has them."""
    key = (image.account, image.region, image.repository)
    for tag in image.tags:
        tx.delete(TAGS, *key, tag)
    if image.subject:
        tx.delete(REFERRERS, *key, image.subject, image.digest)
    if not image.members:
        for blob in parse(manifest_of(tx, image)).blobs:
            _count(tx, key, blob, -1)
    tx.delete(IMAGES, *key, image.digest)
    tx.delete(MANIFESTS, *key, image.digest)


def _count(tx: Tx, key: Key, digest: str, more: int) -> None:
    """One image more, or fewer, is made of a layer."""
    layer = tx.get(LAYERS, *key, digest)
    if layer is None:
        return
    counted = replace(layer, images=max(0, layer.images + more))
    tx.put(LAYERS, counted)
    if not counted.images:
        look_again(tx, counted, UNUSED_KEPT_S)


def look_again(tx: Tx, layer: Layer, after_s: float) -> None:
    """See after a while whether a layer has an image, or has to go."""
    unused = Unused(
        due_at=tx.now + after_s,
        account=layer.account,
        region=layer.region,
        repository=layer.repository,
        digest=layer.digest,
    )
    tx.put(UNUSED, unused)
    tx.ring(UPKEEP_DOORBELL)


def lists_with(read: Read, image: Image) -> list[str]:
    """The digests of the indexes that an image is in."""
    key = (image.account, image.region, image.repository)
    return [one.digest for one in read.scan(IMAGES, key) if image.digest in one.members]


def manifest_of(read: Read, image: Image) -> bytes:
    """The bytes of an image's manifest."""
    key = (image.account, image.region, image.repository)
    return read.get(MANIFESTS, *key, image.digest) or b""
