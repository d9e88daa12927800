"""Records and tables that the store's tests use."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

import msgspec

from serein.store.interface import Store
from serein.store.tables import BytesTable, Table

T = TypeVar("T")


class Thing(msgspec.Struct, frozen=True, kw_only=True):
    """A record."""

    group: str
    number: int
    note: str = ""


THINGS = Table("test.things", Thing, key=lambda thing: (thing.group, thing.number), watched=True)
KEPT = Table("test.kept", Thing, key=lambda thing: (thing.group, thing.number), cached=True)
RAW = BytesTable("test.raw")


def thing(group: str, number: int, note: str = "") -> Thing:
    """A thing."""
    return Thing(group=group, number=number, note=note)


def run(store: Store, story: Callable[[Store], Awaitable[T]]) -> T:
    """Open the store, live through `story`, close it."""

    async def whole() -> T:
        await store.open()
        try:
            return await story(store)
        finally:
            await store.close()

    return asyncio.run(whole())
