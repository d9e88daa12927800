"""Amazon SQS: standard and FIFO queues."""

from __future__ import annotations

from serein.kernel.services import Service, Worker
from serein.services.sqs.access import invalid, owner_of, policy_of
from serein.services.sqs.operations import (
    moves,
    permissions,
    queues,
    receipts,
    receiving,
    sending,
    tags,
)
from serein.services.sqs.workers import upkeep

SERVICE = Service(
    name="sqs",
    operations=(queues, sending, receiving, receipts, permissions, tags, moves),
    policy_of=policy_of,
    owner_of=owner_of,
    invalid=invalid,
    denied=("AccessDenied", 403),
    workers=(
        Worker(name="sqs.expire", run=upkeep.expire),
        Worker(name="sqs.move", run=upkeep.move),
    ),
)
