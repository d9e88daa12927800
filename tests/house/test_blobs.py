"""Every table whose records point at blobs is declared, or the sweeper would take what they point at."""

from __future__ import annotations

import importlib
import pkgutil
import re
from collections.abc import Iterator
from types import ModuleType

import msgspec
import pytest

import serein
from serein.assembly import Config, House
from serein.store.tables import Table

REGISTRY = House(Config(data=None)).registry
HELD = {one.table.name for service in REGISTRY.services.values() for one in service.holds}
POINTER = re.compile(r"(^|_)blobs?(_id)?$")


def modules() -> Iterator[ModuleType]:
    for found in pkgutil.walk_packages(serein.__path__, "serein."):
        if found.name.startswith(("serein.services.", "serein.contracts.", "serein.kernel.")):
            yield importlib.import_module(found.name)


TABLES: dict[str, Table[msgspec.Struct]] = {
    value.name: value
    for module in modules()
    for value in vars(module).values()
    if isinstance(value, Table)
}


def pointers_in(shape: object, seen: frozenset[object] = frozenset()) -> Iterator[str]:
    """The fields of a record, and of what is in it, that are named as pointers at blobs are."""
    if isinstance(shape, msgspec.inspect.StructType):
        if shape.cls in seen:
            return
        for field in shape.fields:
            if POINTER.search(field.name):
                yield f"{shape.cls.__name__}.{field.name}"
            yield from pointers_in(field.type, seen | {shape.cls})
        return
    for name in getattr(shape, "__struct_fields__", ()):
        inner = getattr(shape, name)
        for one in inner if isinstance(inner, tuple) else (inner,):
            if isinstance(one, msgspec.inspect.Type):
                yield from pointers_in(one, seen)


@pytest.mark.parametrize("name", sorted(TABLES))
def test_a_table_that_points_at_blobs_says_so(name: str) -> None:
    found = sorted(set(pointers_in(msgspec.inspect.type_info(TABLES[name].record))))
    if name not in HELD:
        assert not found, f"{', '.join(found)}: add the table to the service's `holds`"


def test_what_is_declared_is_there() -> None:
    assert {"s3.objects", "s3.history", "s3.parts", "lambda.functions", "lambda.layers"} <= HELD
    assert set(TABLES) >= HELD
    for name in HELD:
        assert list(pointers_in(msgspec.inspect.type_info(TABLES[name].record))), name
