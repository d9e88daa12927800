"""Amazon DynamoDB."""

from __future__ import annotations

from serein.kernel.services import Service, Worker
from serein.services.dynamodb.access import policy_of
from serein.services.dynamodb.operations import (
    absent,
    batches,
    items,
    queries,
    settings,
    statements,
    table_updates,
    tables,
    transactions,
)
from serein.services.dynamodb.workers import expiry, figures, upkeep

SERVICE = Service(
    name="dynamodb",
    operations=(
        tables,
        table_updates,
        settings,
        items,
        queries,
        batches,
        transactions,
        statements,
        absent,
    ),
    policy_of=policy_of,
    workers=(
        Worker(name="dynamodb.purge", run=upkeep.purge),
        Worker(name="dynamodb.backfill", run=upkeep.backfill),
        Worker(name="dynamodb.expire", run=expiry.expire),
        Worker(name="dynamodb.trim", run=upkeep.trim),
        Worker(name="dynamodb.measure", run=figures.measure),
    ),
)
