"""What Lambda remembers."""

from __future__ import annotations

from typing import Any, TypeAlias

import msgspec

from serein.base.arn import make_arn
from serein.kernel.sweeper import holds
from serein.store.tables import Table

Request: TypeAlias = dict[str, Any]
Answer: TypeAlias = dict[str, Any]

LATEST = 0  # how the version $LATEST is kept: before every number


class LayerUse(msgspec.Struct, frozen=True, kw_only=True):
    """A layer version that a function was configured with."""

    arn: str
    code_size: int
    code_sha256: str
    blob: str
    unzipped: int = 0


class LayerBlob(msgspec.Struct, frozen=True, kw_only=True):
    """A layer of an image: `size` bytes in a blob that the image's registry wrote."""

    digest: str
    blob: str
    size: int


class ImageUse(msgspec.Struct, frozen=True, kw_only=True):
    """The container image that a function was deployed with. Its blobs are held on to, whatever becomes of it at its registry."""

    uri: str
    resolved_uri: str
    digest: str
    config_blob: str
    layers: tuple[LayerBlob, ...]


class Function(msgspec.Struct, frozen=True, kw_only=True):
    """One version of a function: its code and its configuration. `version` 0 is $LATEST."""

    account: str
    region: str
    name: str
    version: int
    runtime: str
    role: str
    handler: str
    description: str
    timeout_s: int
    memory_mb: int
    ephemeral_mb: int
    environment: dict[str, str] | None
    layers: tuple[LayerUse, ...]
    architectures: tuple[str, ...]
    tracing: str
    dead_letter_arn: str
    vpc: dict[str, Any] | None
    logging: dict[str, Any]
    snap_start: str
    kms_key_arn: str
    file_systems: tuple[dict[str, str], ...] = ()
    code_blob: str
    code_sha256: str
    code_size: int
    revision: str
    modified_at: float
    update_runtime_on: str = "Auto"
    runtime_version_arn: str = ""
    build: str = ""  # another one for each change of what its environments are made of
    unzipped: int = 0  # bytes
    image: ImageUse | None = None  # instead of an archive
    image_config: dict[str, Any] | None = (
        None  # what it says instead of its image: EntryPoint, Command, WorkingDirectory
    )

    @property
    def image_blobs(self) -> list[str]:
        """The blobs of its image."""
        image = self.image
        return [] if image is None else [image.config_blob, *(layer.blob for layer in image.layers)]

    @property
    def identity(self) -> str:
        """What its environments are known by: revisions also change with policies and versions."""
        return self.build or self.revision

    @property
    def arn(self) -> str:
        """The function's ARN, without a version."""
        return make_arn("lambda", self.region, self.account, f"function:{self.name}")

    @property
    def version_text(self) -> str:
        """`$LATEST` or the number."""
        return str(self.version) if self.version else "$LATEST"

    @property
    def qualified_arn(self) -> str:
        """The ARN with the version."""
        return f"{self.arn}:{self.version_text}"


class Alias(msgspec.Struct, frozen=True, kw_only=True):
    """A name for a version, or for two with a weight for the second."""

    account: str
    region: str
    function: str
    name: str
    version: str
    description: str
    weights: dict[str, float]
    revision: str


class Policy(msgspec.Struct, frozen=True, kw_only=True):
    """The resource policy of a function, a version or an alias (`qualifier`, "" for the function)."""

    account: str
    region: str
    function: str
    qualifier: str
    statements: tuple[dict[str, Any], ...]
    revision: str
    text: str = ""  # the whole document, as it is judged for every invocation


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """What holds for all versions of a function."""

    account: str
    region: str
    function: str
    last_version: int = 0
    published: str = ""  # the fingerprint of $LATEST when the last version was made of it
    reserved_concurrency: int | None = None
    recursive_loop: str = "Terminate"
    code_signing_config: str = ""  # the ARN of the one that its deployments are held to


class ProvisionedConcurrency(msgspec.Struct, frozen=True, kw_only=True):
    """Environments of a version that are to be kept ready; `qualifier` is a version or an alias."""

    account: str
    region: str
    function: str
    qualifier: str
    requested: int
    modified_at: float
    allocated: int = 0
    status: str = "IN_PROGRESS"
    reason: str = ""


class CodeSigningConfig(msgspec.Struct, frozen=True, kw_only=True):
    """Who may sign what is deployed, and what happens to what is not signed."""

    account: str
    region: str
    id: str
    description: str
    publishers: tuple[str, ...]
    untrusted: str  # Warn or Enforce
    modified_at: float

    @property
    def arn(self) -> str:
        """The configuration's ARN."""
        return make_arn("lambda", self.region, self.account, f"code-signing-config:{self.id}")


class EventInvokeConfig(msgspec.Struct, frozen=True, kw_only=True):
    """How asynchronous invocations of a qualifier are retried, and where their outcomes go."""

    account: str
    region: str
    function: str
    qualifier: str
    retries_max: int | None
    age_s_max: int | None
    on_success: str | None
    on_failure: str | None
    modified_at: float


class UrlConfig(msgspec.Struct, frozen=True, kw_only=True):
    """A function URL."""

    account: str
    region: str
    function: str
    qualifier: str
    id: str
    auth_type: str
    cors: dict[str, Any] | None
    invoke_mode: str
    created_at: float
    modified_at: float


class Mapping(msgspec.Struct, frozen=True, kw_only=True):
    """An event source mapping."""

    account: str
    region: str
    id: str
    function: str
    qualifier: str
    source_arn: str
    batch_size: int
    window_s: int
    enabled: bool
    filters: tuple[str, ...]
    response_types: tuple[str, ...]
    concurrency_max: int | None
    modified_at: float
    state: str
    transition_reason: str = "USER_INITIATED"
    created_at: float = 0.0
    result: str = ""  # the last processing result, of streams
    kms_key_arn: str = ""
    metrics: tuple[str, ...] = ()
    pollers: dict[str, int] | None = None
    # What only streams have.
    starting_position: str = ""
    starting_at: float | None = None
    parallelization: int = 1
    bisects: bool = False
    retries_max: int = -1
    age_s_max: int = -1
    tumbling_s: int = 0
    on_failure: str = ""

    @property
    def arn(self) -> str:
        """The mapping's ARN."""
        return make_arn("lambda", self.region, self.account, f"event-source-mapping:{self.id}")


class Checkpoint(msgspec.Struct, frozen=True, kw_only=True):
    """How far a mapping has read a shard, for each of its lanes (records of a key always have the same lane).

    `done` is the sequence number of the last record dealt with; the window is the lane's open tumbling window, with the
    function's state ("" when none is open).
    """

    mapping: str
    shard: str
    lanes: int = 1
    lane: int = 0
    done: str = ""
    window_start: float = 0.0
    window_end: float = 0.0
    window_state: str = ""


class AsyncEvent(msgspec.Struct, frozen=True, kw_only=True):
    """An event accepted for a function, until its outcome is known."""

    due_at: float
    id: str
    account: str
    region: str
    function: str
    qualifier: str
    payload: bytes
    accepted_at: float
    attempts: int = 0
    throttles: int = 0
    client_context: str | None = None
    trace: str | None = None
    last_version: str = ""  # of the last try that failed
    last_answer: bytes = b""
    lineage: str = ""  # who called whom so far, of a chain without an end in sight


class LayerVersion(msgspec.Struct, frozen=True, kw_only=True):
    """One version of a layer."""

    account: str
    region: str
    name: str
    version: int
    description: str
    license: str
    runtimes: tuple[str, ...]
    architectures: tuple[str, ...]
    code_blob: str
    code_sha256: str
    code_size: int
    created_at: float
    statements: tuple[dict[str, Any], ...] = ()
    policy_revision: str = ""
    unzipped: int = 0

    @property
    def layer_arn(self) -> str:
        """The layer's ARN."""
        return make_arn("lambda", self.region, self.account, f"layer:{self.name}")

    @property
    def arn(self) -> str:
        """The version's ARN."""
        return f"{self.layer_arn}:{self.version}"


class LayerCounter(msgspec.Struct, frozen=True, kw_only=True):
    """The last version number of a layer: numbers are never used again."""

    account: str
    region: str
    name: str
    last: int


FUNCTIONS = Table(
    "lambda.functions",
    Function,
    key=lambda f: (f.account, f.region, f.name, f.version),
    cached=True,
)
ALIASES = Table(
    "lambda.aliases",
    Alias,
    key=lambda a: (a.account, a.region, a.function, a.name),
    cached=True,
)
POLICIES = Table(
    "lambda.policies",
    Policy,
    key=lambda p: (p.account, p.region, p.function, p.qualifier),
    cached=True,
)
SETTINGS = Table(
    "lambda.settings", Settings, key=lambda s: (s.account, s.region, s.function), cached=True
)
PROVISIONED = Table(
    "lambda.provisioned_concurrency",
    ProvisionedConcurrency,
    key=lambda p: (p.account, p.region, p.function, p.qualifier),
)
CODE_SIGNING = Table(
    "lambda.code_signing_configs",
    CodeSigningConfig,
    key=lambda c: (c.account, c.region, c.id),
)
CHECKPOINTS = Table(
    "lambda.checkpoints", Checkpoint, key=lambda c: (c.mapping, c.shard, c.lanes, c.lane)
)
EVENT_CONFIGS = Table(
    "lambda.event_invoke_configs",
    EventInvokeConfig,
    key=lambda c: (c.account, c.region, c.function, c.qualifier),
)
URLS = Table("lambda.urls", UrlConfig, key=lambda u: (u.account, u.region, u.function, u.qualifier))
URLS_BY_ID = Table("lambda.urls_by_id", UrlConfig, key=lambda u: (u.id,), cached=True)
MAPPINGS = Table("lambda.mappings", Mapping, key=lambda m: (m.account, m.region, m.id))
ASYNC_QUEUE = Table(
    "lambda.async_queue",
    AsyncEvent,
    key=lambda e: (e.account, e.region, e.function, e.due_at, e.id),
)
# As events were kept before each function had a queue; emptied into the other when the worker starts.
ASYNC_EVENTS = Table("lambda.async_events", AsyncEvent, key=lambda e: (e.due_at, e.id))
LAYERS = Table(
    "lambda.layers", LayerVersion, key=lambda v: (v.account, v.region, v.name, v.version)
)
LAYER_COUNTERS = Table(
    "lambda.layer_counters", LayerCounter, key=lambda c: (c.account, c.region, c.name)
)

ASYNC_DOORBELL = "serein:lambda:async"
MAPPINGS_DOORBELL = "serein:lambda:mappings"
PROVISIONED_DOORBELL = "serein:lambda:provisioned"

HOLDS = (
    holds(
        FUNCTIONS,
        lambda f: [f.code_blob, *[layer.blob for layer in f.layers], *f.image_blobs],
    ),
    holds(LAYERS, lambda layer: (layer.code_blob,)),
)
