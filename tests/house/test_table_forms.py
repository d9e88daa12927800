"""Every table's version is known where a directory is judged; every step between two versions is thought of."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator
from typing import Any

import serein
from serein.store.tables import FORMS, BytesTable, Table


def tables() -> Iterator[Table[Any] | BytesTable]:
    for found in pkgutil.walk_packages(serein.__path__, "serein."):
        if found.name.startswith(("serein.services.", "serein.contracts.", "serein.kernel.")):
            for value in vars(importlib.import_module(found.name)).values():
                if isinstance(value, Table | BytesTable):
                    yield value


def test_the_forms_are_those_of_the_tables() -> None:
    assert {table.name: table.version for table in tables() if table.version > 1} == dict(FORMS)


def test_migrations_lead_to_forms_that_are() -> None:
    for table in tables():
        assert all(1 <= form < table.version for form in table.migrations), table.name
