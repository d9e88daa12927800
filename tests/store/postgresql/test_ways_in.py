"""Passwords, TLS, and what is no database at all: the way in works as libpq has it, or one line says what is wrong."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from serein.store.errors import StoreError
from serein.store.postgresql.store import PostgresStore
from tests.services.iam.certificates import new_certificate
from tests.store.postgresql.server import PostgresServer, binaries_with_tls_or_none
from tests.store.postgresql.test_opening import free_port, serein_up


async def opened(url: str) -> None:
    """Open a node and close it."""
    store = PostgresStore(url)
    await store.open()
    await store.close()


@pytest.fixture(scope="module")
def guarded() -> Iterator[tuple[PostgresServer, int, Path]]:
    """A server that speaks TLS on a port of loopback and asks for passwords there; and its certificate."""
    folder = binaries_with_tls_or_none()
    if folder is None:
        pytest.skip("no PostgreSQL server with TLS here: apt-get install postgresql")
    port = free_port()
    server = PostgresServer(folder, port=port)
    certificate, key = new_certificate()
    server.use({
        "ssl": "on",
        "ssl_cert_file": server.give("server.crt", certificate.encode()),
        "ssl_key_file": server.give("server.key", key.encode()),
    })  # fmt: skip
    try:
        server.start()
        server.sql("CREATE ROLE known LOGIN SUPERUSER PASSWORD 'the right one'")
        server.ask_for("hostssl all known 127.0.0.1/32 scram-sha-256")
        yield server, port, Path(server.home) / "server.crt"
    finally:
        server.stop()


def address(guarded: tuple[PostgresServer, int, Path], more: str, password: str = "") -> str:
    user = f"known:{password}@" if password else "known@"
    return f"postgresql://{user}127.0.0.1:{guarded[1]}/postgres?{more}"


def test_the_right_password_by_tls(guarded: tuple[PostgresServer, int, Path]) -> None:
    asyncio.run(opened(address(guarded, "sslmode=require", "the%20right%20one")))
    sessions = guarded[0].sql("SELECT count(*) FROM pg_stat_ssl WHERE ssl")
    assert sessions == [("0",)], "the node has left connections behind"


def test_the_wrong_password(guarded: tuple[PostgresServer, int, Path]) -> None:
    said = serein_up(address(guarded, "sslmode=require", "thewrongone"))
    assert 'password authentication failed for user "known"' in said
    assert "PGPASSWORD" in said
    assert "thewrongone" not in said


def test_no_password(guarded: tuple[PostgresServer, int, Path]) -> None:
    with pytest.raises(StoreError, match="no password supplied") as caught:
        asyncio.run(opened(address(guarded, "sslmode=require&passfile=/nowhere")))
    assert "PGPASSWORD" in str(caught.value)


def test_a_password_from_the_environment(guarded: tuple[PostgresServer, int, Path]) -> None:
    code = (
        "import asyncio, sys; from tests.store.postgresql.test_ways_in import opened; "
        "asyncio.run(opened(sys.argv[1])); print('in')"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, address(guarded, "sslmode=require")],
        capture_output=True,
        text=True,
        env={**os.environ, "PGPASSWORD": "the right one"},
    )
    assert done.stdout == "in\n", done.stderr


def test_a_certificate_that_is_to_be_verified(guarded: tuple[PostgresServer, int, Path]) -> None:
    right = "the%20right%20one"
    asyncio.run(opened(address(guarded, f"sslmode=verify-ca&sslrootcert={guarded[2]}", right)))
    # It is made out to another name.
    with pytest.raises(StoreError, match="does not match host name"):
        asyncio.run(
            opened(address(guarded, f"sslmode=verify-full&sslrootcert={guarded[2]}", right))
        )
    # Nobody that is trusted has signed it.
    other = guarded[0].give("other.crt", new_certificate()[0].encode())
    with pytest.raises(StoreError, match="certificate verify failed"):
        asyncio.run(opened(address(guarded, f"sslmode=verify-ca&sslrootcert={other}", right)))


def test_a_server_that_has_no_tls(
    programs: Path, guarded: tuple[PostgresServer, int, Path]
) -> None:
    """Asked for, it is not gone without."""
    plain = PostgresServer(programs, port=free_port())
    try:
        plain.start()
        with pytest.raises(StoreError, match="does not support SSL"):
            asyncio.run(
                opened(f"postgresql://postgres@127.0.0.1:{plain.port}/postgres?sslmode=require")
            )
    finally:
        plain.stop()


@pytest.fixture
def stranger() -> Iterator[tuple[int, list[bytes]]]:
    """Somebody else who listens on a port, answers whatever `answers` holds, or not at all."""
    answers: list[bytes] = []
    stop = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(0.1)

        def listen() -> None:
            kept: list[socket.socket] = []
            while not stop.is_set():
                try:
                    client, _ = listener.accept()
                except TimeoutError:
                    continue
                kept.append(client)
                if answers:
                    client.recv(1000)
                    client.sendall(answers[0])
            for client in kept:
                client.close()

        thread = threading.Thread(target=listen)
        thread.start()
        try:
            yield listener.getsockname()[1], answers
        finally:
            stop.set()
            thread.join()


def test_who_listens_there_is_no_database(stranger: tuple[int, list[bytes]]) -> None:
    port, answers = stranger
    answers.append(b"HTTP/1.1 400 Bad Request\r\n\r\n")
    said = serein_up(f"postgresql://u:verysecret@127.0.0.1:{port}/db")
    assert f"127.0.0.1:{port}" in said
    assert "verysecret" not in said


def test_who_listens_there_says_nothing(stranger: tuple[int, list[bytes]]) -> None:
    port, _ = stranger
    with pytest.raises(StoreError, match="timeout expired"):
        asyncio.run(opened(f"postgresql://u@127.0.0.1:{port}/db?connect_timeout=2"))


def test_a_name_that_nobody_has() -> None:
    with pytest.raises(StoreError, match="could not translate host name"):
        asyncio.run(opened("postgresql://u@no-such-host.invalid/db"))
