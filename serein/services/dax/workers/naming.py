"""What clients and nodes call things by: keys of tables, and lists of attribute names by their ids."""

from __future__ import annotations

import hashlib
from typing import Any

import msgspec

from serein.base.errors import AwsError
from serein.kernel.operations import Context, Tx
from serein.services.dax.records import ATTRIBUTE_LISTS, AttributeList
from serein.wire.dax.values import EMPTY_LIST_ID, Item, KeyAttribute, Schema, names_of

LISTS_MAX = 20_000
"""How many lists a cluster knows. Names should not hold data: AWS warns of the same.
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/DAX.client.html"""
LIST_BYTES_MAX = 400 * 1024
LISTS_KEPT = 5_000
TABLES_MAX = 1_000
TABLE_KEPT_S = 10.0
"""So long a table's key is not asked for again; a table made anew with another key is known that much later."""


class TableFacts(msgspec.Struct, frozen=True):
    """What must be known of a table to speak of its items."""

    id: str
    """Its ARN and its own id: a table that was made anew is another one."""
    schema: Schema
    asked_at: float


class Tables:
    """The keys of tables, as DescribeTable tells the cluster's role."""

    def __init__(self) -> None:
        self._known: dict[str, TableFacts] = {}

    def known(self, name: str, now: float) -> TableFacts | None:
        """The table of that name, if it was asked for lately."""
        facts = self._known.get(name)
        return facts if facts is not None and 0 <= now - facts.asked_at < TABLE_KEPT_S else None

    async def find(self, cx: Context, name: str) -> TableFacts:
        """The table of that name. Raises DynamoDB's AwsError."""
        now = cx.clock.now()
        known = self.known(name, now)
        if known is not None:
            return known
        told = await cx.call(cx.make_call("dynamodb", "DescribeTable", {"TableName": name}))
        facts = _facts(told["Table"], now)
        if len(self._known) >= TABLES_MAX:
            self._known.clear()
        self._known[name] = facts
        return facts

    def clear(self) -> None:
        """Something did not fit: ask again."""
        self._known.clear()


def _facts(table: dict[str, Any], now: float) -> TableFacts:
    types = {one["AttributeName"]: one["AttributeType"] for one in table["AttributeDefinitions"]}
    schema = tuple(
        KeyAttribute(part["AttributeName"], types[part["AttributeName"]])
        for part in sorted(table["KeySchema"], key=lambda part: part["KeyType"] != "HASH")
    )
    return TableFacts(f"{table['TableArn']} {table.get('TableId', '')}", schema, now)


class AttributeLists:
    """The lists of one cluster. Ids last as long as the cluster: clients keep them as long as they run."""

    def __init__(self, cluster: str) -> None:
        self._cluster = cluster
        self._ids: dict[tuple[str, ...], int] = {(): EMPTY_LIST_ID}
        self._names: dict[int, tuple[str, ...]] = {EMPTY_LIST_ID: ()}
        self._count: int | None = None

    def known_names(self, list_id: int) -> tuple[str, ...] | None:
        """The names of a list that was used lately."""
        return self._names.get(list_id)

    def names(self, cx: Context, list_id: int) -> tuple[str, ...]:
        """The names of a list. Raises AwsError where there is no such list."""
        known = self._names.get(list_id)
        if known is not None:
            return known
        kept = cx.read().get(ATTRIBUTE_LISTS, self._cluster, list_id)
        if kept is None:
            raise AwsError(f"Unknown attribute list: {list_id}", code="ValidationException")
        self._remember(list_id, kept.names)
        return kept.names

    async def id_of_item(
        self, cx: Context, item: Item, schema: Schema
    ) -> tuple[int, tuple[str, ...]]:
        """The id of the list of an item's names, and the names."""
        names = names_of(item, schema)
        known = self._ids.get(names)
        return (known if known is not None else await self.id(cx, names)), names

    async def id(self, cx: Context, names: tuple[str, ...]) -> int:
        """The id of a list, made where there is none. Raises AwsError."""
        known = self._ids.get(names)
        if known is not None:
            return known
        if sum(map(len, names)) > LIST_BYTES_MAX:
            raise AwsError("Attribute names are too long", code="ValidationException")
        if self._count is None:
            self._count = cx.read().count(ATTRIBUTE_LISTS, (self._cluster,))
        if self._count >= LISTS_MAX:
            raise AwsError(
                f"The cluster knows {LISTS_MAX} different lists of attribute names and takes no more",
                code="LimitExceededException",
            )
        list_id = await cx.transact(_define, self._cluster, names)
        self._count += 1
        self._remember(list_id, names)
        return list_id

    def _remember(self, list_id: int, names: tuple[str, ...]) -> None:
        if len(self._ids) >= LISTS_KEPT:
            self._ids = {(): EMPTY_LIST_ID}
            self._names = {EMPTY_LIST_ID: ()}
        self._ids[names] = list_id
        self._names[list_id] = names


def _define(tx: Tx, cluster: str, names: tuple[str, ...]) -> int:
    """A number made of the names, so that whoever defines them first finds the same."""
    digest = hashlib.sha256("\0".join(names).encode()).digest()
    list_id = EMPTY_LIST_ID + 1 + (int.from_bytes(digest[:4], "big") >> 1)
    while True:
        kept = tx.get(ATTRIBUTE_LISTS, cluster, list_id)
        if kept is None:
            tx.put(ATTRIBUTE_LISTS, AttributeList(cluster=cluster, id=list_id, names=names))
            return list_id
        if kept.names == names:
            return list_id
        list_id += 1
