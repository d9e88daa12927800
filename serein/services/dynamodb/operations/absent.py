"""Listings of what Serein cannot make yet, so that there is none of it: global tables.

Inventories and infrastructure tools ask; the operations that would make such things answer "not implemented".
"""

from __future__ import annotations

from typing import Any

from serein.kernel.operations import Read, operation
from serein.services.dynamodb.model import (
    ListGlobalTablesInput,
)

Answer = dict[str, Any]


@operation("ListGlobalTables")
def list_global_tables(read: Read, request: ListGlobalTablesInput) -> Answer:
    """No global tables."""
    return {"GlobalTables": []}
