"""Exports and who imports them."""

from __future__ import annotations

from typing import Any

from serein.kernel.operations import Read, operation
from serein.services.cloudformation.access import ValidationError, anything
from serein.services.cloudformation.model import (
    ListExportsInput,
    ListExportsOutput,
    ListImportsInput,
    ListImportsOutput,
)
from serein.services.cloudformation.operations.descriptions import paged
from serein.services.cloudformation.records import EXPORTS, STACKS


@operation("ListExports", on=anything)
def list_exports(read: Read, request: ListExportsInput) -> ListExportsOutput:
    """All exports of the account in this region."""
    exports = list(read.scan(EXPORTS, (read.account, read.region)))
    page, token = paged("ListExports", exports, request.get("NextToken"))
    made = [
        {"ExportingStackId": item.stack_id, "Name": item.name, "Value": item.value} for item in page
    ]
    answer: dict[str, Any] = {"Exports": made, "NextToken": token}
    return answer  # type: ignore[return-value]


@operation("ListImports", on=anything)
def list_imports(read: Read, request: ListImportsInput) -> ListImportsOutput:
    """The stacks that use an export."""
    name = request["ExportName"]
    users = [
        stack.name
        for stack in read.scan(STACKS, (read.account, read.region))
        if name in stack.imports and stack.status != "DELETE_COMPLETE"
    ]
    if not users:
        raise ValidationError(f"Export '{name}' is not imported by any stack.")
    page, token = paged("ListImports", users, request.get("NextToken"))
    answer: dict[str, Any] = {"Imports": page, "NextToken": token}
    return answer  # type: ignore[return-value]
