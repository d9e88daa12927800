"""What Lambda remembers."""

from __future__ import annotations

from typing import Any, TypeAlias

import msgspec

from serein.base.arn import make_arn
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


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """What holds for all versions of a function."""

    account: str
    region: str
    function: str
    last_version: int = 0
    published: str = ""  # the fingerprint of $LATEST when the last version was made of it
    reserved_concurrency: int | None = None
    recursive_loop: str = "Terminate"
    update_runtime_on: str = "Auto"


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

    @property
    def arn(self) -> str:
        """The mapping's ARN."""
        return make_arn("lambda", self.region, self.account, f"event-source-mapping:{self.id}")


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
EVENT_CONFIGS = Table(
    "lambda.event_invoke_configs",
    EventInvokeConfig,
    key=lambda c: (c.account, c.region, c.function, c.qualifier),
)
URLS = Table("lambda.urls", UrlConfig, key=lambda u: (u.account, u.region, u.function, u.qualifier))
URLS_BY_ID = Table("lambda.urls_by_id", UrlConfig, key=lambda u: (u.id,), cached=True)
MAPPINGS = Table("lambda.mappings", Mapping, key=lambda m: (m.account, m.region, m.id))
ASYNC_EVENTS = Table("lambda.async_events", AsyncEvent, key=lambda e: (e.due_at, e.id))
LAYERS = Table(
    "lambda.layers", LayerVersion, key=lambda v: (v.account, v.region, v.name, v.version)
)
LAYER_COUNTERS = Table(
    "lambda.layer_counters", LayerCounter, key=lambda c: (c.account, c.region, c.name)
)

ASYNC_DOORBELL = "serein:lambda:async"
MAPPINGS_DOORBELL = "serein:lambda:mappings"
