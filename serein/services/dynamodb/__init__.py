"""Amazon DynamoDB."""

from __future__ import annotations

from serein.kernel.services import Service, Worker
from serein.services.dynamodb.access import policy_of
from serein.services.dynamodb.conditions import conditions_of
from serein.services.dynamodb.limits import Limits
from serein.services.dynamodb.operations import (
    absent,
    backups,
    batches,
    exports,
    imports,
    insights,
    items,
    kinesis_destinations,
    policies,
    queries,
    restores,
    settings,
    statements,
    table_updates,
    tables,
    transactions,
)
from serein.services.dynamodb.rules.wording import invalid
from serein.services.dynamodb.workers import expiry, figures, recovery, replication, upkeep
from serein.services.dynamodb.workers import exports as export_work
from serein.services.dynamodb.workers import imports as import_work


def service(*, limited: bool = False) -> Service:
    """The service; `limited` where AWS's limits of pace (provisioned capacity and the like) are to be enforced."""
    limits = Limits() if limited else None
    more = (
        ()
        if limits is None
        else (Worker(name="dynamodb.consumption", run=limits.flush, everywhere=True),)
    )
    return Service(
        name="dynamodb",
        operations=(
            tables,
            table_updates,
            settings,
            policies,
            items,
            queries,
            batches,
            transactions,
            statements,
            insights,
            kinesis_destinations,
            backups,
            restores,
            exports,
            imports,
            absent,
        ),
        policy_of=policy_of,
        invalid=invalid,
        keys_of=conditions_of,
        around=limits.around if limits is not None else None,
        workers=(
            Worker(name="dynamodb.purge", run=upkeep.purge),
            Worker(name="dynamodb.backfill", run=upkeep.backfill),
            Worker(name="dynamodb.expire", run=expiry.expire),
            Worker(name="dynamodb.trim", run=upkeep.trim),
            Worker(name="dynamodb.copy", run=recovery.copy),
            Worker(name="dynamodb.export", run=export_work.export),
            Worker(name="dynamodb.import", run=import_work.fill),
            Worker(name="dynamodb.replicate", run=replication.replicate),
            Worker(name="dynamodb.stamps", run=replication.forget),
            Worker(name="dynamodb.forget", run=recovery.trim),
            Worker(name="dynamodb.measure", run=figures.measure),
            *more,
        ),
    )
