"""Listings of what Serein cannot make yet, so that there is none of it: exports, imports, global tables.

Inventories and infrastructure tools ask; the operations that would make such things answer "not implemented".
"""

from __future__ import annotations

from typing import Any

from serein.kernel.operations import Read, operation
from serein.services.dynamodb.model import (
    ListExportsInput,
    ListGlobalTablesInput,
    ListImportsInput,
)

Answer = dict[str, Any]


@operation("ListGlobalTables")
def list_global_tables(read: Read, request: ListGlobalTablesInput) -> Answer:
    """No global tables."""
    return {"GlobalTables": []}


@operation("ListExports")
def list_exports(read: Read, request: ListExportsInput) -> Answer:
    """No exports."""
    return {"ExportSummaries": []}


@operation("ListImports")
def list_imports(read: Read, request: ListImportsInput) -> Answer:
    """No imports."""
    return {"ImportSummaryList": []}
