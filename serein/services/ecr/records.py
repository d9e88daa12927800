"""What the registry remembers."""

from __future__ import annotations

from typing import Any, TypeAlias

import msgspec

from serein.base.arn import make_arn
from serein.contracts.container_images import LAYERS
from serein.kernel.sweeper import holds
from serein.store.tables import BytesTable, Table

Request: TypeAlias = dict[str, Any]
Answer: TypeAlias = dict[str, Any]


class Repository(msgspec.Struct, frozen=True, kw_only=True):
    """A repository. `policy` and `lifecycle` are JSON texts, "" for none."""

    account: str
    region: str
    name: str
    created_at: float
    mutability: str = "MUTABLE"
    exclusions: tuple[str, ...] = ()
    scan_on_push: bool = False
    encryption: str = "AES256"
    kms_key: str = ""
    policy: str = ""
    lifecycle: str = ""
    lifecycle_at: float = 0.0  # when the lifecycle policy was last evaluated

    @property
    def arn(self) -> str:
        """The repository's ARN."""
        return make_arn("ecr", self.region, self.account, f"repository/{self.name}")


class Image(msgspec.Struct, frozen=True, kw_only=True):
    """A manifest in a repository. `size` is that of its layers together."""

    account: str
    region: str
    repository: str
    digest: str
    media_type: str
    artifact_type: str
    size: int
    pushed_at: float
    tags: tuple[str, ...] = ()
    pulled_at: float = 0.0
    subject: str = ""  # the digest of the manifest that it refers to
    members: tuple[str, ...] = ()  # of an index: the digests of its manifests
    annotations: dict[str, str] = {}


class ImageTag(msgspec.Struct, frozen=True, kw_only=True):
    """A name for an image."""

    account: str
    region: str
    repository: str
    tag: str
    digest: str


class Referrer(msgspec.Struct, frozen=True, kw_only=True):
    """An image that names another one as its subject."""

    account: str
    region: str
    repository: str
    subject: str
    digest: str


class Part(msgspec.Struct, frozen=True):
    """A piece of an upload; `sha256` is the hexadecimal digest of this piece alone."""

    blob: str
    size: int
    sha256: str


class Upload(msgspec.Struct, frozen=True, kw_only=True):
    """A layer that is being uploaded, until `expires_at` (epoch seconds)."""

    account: str
    region: str
    repository: str
    id: str
    expires_at: float
    parts: tuple[Part, ...] = ()

    @property
    def size(self) -> int:
        """The bytes received."""
        return sum(part.size for part in self.parts)


class Expiry(msgspec.Struct, frozen=True, kw_only=True):
    """When an upload is given up, in the order of time."""

    due_at: float
    account: str
    region: str
    repository: str
    upload: str


class Unused(msgspec.Struct, frozen=True, kw_only=True):
    """When to look whether a layer has an image, in the order of time."""

    due_at: float
    account: str
    region: str
    repository: str
    digest: str


class Preview(msgspec.Struct, frozen=True, kw_only=True):
    """A lifecycle policy that somebody asked about: what it would have done then."""

    account: str
    region: str
    repository: str
    policy: str
    made_at: float


class Registry(msgspec.Struct, frozen=True, kw_only=True):
    """What holds for an account's whole registry in a region."""

    account: str
    region: str
    policy: str = ""
    replication: tuple[dict[str, Any], ...] = ()
    scan_type: str = "BASIC"
    scan_rules: tuple[dict[str, Any], ...] = ()
    settings: dict[str, str] = {}


class Template(msgspec.Struct, frozen=True, kw_only=True):
    """What repositories that are made by pushing get; `shown` is the rest of it as AWS shows it."""

    account: str
    region: str
    prefix: str
    created_at: float
    updated_at: float
    shown: dict[str, Any]


class TokenKey(msgspec.Struct, frozen=True, kw_only=True):
    """A key for authorization tokens. The newest seals; older ones still open."""

    number: int
    secret: bytes
    created_at: float


REPOSITORIES = Table(
    "ecr.repositories", Repository, key=lambda r: (r.account, r.region, r.name), cached=True
)
IMAGES = Table("ecr.images", Image, key=lambda i: (i.account, i.region, i.repository, i.digest))
MANIFESTS = BytesTable("ecr.manifests")
TAGS = Table("ecr.tags", ImageTag, key=lambda t: (t.account, t.region, t.repository, t.tag))
REFERRERS = Table(
    "ecr.referrers",
    Referrer,
    key=lambda r: (r.account, r.region, r.repository, r.subject, r.digest),
)
UPLOADS = Table("ecr.uploads", Upload, key=lambda u: (u.account, u.region, u.repository, u.id))
EXPIRIES = Table(
    "ecr.expiries", Expiry, key=lambda e: (e.due_at, e.account, e.region, e.repository, e.upload)
)
UNUSED = Table(
    "ecr.unused_layers",
    Unused,
    key=lambda u: (u.due_at, u.account, u.region, u.repository, u.digest),
)
PREVIEWS = Table("ecr.previews", Preview, key=lambda p: (p.account, p.region, p.repository))
REGISTRIES = Table("ecr.registries", Registry, key=lambda r: (r.account, r.region), cached=True)
TEMPLATES = Table("ecr.templates", Template, key=lambda t: (t.account, t.region, t.prefix))
TOKEN_KEYS = Table("ecr.token_keys", TokenKey, key=lambda k: (k.number,), cached=True)

HOLDS = (
    holds(LAYERS, lambda layer: (layer.blob,)),
    holds(UPLOADS, lambda upload: [part.blob for part in upload.parts]),
)

UPKEEP_DOORBELL = "serein:ecr:upkeep"
LIFECYCLE_DOORBELL = "serein:ecr:lifecycle"
