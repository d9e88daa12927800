"""How much memory the nodes of each type have: https://aws.amazon.com/dynamodb/pricing/ ("DAX")."""

from __future__ import annotations

from collections.abc import Mapping

MEMORY_GIB: Mapping[str, float] = {
    "dax.t2.small": 2,
    "dax.t2.medium": 4,
    "dax.t3.small": 2,
    "dax.t3.medium": 4,
    "dax.r3.large": 15.25,
    "dax.r3.xlarge": 30.5,
    "dax.r3.2xlarge": 61,
    "dax.r3.4xlarge": 122,
    "dax.r3.8xlarge": 244,
    "dax.r4.large": 15.25,
    "dax.r4.xlarge": 30.5,
    "dax.r4.2xlarge": 61,
    "dax.r4.4xlarge": 122,
    "dax.r4.8xlarge": 244,
    "dax.r4.16xlarge": 488,
    "dax.r5.large": 16,
    "dax.r5.xlarge": 32,
    "dax.r5.2xlarge": 64,
    "dax.r5.4xlarge": 128,
    "dax.r5.8xlarge": 256,
    "dax.r5.12xlarge": 384,
    "dax.r5.16xlarge": 512,
    "dax.r5.24xlarge": 768,
    "dax.r7i.large": 16,
    "dax.r7i.xlarge": 32,
    "dax.r7i.2xlarge": 64,
    "dax.r7i.4xlarge": 128,
    "dax.r7i.8xlarge": 256,
    "dax.r7i.12xlarge": 384,
    "dax.r7i.16xlarge": 512,
    "dax.r7i.24xlarge": 768,
}

_GIB = 1 << 30
_OF_THE_MACHINE = 8
"""A cluster's cache has at most one part in so many of the memory that there is."""


def cache_bytes_max(node_type: str, machine_bytes: int) -> int:
    """How many bytes a cluster of that type caches: as its nodes would, and never so many that the machine suffers."""
    wanted = int(MEMORY_GIB.get(node_type, 2) * _GIB * 3 / 4)
    return min(wanted, max(machine_bytes // _OF_THE_MACHINE, 1 << 20))
