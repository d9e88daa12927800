"""Manifests: what an image, an index or an artifact is made of.

https://github.com/opencontainers/image-spec/blob/main/manifest.md
https://docs.aws.amazon.com/AmazonECR/latest/userguide/image-manifest-formats.html
"""

from __future__ import annotations

import hashlib
from typing import Any

import msgspec
import orjson

from serein.services.ecr.model import InvalidParameterException
from serein.services.ecr.rules.names import is_digest

DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_INDEX = "application/vnd.oci.image.index.v1+json"
INDEXES = (DOCKER_LIST, OCI_INDEX)
MEDIA_TYPES = (DOCKER_MANIFEST, DOCKER_LIST, OCI_MANIFEST, OCI_INDEX)
MANIFEST_BYTES_MAX = 4 * 1024 * 1024
# https://docs.aws.amazon.com/AmazonECR/latest/userguide/service-quotas.html
LAYERS_MAX = 4200
MEMBERS_MAX = 1000
_FOREIGN = (
    "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
    "application/vnd.oci.image.layer.nondistributable.v1.tar",
    "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip",
    "application/vnd.oci.image.layer.nondistributable.v1.tar+zstd",
)


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """What a manifest says. `blobs` are the digests that the repository must have, `members` the manifests."""

    digest: str
    media_type: str
    artifact_type: str
    blobs: tuple[str, ...]
    members: tuple[str, ...]
    subject: str
    size: int
    annotations: dict[str, str]


def digest_of(content: bytes) -> str:
    """The digest of some bytes as manifests write it."""
    return "sha256:" + hashlib.sha256(content).hexdigest()


def refused(said: str) -> InvalidParameterException:
    """A manifest that cannot be taken."""
    return InvalidParameterException(
        f"Invalid parameter at 'ImageManifest' failed to satisfy constraint: '{said}'"
    )


def parse(content: bytes, media_type: str = "") -> Manifest:
    """The parts of a manifest; `media_type` is what it came as. Raises InvalidParameterException."""
    if len(content) > MANIFEST_BYTES_MAX:
        raise refused(f"Member must have length less than or equal to {MANIFEST_BYTES_MAX}")
    try:
        value = orjson.loads(content)
    except orjson.JSONDecodeError as error:
        raise refused("Invalid JSON syntax") from error
    if not isinstance(value, dict) or value.get("schemaVersion") != 2:
        raise refused("Invalid JSON syntax")
    said = value.get("mediaType")
    kind = said if isinstance(said, str) and said else media_type or _guessed(value)
    if media_type and kind != media_type:
        raise InvalidParameterException(
            "Invalid parameter at 'ImageManifestMediaType' failed to satisfy constraint: "
            "'Image manifest media type does not match the one in the image manifest'"
        )
    if kind not in MEDIA_TYPES:
        raise refused(f"Unsupported media type {kind[:100]}")
    try:
        return _index(content, value, kind) if kind in INDEXES else _image(content, value, kind)
    except (KeyError, TypeError, ValueError) as error:
        raise refused("Invalid JSON syntax") from error


def _guessed(value: dict[str, Any]) -> str:
    """OCI's own manifests need not name their type."""
    return OCI_INDEX if "manifests" in value else OCI_MANIFEST


def _image(content: bytes, value: dict[str, Any], kind: str) -> Manifest:
    config = value["config"]
    layers = value["layers"]
    if not isinstance(layers, list) or len(layers) > LAYERS_MAX:
        raise refused(f"Member must have at most {LAYERS_MAX} layers")
    blobs = [_digest(config)]
    size = 0
    for layer in layers:
        size += _size(layer)
        if layer.get("mediaType") not in _FOREIGN:
            blobs.append(_digest(layer))
    artifact = value.get("artifactType") or config.get("mediaType") or ""
    return Manifest(
        digest=digest_of(content),
        media_type=kind,
        artifact_type=str(artifact)[:255],
        blobs=tuple(dict.fromkeys(blobs)),
        members=(),
        subject=_subject(value),
        size=size,
        annotations=_annotations(value),
    )


def _index(content: bytes, value: dict[str, Any], kind: str) -> Manifest:
    members = value["manifests"]
    if not isinstance(members, list) or len(members) > MEMBERS_MAX:
        raise refused(f"Member must have at most {MEMBERS_MAX} manifests")
    return Manifest(
        digest=digest_of(content),
        media_type=kind,
        artifact_type=str(value.get("artifactType") or "")[:255],
        blobs=(),
        members=tuple(dict.fromkeys(_digest(member) for member in members)),
        subject=_subject(value),
        size=sum(_size(member) for member in members),
        annotations=_annotations(value),
    )


def _digest(descriptor: dict[str, Any]) -> str:
    digest = descriptor["digest"]
    if not isinstance(digest, str) or not is_digest(digest):
        raise ValueError("digest")
    return digest


def _size(descriptor: dict[str, Any]) -> int:
    size = descriptor["size"]
    if not isinstance(size, int) or isinstance(size, bool) or size < 0:
        raise ValueError("size")
    return size


def _subject(value: dict[str, Any]) -> str:
    subject = value.get("subject")
    return _digest(subject) if subject is not None else ""


def _annotations(value: dict[str, Any]) -> dict[str, str]:
    found = value.get("annotations") or {}
    return {str(key): str(said) for key, said in found.items()}
