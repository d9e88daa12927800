"""The promise between a service with provisioned capacity and Application Auto Scaling: what was used, minute by minute.

DynamoDB writes it where it enforces its limits; Auto Scaling reads the last minutes of it, as it would read CloudWatch's
metrics at AWS. Each process that serves adds rows of its own (`writer`).
"""

from __future__ import annotations

import msgspec

from serein.store.tables import Table

MINUTE_S = 60
KEPT_S = 3 * 3600


class Consumption(msgspec.Struct, frozen=True, kw_only=True):
    """Units used of one resource in one minute (numbered from the epoch), and how many requests were throttled.

    `resource` is as Auto Scaling names it: `table/orders`, `table/orders/index/by-date`.
    """

    account: str
    region: str
    resource: str
    minute: int
    writer: str
    read: float = 0.0
    write: float = 0.0
    reads_throttled: int = 0
    writes_throttled: int = 0


CONSUMPTION = Table(
    "dynamodb.consumption",
    Consumption,
    key=lambda one: (one.account, one.region, one.resource, one.minute, one.writer),
)
