"""Amazon CloudWatch Logs."""

from __future__ import annotations

from serein.kernel.services import Service, Worker
from serein.services.logs.access import invalid
from serein.services.logs.operations import (
    events,
    filtering,
    groups,
    live_tail,
    retention,
    streams,
    tags,
)
from serein.services.logs.workers import upkeep

SERVICE = Service(
    name="logs",
    operations=(groups, streams, events, filtering, live_tail, retention, tags),
    invalid=invalid,
    workers=(
        Worker(name="logs.purge", run=upkeep.purge),
        Worker(name="logs.retention", run=upkeep.retain),
    ),
)
