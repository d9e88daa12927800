"""AWS Organizations: many accounts under one root, and the policies that bind them."""

from __future__ import annotations

from serein.kernel.services import Service, Worker
from serein.services.organizations.access import own_account, whole_arn
from serein.services.organizations.conditions import keys_of
from serein.services.organizations.operations import (
    accounts,
    delegation,
    handshakes,
    organization,
    policies,
    resource_policies,
    tags,
    units,
)
from serein.services.organizations.rules.errors import invalid
from serein.services.organizations.workers import openings

SERVICE = Service(
    name="organizations",
    operations=(
        accounts,
        delegation,
        handshakes,
        organization,
        policies,
        resource_policies,
        tags,
        units,
    ),
    arn_of=whole_arn,
    owner_of=own_account,
    keys_of=keys_of,
    denied=("AccessDeniedException", 400),
    invalid=invalid,
    workers=(Worker(name="organizations.openings", run=openings.finish),),
)
