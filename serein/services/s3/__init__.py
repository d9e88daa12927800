"""Amazon S3."""

from __future__ import annotations

from serein.kernel.services import Service, Worker
from serein.services.s3.access import existing_conditions, owner_of, policy_of
from serein.services.s3.operations import (
    buckets,
    copies,
    deletes,
    listings,
    multipart,
    notifications,
    objects,
    policies,
    settings,
    tagging,
    uploads,
    versioning,
)
from serein.services.s3.workers import garbage

SERVICE = Service(
    name="s3",
    operations=(
        buckets,
        copies,
        deletes,
        listings,
        multipart,
        notifications,
        objects,
        policies,
        settings,
        tagging,
        uploads,
        versioning,
    ),
    policy_of=policy_of,
    owner_of=owner_of,
    conditions_of=existing_conditions,
    denied=("AccessDenied", 403),
    workers=(Worker(name="s3.garbage", run=garbage.remove),),
)
