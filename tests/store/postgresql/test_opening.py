"""A wrong address, a database that is not there, a foreign one, a newer one: one clear line, exit code 1, nothing touched."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from serein.store.errors import StoreDamaged, StoreError, StoreFormatTooNew
from serein.store.postgresql.address import parse_address
from serein.store.postgresql.blobs import DatabaseBlobs
from serein.store.postgresql.formats import FORMATS
from serein.store.postgresql.schema import judge_server
from serein.store.postgresql.store import PostgresStore
from serein.store.tables import Table
from tests.store.postgresql.server import PostgresServer
from tests.store.things import THINGS, Thing, run, thing


def schema_of(url: str) -> str:
    return url.rpartition("serein_schema=")[2]


def serein_up(url: str) -> str:
    """What `serein up --store URL` says when it fails, which it has to."""
    done = subprocess.run(
        [sys.executable, "-m", "serein.cli.main", "up", "--port", "0", "--store", url],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode != 0
    assert not done.stdout
    assert done.stderr.startswith("Error: ") or "Usage:" in done.stderr
    assert "Traceback" not in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1, done.stderr
    return done.stderr


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def test_nobody_listens_there() -> None:
    said = serein_up(f"postgresql://u:verysecret@127.0.0.1:{free_port()}/db")
    assert "127.0.0.1" in said
    assert "refused" in said
    assert "verysecret" not in said


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("mysql://u@h/db", "wants postgresql://user@host/database, not mysql"),
        ("nothing", "wants postgresql://user@host/database"),
        ("postgresql://u:verysecret@h/db?foo=1", 'invalid URI query parameter: "foo"'),
        ("postgresql://u:verysecret@h/db?serein_x=1", "unknown setting serein_x"),
        ("postgresql://u:verysecret@h/db?serein_schema=a'b", "serein_schema wants"),
        ("postgresql://u:verysecret@h/db?serein_schema=pg_x", "serein_schema wants"),
        ("postgresql://u:verysecret@h/db?serein_connections=1", "serein_connections wants"),
        ("postgresql://u:verysecret@h/db?serein_format=new", "serein_format wants"),
        ("postgresql://[::1/db", "not an address"),
    ],
)
def test_what_is_no_address(url: str, words: str) -> None:
    with pytest.raises(StoreError, match=words.split(":")[0].replace("?", r"\?")) as caught:
        parse_address(url)
    assert words in str(caught.value)
    assert "verysecret" not in str(caught.value)


def test_what_is_shown_has_no_password() -> None:
    address = parse_address("postgresql://u:se%40cret@h:5/db?password=also&sslmode=disable")
    assert address.shown == "postgresql://u@h:5/db?sslmode=disable"
    assert urlsplit(address.conninfo).password == "se%40cret"
    assert parse_address("postgresql:///db?host=/run/pg").shown.startswith("postgresql:///db")


def test_no_such_database(server: PostgresServer) -> None:
    said = serein_up(server.url().replace("/postgres?", "/nothing?"))
    assert 'database "nothing" does not exist' in said


def test_a_schema_of_somebody_else_is_left_alone(server: PostgresServer, url: str) -> None:
    schema = schema_of(url)
    server.sql(f'CREATE SCHEMA "{schema}"; CREATE TABLE "{schema}".theirs (a int)')
    with pytest.raises(StoreDamaged, match="in use, but not by Serein"):
        asyncio.run(PostgresStore(url).open())
    assert "serein_schema" in serein_up(url)
    tables = server.sql(
        f"SELECT table_name FROM information_schema.tables WHERE table_schema = '{schema}'"
    )
    assert tables == [("theirs",)]


def test_a_newer_format_is_refused_and_left_alone(server: PostgresServer, url: str) -> None:
    async def nothing(store: object) -> None:
        pass

    run(PostgresStore(url), nothing)
    schema = schema_of(url)
    server.sql(f"UPDATE \"{schema}\".about SET value = {FORMATS.newest + 1} WHERE name = 'format'")
    with pytest.raises(StoreFormatTooNew, match="newer Serein"):
        asyncio.run(PostgresStore(url).open())
    assert server.sql(f'SELECT count(*) FROM "{schema}".nodes') == [("0",)]


def test_a_table_that_a_newer_node_has_rewritten_is_refused(url: str) -> None:
    """A rolling upgrade: the old node goes on with everything but the tables that the new one has a new form of."""
    newer = Table("test.things", Thing, key=THINGS.key, version=2, watched=True)

    async def story() -> None:
        old, new = PostgresStore(url), PostgresStore(url)
        await old.open()
        await new.open()
        await old.transact(lambda tx: tx.put(THINGS, thing("a", 1)))
        assert await new.transact(lambda tx: tx.get(newer, "a", 1)) == thing("a", 1)
        await old.transact(lambda tx: tx.put(THINGS, thing("a", 2)))
        await new.transact(lambda tx: tx.put(newer, thing("a", 3)))
        with pytest.raises(StoreFormatTooNew):
            await old.transact(lambda tx: tx.put(THINGS, thing("a", 4)))
        await old.close()
        await new.close()

    asyncio.run(story())


def test_an_old_server_is_refused() -> None:
    judge_server("postgresql://h/db", 140_000)
    with pytest.raises(StoreError, match="is PostgreSQL 13; Serein needs 14 or newer"):
        judge_server("postgresql://h/db", 130_014)


def test_a_user_without_rights_is_told_what_to_grant(server: PostgresServer, url: str) -> None:
    server.sql("DROP ROLE IF EXISTS weak; CREATE ROLE weak LOGIN")
    with pytest.raises(StoreError, match="GRANT CREATE"):
        asyncio.run(PostgresStore(url.replace("postgres@", "weak@")).open())


def test_a_server_that_only_reads_is_refused(server: PostgresServer, url: str) -> None:
    server.sql("DROP ROLE IF EXISTS reader; CREATE ROLE reader LOGIN SUPERUSER")
    server.sql("ALTER ROLE reader SET default_transaction_read_only = on")
    with pytest.raises(StoreError, match="read-only"):
        asyncio.run(PostgresStore(url.replace("postgres@", "reader@")).open())


class Elsewhere(DatabaseBlobs):
    """Blobs that say they are in some bucket."""

    where = "s3://bucket"


def test_all_nodes_have_their_blobs_in_one_place(url: str) -> None:
    async def nothing(store: object) -> None:
        pass

    run(PostgresStore(url), nothing)
    store = PostgresStore(url)
    store._blobs = Elsewhere(store, "s")
    with pytest.raises(StoreError, match="blobs are in the database, not in s3://bucket"):
        asyncio.run(store.open())
    run(PostgresStore(url), nothing)


def test_a_bucket_needs_a_database(tmp_path: Path) -> None:
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "serein.cli.main",
            "up",
            "--blobs",
            "s3://b",
            "--data",
            str(tmp_path),
        ],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2
    assert "--blobs goes with --store" in done.stderr
