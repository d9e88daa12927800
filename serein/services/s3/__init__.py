"""Amazon S3."""

from __future__ import annotations

from serein.kernel.identities import Identities
from serein.kernel.services import Service, Site, Worker
from serein.services.s3 import cors
from serein.services.s3.access import existing_conditions, owner_of, policy_of
from serein.services.s3.operations import (
    buckets,
    copies,
    deletes,
    listings,
    locks,
    multipart,
    notifications,
    objects,
    policies,
    reports,
    restores,
    settings,
    tagging,
    uploads,
    versioning,
)
from serein.services.s3.raw import Raw
from serein.services.s3.records import HOLDS
from serein.services.s3.request_keys import keys_of
from serein.services.s3.sites import website
from serein.services.s3.workers import garbage, lifecycle


def service(identities: Identities, *, is_open: bool, account: str) -> Service:
    """The face of S3. `identities` know who signs browser forms; `is_open` and `account` are the front's."""
    return Service(
        name="s3",
        operations=(
            buckets,
            copies,
            deletes,
            listings,
            locks,
            multipart,
            notifications,
            objects,
            policies,
            reports,
            restores,
            settings,
            tagging,
            uploads,
            versioning,
        ),
        policy_of=policy_of,
        owner_of=owner_of,
        conditions_of=existing_conditions,
        keys_of=keys_of,
        denied=("AccessDenied", 403),
        raw=Raw(identities, is_open=is_open, account=account),
        decorate=cors.decorate,
        holds=HOLDS,
        workers=(
            Worker(name="s3.garbage", run=garbage.remove),
            Worker(name="s3.lifecycle", run=lifecycle.keep_house),
        ),
        sites=(Site(name="s3-website", handle=website.handle, host_label="s3-website"),),
    )
