"""The promise between ECR and Lambda: ECR keeps layers here, Lambda holds on to those of the images that its functions run.

A layer (an image's configuration is one, too) is a blob under its digest, for each repository that has it. Lambda looks one up only after
ECR has granted `ecr:GetDownloadUrlForLayer` for the repository, and names the blob in its own records from then on: the
function goes on running when the image is deleted, and no byte is copied.
"""

from __future__ import annotations

import msgspec

from serein.store.tables import Table

# https://docs.aws.amazon.com/lambda/latest/dg/images-create.html#images-reqs
MANIFESTS = frozenset(
    {
        "application/vnd.docker.distribution.manifest.v2+json",
        "application/vnd.oci.image.manifest.v1+json",
    }
)
CONFIGS = frozenset(
    {
        "application/vnd.docker.container.image.v1+json",
        "application/vnd.oci.image.config.v1+json",
    }
)
LAYER_TYPES = frozenset(
    {
        "application/vnd.docker.image.rootfs.diff.tar",
        "application/vnd.docker.image.rootfs.diff.tar.gzip",
        "application/vnd.oci.image.layer.v1.tar",
        "application/vnd.oci.image.layer.v1.tar+gzip",
        "application/vnd.oci.image.layer.v1.tar+zstd",
    }
)


class Layer(msgspec.Struct, frozen=True, kw_only=True):
    """One layer of a repository: `size` bytes in `blob`, whose SHA-256 is `digest` (`sha256:…`)."""

    account: str
    region: str
    repository: str
    digest: str
    blob: str
    size: int
    uploaded_at: float
    images: int = 0  # of the repository that are made of it


LAYERS = Table(
    "ecr.layers",
    Layer,
    key=lambda layer: (layer.account, layer.region, layer.repository, layer.digest),
)
