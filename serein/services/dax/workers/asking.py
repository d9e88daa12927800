"""What every data operation has: the cluster that serves it, its caller, and the cluster's role towards DynamoDB.

A caller needs `dax:…` on the cluster and nothing on the tables; the cluster's role needs `dynamodb:…` on these.
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/DAX.access-control.html
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence
from typing import Any

import orjson

from serein.base.errors import AwsError
from serein.engines.expressions.paths import getter, path_clash
from serein.kernel.calls import Principal, service_principal
from serein.kernel.operations import Context, Need
from serein.services.dax.records import Cluster
from serein.services.dax.rules.cache import Cache, Key
from serein.services.dax.workers.naming import AttributeLists, TableFacts, Tables
from serein.wire.dax.cbor import VALUES_MAX, Reader
from serein.wire.dax.expressions import PathParts, Placeholders, path_text, projection_paths
from serein.wire.dax.values import (
    AttributeValue,
    Item,
    item_bytes,
    key_bytes,
    list_id_of,
    read_item,
    read_key,
)

SESSION_KEPT_S = 300.0
BACKGROUND_MAX = 64
"""Reads that fill the cache after transactions, at a time; beyond that the next reader fills it."""


class Serving:
    """One cluster as this process serves it. `cx` acts as the service."""

    def __init__(self, cx: Context, cluster: Cluster, cache: Cache) -> None:
        self.cx = cx
        self.cluster = cluster
        self.cache = cache
        self.tables = Tables()
        self.lists = AttributeLists(cluster.id)
        self._role: tuple[str, float, Principal] | None = None
        self._background: set[asyncio.Task[None]] = set()

    async def role(self) -> Principal:
        """The cluster's role, assumed every few minutes. Raises AwsError."""
        now = self.cx.clock.now()
        arn = self.cluster.role_arn
        known = self._role
        if known is not None and known[0] == arn and 0 <= now - known[1] < SESSION_KEPT_S:
            return known[2]
        service = service_principal("dax.amazonaws.com", self.cluster.account)
        acting = self.cx.acting(service, account=self.cluster.account, region=self.cluster.region)
        params = {"RoleArn": arn, "RoleSessionName": f"dax-{self.cluster.name}"}
        told = await acting.call(acting.make_call("sts", "AssumeRole", params))
        user = told["AssumedRoleUser"]
        principal = Principal(
            kind="role",
            account=user["Arn"].split(":")[4],
            arn=user["Arn"],
            id=user["AssumedRoleId"],
            role_arn=arn,
        )
        self._role = (arn, now, principal)
        return principal

    def forget_role(self) -> None:
        """The session is none any more: assume the role again."""
        self._role = None

    def in_background(self, work: Coroutine[Any, Any, None]) -> None:
        """Let something go on after its answer, unless there is much of it already."""
        if len(self._background) >= BACKGROUND_MAX:
            work.close()
            return
        task = asyncio.get_running_loop().create_task(work)
        self._background.add(task)
        task.add_done_callback(self._background.discard)

    def stop(self) -> None:
        """Let go of what goes on in the background."""
        for task in list(self._background):
            task.cancel()


class Asking:
    """One request: `cx` acts as the cluster's role."""

    __slots__ = ("budget", "cache", "caller", "cx", "serving")

    def __init__(self, serving: Serving, caller: Context, cx: Context) -> None:
        self.serving = serving
        self.caller = caller
        self.cx = cx
        self.cache = serving.cache
        self.budget = VALUES_MAX
        """How many values the items of this request may have in all."""

    def judge(self, action: str, enclosing: str = "") -> None:
        """Raises AccessDeniedException where the caller may not do that on the cluster."""
        judge(self.serving, self.caller, action, enclosing)

    async def table(self, name: str) -> TableFacts:
        """The table of that name. Raises DynamoDB's AwsError."""
        return await self.serving.tables.find(self.cx, name)

    async def call(self, operation: str, params: dict[str, Any]) -> dict[str, Any]:
        """Ask DynamoDB. Raises its AwsError."""
        told: dict[str, Any] = plain(
            await self.cx.call(self.cx.make_call("dynamodb", operation, params))
        )
        return told

    async def pack(self, item: Item, facts: TableFacts) -> bytes:
        """An item as it is sent and kept."""
        list_id, names = await self.serving.lists.id_of_item(self.cx, item, facts.schema)
        return item_bytes(item, list_id, names)

    def unpack(self, raw: bytes) -> Item:
        """The attributes of an item without its key. Raises MalformedFrame, AwsError."""
        names = self.serving.lists.names(self.cx, list_id_of(raw))
        reader = Reader(raw, self.budget)
        item = read_item(raw, names, reader)
        self.budget = reader.budget
        return item

    @property
    def now(self) -> float:
        """The house's time."""
        return self.cx.clock.now()


def judge(serving: Serving, caller: Context, action: str, enclosing: str = "") -> None:
    """Raises AccessDeniedException where the caller may not do `action` on the cluster.

    `enclosing`: the transaction that it is part of (dax:EnclosingOperation).
    """
    conditions = {"dax:enclosingoperation": (enclosing,)} if enclosing else {}
    caller.judge(Need(f"dax:{action}", serving.cluster.arn, conditions))


def plain(answer: Any) -> Any:
    """An answer that can be looked into: DynamoDB leaves items as the JSON that they are stored as."""
    return orjson.loads(orjson.dumps(answer))


def place_of(facts: TableFacts, raw: bytes) -> tuple[Key, Item]:
    """Where an item of that key is kept, and the key. Raises MalformedFrame."""
    key = read_key(raw, facts.schema)
    return (facts.id, key_bytes(key, facts.schema)), key


class Projecting:
    """A projection: its paths in order, and what to ask DynamoDB for instead.

    DynamoDB answers with lists closed up, so that a path into one no longer tells which member it was. So whole attributes are
    asked for, and the paths are followed here.
    """

    __slots__ = ("_getters", "paths")

    def __init__(self, raw: bytes) -> None:
        self.paths = projection_paths(raw)
        clash = path_clash(self.paths)
        if clash:
            raise invalid(f"Invalid ProjectionExpression: {clash}")
        self._getters = [getter(path) for path in self.paths]

    def values(self, item: Item) -> list[AttributeValue | None]:
        """What lies on each path."""
        return [get(item) for get in self._getters]

    def text(self, holders: Placeholders) -> str:
        """A projection of the attributes that the paths begin with."""
        roots: dict[PathParts, None] = dict.fromkeys(path[:1] for path in self.paths)
        return ", ".join(path_text(root, holders) for root in roots)


def projecting_or_none(raw: bytes | None) -> Projecting | None:
    """The projection that a request has. Raises MalformedFrame, AwsError."""
    return None if raw is None else Projecting(raw)


def invalid(message: str) -> AwsError:
    """DynamoDB's complaint about a request."""
    return AwsError(message, code="ValidationException", status=400)


async def reasons_of(
    ask: Asking, error: AwsError, tables: Sequence[TableFacts]
) -> list[tuple[str | None, str | None, bytes | None]]:
    """The reasons of a cancelled transaction, with the items as they are sent."""
    found: list[tuple[str | None, str | None, bytes | None]] = []
    told: Any = plain(error.fields.get("CancellationReasons") or [])
    for index, reason in enumerate(told):
        item = reason.get("Item")
        raw = None
        if item and index < len(tables):
            raw = await ask.pack(item, tables[index])
        found.append((reason.get("Code"), reason.get("Message"), raw))
    return found
