"""AWS Identity and Access Management."""

from __future__ import annotations

from serein.kernel.services import Service
from serein.services.iam.identities import StoredIdentities

SERVICE = Service(name="iam", operations=(), denied=("AccessDenied", 403))

__all__ = ["SERVICE", "StoredIdentities"]
