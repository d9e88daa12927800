"""`/_serein/faults`: what goes wrong on purpose.

GET                                  {"faults": [{"id", "service", "operation", "kind", …, "matched", "struck"}]}
POST {"service": "sqs", "operation": "SendMessage", "kind": "throttle", "probability": 0.1, …}
DELETE {"ids": ["f-…"]}              these, or all without ids
"""

from __future__ import annotations

import msgspec

from serein.front.caretakers import Params, Refused, Room
from serein.kernel.fault_book import FaultBook
from serein.kernel.faults import Fault
from serein.kernel.services import Registry

NOT_HERE = (
    "Faults are for development: start Serein with --dev (or --ephemeral) to allow them on purpose."
)


class FaultsRoom:
    """The faults of one house; `book` None where none may be set."""

    def __init__(self, book: FaultBook | None, registry: Registry) -> None:
        self._book = book
        self._registry = registry

    def room(self) -> Room:
        """Its page."""
        return Room(
            works={
                "GET": ("ListFaults", self._list),
                "POST": ("AddFault", self._add),
                "DELETE": ("ClearFaults", self._clear),
            }
        )

    def _open_book(self) -> FaultBook:
        if self._book is None:
            raise Refused(NOT_HERE)
        return self._book

    async def _list(self, params: Params) -> object:
        return {
            "faults": [
                {**msgspec.to_builtins(a.fault), "matched": a.matched, "struck": a.struck}
                for a in self._open_book().listed()
            ]
        }

    async def _add(self, params: Params) -> object:
        book = self._open_book()
        fault = msgspec.convert(params, Fault)
        self._check_names(fault)
        return msgspec.to_builtins(await book.add(fault))

    async def _clear(self, params: Params) -> object:
        ids = params.get("ids", [])
        if not isinstance(ids, list) or not all(isinstance(one, str) for one in ids):
            raise ValueError('"ids" is a list of the ids of faults.')
        return {"cleared": await self._open_book().clear(ids)}

    def _check_names(self, fault: Fault) -> None:
        """A fault that can never strike is a misspelt one."""
        service, operation = fault.service, fault.operation
        if not set("*?[").isdisjoint(service):
            return
        if service not in self._registry.services:
            raise ValueError(
                f"There is no service {service} here: one of {', '.join(sorted(self._registry.services))}."
            )
        is_plain = set("*?[").isdisjoint(operation)
        if is_plain and (service, operation) not in self._registry.operations:
            raise ValueError(f"{service} has no operation {operation} here.")
