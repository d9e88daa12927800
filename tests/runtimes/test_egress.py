"""The way out for functions: a proxy that never leads to the host itself."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from serein.runtimes.egress import EgressConnection, is_reachable
from tests.runtimes.conftest import Bench

THROUGH = """
import urllib.request, urllib.error
def handler(event, context):
    try:
        return urllib.request.urlopen(event, timeout=5).read().decode()
    except urllib.error.HTTPError as error:
        return error.code
    except OSError as error:
        return str(error)
"""


@pytest.mark.parametrize(
    ("address", "reachable"),
    [
        ("93.184.215.14", True),
        ("10.0.0.7", True),
        ("2606:2800:21f:cb07:6820:80da:af6b:8b2c", True),
        ("127.0.0.1", False),
        ("127.8.0.1", False),
        ("0.0.0.0", False),
        ("169.254.169.254", False),
        ("224.0.0.1", False),
        ("::1", False),
        ("::ffff:127.0.0.1", False),
        ("fe80::1%eth0", False),
    ],
)
def test_where_functions_may_go(address: str, reachable: bool):
    assert is_reachable(address) is reachable


def test_the_host_is_refused_to_a_function(sandboxed: Bench):
    # `localhost` and 127.0.0.1 are not asked of the proxy; other names of the host are, and lead nowhere.
    assert sandboxed.answer(THROUGH, "http://0.0.0.0:4566/") == 403
    assert sandboxed.answer(THROUGH, "http://169.254.169.254/latest/meta-data/") == 403
    assert "403" in sandboxed.answer(THROUGH, "https://0.0.0.0/")


def test_a_function_in_a_vpc_has_no_way_out(sandboxed: Bench):
    source = "import os\ndef handler(event, context): return os.environ.get('HTTPS_PROXY')"
    assert sandboxed.answer(source) == "http://127.0.0.1:3128"
    assert sandboxed.answer(source, egress=False) is None


def test_requests_and_tunnels_are_passed_on(bench: Bench):
    assert bench.run(_exchange(b"GET http://{}/a?b=1 HTTP/1.1\r\nX: y\r\n\r\n")) == (
        b"GET /a?b=1 HTTP/1.1\r\nX: y\r\nConnection: close\r\n\r\n"
    )
    assert bench.run(_exchange(b"CONNECT {} HTTP/1.1\r\n\r\n", b"tunnelled")) == (
        b"HTTP/1.1 200 Connection established\r\n\r\ntunnelled"
    )
    assert bench.run(_exchange(b"GET /no-proxy-request HTTP/1.1\r\n\r\n")).startswith(
        b"HTTP/1.1 400"
    )


async def _exchange(head: bytes, then: bytes = b"") -> bytes:
    """What comes back through the proxy from a server that says what it was sent."""
    loop = asyncio.get_running_loop()

    async def echo(reader: Any, writer: Any) -> None:
        writer.write(await reader.read(65_536))
        writer.close()

    far = await asyncio.start_server(echo, "127.0.0.1", 0)
    proxy = await loop.create_server(lambda: EgressConnection(lambda _: True), "127.0.0.1", 0)
    host, port = far.sockets[0].getsockname()
    reader, writer = await asyncio.open_connection(*proxy.sockets[0].getsockname())
    writer.write(head.replace(b"{}", f"{host}:{port}".encode()))
    answer = b""
    if then:
        answer = await reader.readuntil(b"\r\n\r\n")
        writer.write(then)
    answer += await reader.read()
    writer.close()
    far.close()
    proxy.close()
    return answer
