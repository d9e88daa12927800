"""Drivers of databases in functions, unchanged: PostgreSQL on the machine, by its own protocol."""

from __future__ import annotations

import importlib.util
import shutil
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from serein.runtimes import FunctionSpec
from tests.runtimes.conftest import Bench
from tests.store.postgresql.server import PostgresServer, binaries_or_none

SOURCE = """
import asyncio, os, psycopg, typing_extensions
LINE = "host=db.localhost hostaddr=127.0.0.1 port={port} user=postgres dbname=postgres connect_timeout=5"
async def concurrently(line):
    async with await psycopg.AsyncConnection.connect(line) as connection:
        cursor = await connection.execute("SELECT generate_series(1, 20000)")
        return len(await cursor.fetchall())
def handler(event, context):
    line = LINE.format(port=event)
    with psycopg.connect(line) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS seen (id int primary key, said bytea)")
        connection.execute("INSERT INTO seen VALUES (1, %s) ON CONFLICT DO NOTHING", (bytes(3_000_000),))
        size = connection.execute("SELECT length(said) FROM seen").fetchone()[0]
        with connection.cursor().copy("COPY (SELECT generate_series(1, 1000)) TO STDOUT") as copy:
            rows = sum(1 for _ in copy.rows())
    return [size, rows, asyncio.run(concurrently(line))]
"""


@pytest.fixture(scope="module")
def postgres() -> Iterator[PostgresServer]:
    folder = binaries_or_none()
    if folder is None:
        pytest.skip("no PostgreSQL server here")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = PostgresServer(folder, port=port)
    try:
        server.start()
        yield server
    finally:
        server.stop()


def _bring(folder: str, *packages: str) -> None:
    """Copy packages of this environment beside a function's code, as `pip install -t` does."""
    for package in packages:
        found = importlib.util.find_spec(package)
        if found is None or found.origin is None:
            pytest.skip(f"{package} is not installed")
        origin = Path(found.origin)
        if origin.name != "__init__.py":
            shutil.copy(origin, folder)
            continue
        shutil.copytree(origin.parent, Path(folder, package))
        libraries = origin.parent.with_name(package + ".libs")
        if libraries.is_dir():
            shutil.copytree(libraries, Path(folder, libraries.name))


def test_psycopg(postgres: PostgresServer, tmp_path_factory: pytest.TempPathFactory):
    bench = Bench(tmp_path_factory.mktemp("pg"), reachable=(("127.0.0.1", postgres.port),))
    try:
        if not bench.pool.nursery._stations["python"].zygote.machine.get("watch"):
            pytest.skip("the kernel does not ask about calls here")
        spec: FunctionSpec = bench.function(SOURCE, timeout_s=30.0, memory_mb=512)
        _bring(spec.code, "psycopg", "psycopg_binary", "typing_extensions")
        outcome = bench.invoke(spec, postgres.port)
        assert outcome.payload == b"[3000000, 1000, 20000]", outcome.payload
    finally:
        bench.close()
