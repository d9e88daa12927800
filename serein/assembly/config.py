"""What a house is told before it starts, and how it says that it cannot."""

from __future__ import annotations

from pathlib import Path

import msgspec


class StartFailure(Exception):
    """Serein cannot start; the message says why and how to mend it."""


class Config(msgspec.Struct, frozen=True, kw_only=True):
    """What `serein up` was told. `data` None keeps everything in memory."""

    host: str = "127.0.0.1"
    port: int = 4566
    data: Path | None = None
    store: str | None = None
    """The address of a database that several nodes share, in place of `data`."""
    blobs: str | None = None
    """The bucket of the bytes of objects, where they are not to lie in that database."""
    auth_open: bool = True
    auth_records: bool = False
    """Whether what would be refused to a principal is recorded and allowed."""
    account: str = "000000000000"
    region: str = "us-east-1"
    tls_port: int | None = None
    tls_cert: Path | None = None
    tls_key: Path | None = None
    development: bool = False
    """Whether the clock may be moved and faults set."""
    grace_s: float = 5.0
    dynamodb_limits: bool = False
    isolation: str = "auto"
    """`required`: functions run sandboxed or not at all. `off`: as plain processes."""
    processes_max: int = 64
    """How many functions run at a time."""
    functions_reach: tuple[tuple[str, int], ...] = ()
    """Addresses and ports of this machine that functions may connect to."""
    advertise: str | None = None
    """Of several nodes: where the others reach this one (host:port). None: nobody hands it invocations."""
    free_bytes_min: int | None = None
    """Less free on the disk of `data`, and only what removes is written. None: 200 MB, at most 5 % of the disk."""
    otlp: str | None = None
    """Where spans are sent: an OpenTelemetry collector's URL."""
    ephemeral: bool = False
    """Whether `data` (of several worker processes) is a folder in memory that goes at the end."""

    @property
    def is_ephemeral(self) -> bool:
        """Whether nothing is left behind."""
        return self.ephemeral or (self.data is None and self.store is None)
