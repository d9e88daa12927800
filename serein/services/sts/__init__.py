"""AWS Security Token Service: who am I, and temporary credentials."""

from __future__ import annotations

from serein.kernel.identities import Identities
from serein.kernel.services import Service
from serein.services.sts.operations import identity


def service(identities: Identities) -> Service:
    """The face of STS; roles and their trust are IAM's, reached through `identities`."""
    return Service(
        name="sts",
        operations=(identity,),
        denied=("AccessDenied", 403),
    )
