"""Amazon Elastic Container Registry: the API, and the registry that container tools talk to."""

from __future__ import annotations

from serein.kernel.services import Service, Site, Worker
from serein.services.ecr.access import policy_of
from serein.services.ecr.operations import (
    images,
    layers,
    lifecycle,
    policies,
    registry,
    repositories,
    tags,
    templates,
    tokens,
)
from serein.services.ecr.records import HOLDS
from serein.services.ecr.rules.words import invalid
from serein.services.ecr.sites import blobs, manifests
from serein.services.ecr.sites import registry as site
from serein.services.ecr.workers import lifecycle as expiring
from serein.services.ecr.workers import upkeep

_HANDLE = site.site(
    {
        "blob": blobs.blob,
        "catalog": manifests.catalog,
        "manifest": manifests.manifest,
        "ping": site.ping,
        "referrers": manifests.referrers,
        "tags": manifests.tags,
        "upload": blobs.upload,
        "uploads": blobs.uploads,
    }
)

SERVICE = Service(
    name="ecr",
    operations=(
        images,
        layers,
        lifecycle,
        policies,
        registry,
        repositories,
        tags,
        templates,
        tokens,
    ),
    policy_of=policy_of,
    invalid=invalid,
    holds=HOLDS,
    workers=(
        Worker(name="ecr.lifecycle", run=expiring.expire),
        Worker(name="ecr.uploads", run=upkeep.give_up),
    ),
    sites=(
        Site(
            name="ecr-registry",
            handle=_HANDLE,
            host_label="dkr",
            path_prefixes=("/v2/",),
            wants=site.is_registry,
        ),
        Site(name="ecr-layers", handle=site.download, path_prefixes=(layers.DOWNLOADS,)),
    ),
)
