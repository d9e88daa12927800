"""What DAX remembers: clusters with their nodes, parameter and subnet groups, events, and lists of attribute names."""

from __future__ import annotations

import msgspec

from serein.store.tables import Table

DEFAULT_TTL_MS = 300_000


class Node(msgspec.Struct, frozen=True, kw_only=True):
    """One node of a cluster. `boots` counts its starts: what it cached is gone with each."""

    id: str
    zone: str
    status: str
    created_at: float
    boots: int = 0


class Cluster(msgspec.Struct, frozen=True, kw_only=True):
    """A cluster. `id` tells it from earlier ones of its name; `port` is 0 until its listener has been there."""

    account: str
    region: str
    name: str
    id: str
    status: str
    node_type: str
    role_arn: str
    nodes: tuple[Node, ...]
    parameter_group: str
    subnet_group: str
    created_at: float
    port: int = 0
    description: str | None = None
    security_groups: tuple[str, ...] = ()
    window: str = ""
    topic_arn: str | None = None
    topic_status: str = "active"
    is_encrypted: bool = False
    """Whether clients come by TLS (`daxs://`)."""
    has_sse: bool = False
    network_type: str = "ipv4"
    removing: tuple[str, ...] = ()
    """The ids of nodes on their way out."""

    @property
    def key(self) -> tuple[str, str, str]:
        """Its place in CLUSTERS."""
        return self.account, self.region, self.name

    @property
    def arn(self) -> str:
        """What policies and tags call it."""
        return f"arn:aws:dax:{self.region}:{self.account}:cache/{self.name}"


class ParameterGroup(msgspec.Struct, frozen=True, kw_only=True):
    """How long clusters of the group keep what they cached, milliseconds."""

    account: str
    region: str
    name: str
    description: str | None = None
    record_ttl_ms: int = DEFAULT_TTL_MS
    query_ttl_ms: int = DEFAULT_TTL_MS


class SubnetGroup(msgspec.Struct, frozen=True, kw_only=True):
    """Subnets that a cluster could be in; Serein has none, the ids are as given."""

    account: str
    region: str
    name: str
    subnets: tuple[str, ...]
    description: str | None = None


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """Something that happened to a cluster or group."""

    account: str
    region: str
    at: float
    id: str
    source: str
    source_type: str
    message: str


class AttributeList(msgspec.Struct, frozen=True, kw_only=True):
    """The names of an item's attributes, which clients know by its id for as long as the cluster is there."""

    cluster: str
    id: int
    names: tuple[str, ...]


CLUSTERS = Table("dax.clusters", Cluster, key=lambda one: one.key, cached=True)
PARAMETER_GROUPS = Table(
    "dax.parameter_groups", ParameterGroup, key=lambda one: (one.account, one.region, one.name)
)
SUBNET_GROUPS = Table(
    "dax.subnet_groups", SubnetGroup, key=lambda one: (one.account, one.region, one.name)
)
EVENTS = Table("dax.events", Event, key=lambda one: (one.account, one.region, one.at, one.id))
ATTRIBUTE_LISTS = Table("dax.attribute_lists", AttributeList, key=lambda one: (one.cluster, one.id))
