"""Container images made by hand: layers, configurations and manifests as bytes."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import Mapping, Sequence
from typing import Any

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"

Entry = tarfile.TarInfo | tuple[tarfile.TarInfo, bytes]


def digest_of(content: bytes) -> str:
    """`sha256:…` of some bytes."""
    return "sha256:" + hashlib.sha256(content).hexdigest()


def entry(name: str, content: bytes | None = None, *, mode: int = 0o644, **given: Any) -> Entry:
    """An entry of an archive; a folder when there is no content and no other type."""
    info = tarfile.TarInfo(name)
    info.mode = mode
    info.mtime = 1_700_000_000
    for key, value in given.items():
        setattr(info, key, value)
    if content is None and "type" not in given:
        info.type = tarfile.DIRTYPE
    info.size = len(content) if content is not None else info.size
    return info if content is None else (info, content)


def archive(entries: Sequence[Entry]) -> bytes:
    """A tar archive."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as made:
        for one in entries:
            info, content = one if isinstance(one, tuple) else (one, None)
            made.addfile(info, io.BytesIO(content) if content is not None else None)
    return buffer.getvalue()


def folder_of(files: Mapping[str, bytes], *, executable: Sequence[str] = ()) -> bytes:
    """A tar archive of files."""
    return archive(
        [entry(n, c, mode=0o755 if n in executable else 0o644) for n, c in files.items()]
    )


class Image:
    """An image: `blobs` by digest (with its configuration), and its `manifest`."""

    def __init__(
        self, layers: Sequence[bytes], config: Mapping[str, Any] | None = None, **top: Any
    ) -> None:
        self.unpressed = layers
        pressed = [gzip.compress(layer, 1, mtime=0) for layer in layers]
        facts = {
            "architecture": "amd64",
            "os": "linux",
            "config": dict(config or {}),
            "rootfs": {"type": "layers", "diff_ids": [digest_of(layer) for layer in layers]},
        }
        self.config = json.dumps(facts).encode()
        self.layers = pressed
        self.blobs = {digest_of(one): one for one in (self.config, *pressed)}
        self.manifest = json.dumps(
            {
                "schemaVersion": 2,
                "mediaType": MANIFEST,
                "config": descriptor(self.config, CONFIG),
                "layers": [descriptor(one, LAYER) for one in pressed],
                **top,
            }
        ).encode()

    @property
    def digest(self) -> str:
        """The digest of the manifest."""
        return digest_of(self.manifest)


def descriptor(content: bytes, media_type: str) -> dict[str, Any]:
    """What a manifest says of a blob."""
    return {"mediaType": media_type, "digest": digest_of(content), "size": len(content)}


def push_by_api(ecr: Any, repository: str, image: Image, tag: str = "") -> str:
    """Push an image by ECR's own operations; its digest."""
    for content in image.blobs.values():
        digest = digest_of(content)
        found = ecr.batch_check_layer_availability(repositoryName=repository, layerDigests=[digest])
        if found["layers"][0]["layerAvailability"] == "AVAILABLE":
            continue
        upload = ecr.initiate_layer_upload(repositoryName=repository)["uploadId"]
        ecr.upload_layer_part(
            repositoryName=repository,
            uploadId=upload,
            partFirstByte=0,
            partLastByte=len(content) - 1,
            layerPartBlob=content,
        )
        ecr.complete_layer_upload(repositoryName=repository, uploadId=upload, layerDigests=[digest])
    named = {"imageTag": tag} if tag else {}
    made = ecr.put_image(repositoryName=repository, imageManifest=image.manifest.decode(), **named)
    return str(made["image"]["imageId"]["imageDigest"])
