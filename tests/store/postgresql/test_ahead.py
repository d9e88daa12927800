"""Rows that a function has told of come together: how many requests a snapshot and a transaction make."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from serein.store.interface import Snapshot, Transaction
from serein.store.postgresql.ahead import AHEAD_MAX
from serein.store.postgresql.store import PostgresStore
from serein.store.postgresql.wire import Connection
from tests.store.postgresql.test_store import live, see
from tests.store.things import RAW

KEYS = [("k", number) for number in range(100)]


@pytest.fixture
def requests(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many statements each request to the database had, in order."""
    made: list[int] = []
    ask = Connection.ask

    def counted(self: Connection, statements: Sequence[Any]) -> Any:
        made.append(len(statements))
        return ask(self, statements)

    monkeypatch.setattr(Connection, "ask", counted)
    return made


def look(snapshot: Snapshot) -> list[bytes | None]:
    """All of them, told of before."""
    snapshot.expect(RAW, iter(KEYS))
    return [snapshot.get(RAW, *key) for key in KEYS]


def test_a_hundred_rows_are_a_few_requests(url: str, requests: list[int]) -> None:
    async def story(node: PostgresStore) -> None:
        def fill(tx: Transaction) -> None:
            for key in KEYS:
                tx.put_bytes(RAW, key, b"here")

        await node.transact(fill)
        requests.clear()
        assert await see(node, look) == [b"here"] * 100
        most = -(-100 // AHEAD_MAX) + 1
        assert len(requests) <= most
        requests.clear()
        assert await node.transact(look) == [b"here"] * 100
        # One more: the commit.
        assert len(requests) <= most + 1

    live(url, 1, story)
