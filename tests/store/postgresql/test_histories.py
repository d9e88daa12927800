"""Random histories: this engine answers as a dict does. The machine is that of `tests/store/test_histories.py`."""

from __future__ import annotations

import secrets
from typing import ClassVar

import pytest
from hypothesis import settings

from serein.store.interface import Store, Transaction
from serein.store.postgresql.store import PostgresStore
from tests.store.postgresql.server import PostgresServer
from tests.store.test_histories import Histories
from tests.store.things import KEPT, RAW, THINGS, thing


class PostgresHistories(Histories):
    """One node, closed and opened again."""

    server: ClassVar[PostgresServer]

    def __init__(self) -> None:
        super().__init__()

        def use_all(tx: Transaction) -> None:
            tx.put(THINGS, thing("", 0))
            tx.put(KEPT, thing("", 0))
            tx.put_bytes(RAW, ("", 0), b"")
            for table in (THINGS, KEPT, RAW):
                tx.delete_range(table, ())

        # A table that another node might have made runs the batch again; the machine's own notes could not take that.
        self.loop.run_until_complete(self.store.transact(use_all))

    def make(self) -> Store:
        self.schema = f"test_{secrets.token_hex(6)}"
        return PostgresStore(self.server.url(self.schema))

    def teardown(self) -> None:
        super().teardown()
        self.server.sql(f'DROP SCHEMA "{self.schema}" CASCADE')


@pytest.fixture(autouse=True)
def _server(server: PostgresServer) -> None:
    PostgresHistories.server = server


TestPostgres = PostgresHistories.TestCase
TestPostgres.settings = settings(max_examples=15, stateful_step_count=12, deadline=None)
