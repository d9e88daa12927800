"""What functions reach of the world: any protocol, never the host itself."""

from __future__ import annotations

import asyncio
import os
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from serein.runtimes.datagrams import Datagrams, answer_packet, parse
from serein.runtimes.egress import EgressConnection
from serein.runtimes.inside.seccomp import watch_code
from serein.runtimes.names import Nameservers, failure, own_answer
from serein.runtimes.outer_sockets import Peer, parse_address, peer_filter
from serein.runtimes.reach import is_own, is_reachable
from tests.runtimes.conftest import Bench, needs_node


@pytest.mark.parametrize(
    ("address", "reachable"),
    [
        ("93.184.215.14", True),
        ("10.0.0.7", True),
        ("192.168.1.20", True),
        ("2606:2800:21f:cb07:6820:80da:af6b:8b2c", True),
        ("127.0.0.1", False),
        ("127.8.0.1", False),
        ("0.0.0.0", False),
        ("0.1.2.3", False),
        ("255.255.255.255", False),
        ("169.254.169.254", False),
        ("224.0.0.1", False),
        ("::1", False),
        ("::", False),
        ("::ffff:127.0.0.1", False),
        ("::ffff:169.254.169.254", False),
        ("64:ff9b::7f00:1", False),
        ("fd00:ec2::254", False),  # EC2's instance metadata over IPv6
        ("fe80::1%eth0", False),
    ],
)
def test_where_functions_may_go(address: str, reachable: bool):
    assert is_reachable(address) is reachable


def test_what_is_a_sandboxs_own():
    assert all(is_own(one) for one in ("127.0.0.1", "127.9.9.9", "::1", "0.0.0.0", "::"))
    assert is_own("::ffff:127.0.0.1")
    assert not is_own("10.0.0.1")


def test_addresses_as_the_kernel_writes_them():
    v4 = struct.pack("<H", 2) + struct.pack(">H", 80) + socket.inet_aton("10.0.0.7") + bytes(8)
    assert parse_address(v4) == Peer("10.0.0.7", 80)
    v6 = struct.pack("<H", 10) + struct.pack(">H", 443) + bytes(4)
    assert parse_address(v6 + socket.inet_pton(10, "2001:db8::1") + bytes(4)) == Peer(
        "2001:db8::1", 443
    )
    mapped = v6 + socket.inet_pton(10, "::ffff:10.0.0.7") + bytes(4)
    assert parse_address(mapped) == Peer("10.0.0.7", 443)
    assert parse_address(struct.pack("<H", 1) + b"/run/socket") is None
    assert parse_address(v4[:7]) is None


def test_programs_for_the_kernel_are_well_formed():
    for code in (
        watch_code(),
        peer_filter(Peer("10.0.0.7", 80)),
        peer_filter(Peer("2001:db8::1", 9)),
    ):
        assert len(code) % 8 == 0
        count = len(code) // 8
        for index in range(count):
            kind, if_true, if_false, _ = struct.unpack_from("<HBBI", code, 8 * index)
            if kind & 7 == 5:
                assert index + 1 + max(if_true, if_false) < count


class Scene:
    """A server beside functions, which they may reach, and a resolver that knows its name."""

    def __init__(self, work: Path) -> None:
        self.servers = [
            socket.create_server(("127.0.0.1", 0)),
            socket.create_server(("::1", 0), family=socket.AF_INET6),
        ]
        for server in self.servers:
            threading.Thread(target=_echo, args=(server,), daemon=True).start()
        self.resolver = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.resolver.bind(("127.0.0.1", 0))
        threading.Thread(target=_resolve, args=(self.resolver,), daemon=True).start()
        self.bench = Bench(
            work,
            reachable=(
                ("127.0.0.1", self.servers[0].getsockname()[1]),
                ("::1", self.servers[1].getsockname()[1]),
            ),
            nameservers=(self.resolver.getsockname(),),
        )

    @property
    def event(self) -> dict[str, Any]:
        four, six = (server.getsockname()[1] for server in self.servers)
        return {"port": four, "port6": six}

    def answer(self, source: str, **given: Any) -> Any:
        return self.bench.answer(source, self.event, timeout_s=20.0, **given)

    def close(self) -> None:
        self.bench.close()
        for one in (*self.servers, self.resolver):
            one.close()


def _echo(server: socket.socket) -> None:
    while True:
        try:
            connection, _ = server.accept()
        except OSError:
            return
        threading.Thread(target=_shout, args=(connection,), daemon=True).start()


def _shout(connection: socket.socket) -> None:
    with connection:
        while data := connection.recv(65_536):
            connection.sendall(data.upper())


def _resolve(resolver: socket.socket) -> None:
    """Every name is 127.0.0.1, and none has an IPv6 address."""
    while True:
        try:
            query, asker = resolver.recvfrom(4096)
        except OSError:
            return
        end = query.index(b"\0", 12) + 5
        kind = int.from_bytes(query[end - 4 : end - 2], "big")
        count = int(kind == 1)
        head = query[:2] + bytes((0x81, 0x80, 0, 1, 0, count, 0, 0, 0, 0))
        answer = b"\xc0\x0c\0\x01\0\x01\0\0\0\x3c\0\x04\x7f\0\0\x01" if count else b""
        resolver.sendto(head + query[12:end] + answer, asker)


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    made = Scene(tmp_path_factory.mktemp("egress"))
    try:
        if not made.bench.pool.nursery._stations["python"].zygote.machine.get("watch"):
            pytest.skip("the kernel does not ask about calls here")
        yield made
    finally:
        made.close()


def test_any_client_connects_as_it_would_anywhere(scene: Scene):
    source = """
import asyncio, socket, subprocess, sys, threading
def once(address, timeout=None):
    with socket.create_connection(address, timeout) as s:
        s.sendall(b"hello")
        return s.recv(10).decode(), s.getpeername()[:2]
async def streams(port):
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"hello")
    answer = await reader.read(5)
    writer.close()
    return answer.decode()
def handler(event, context):
    port = event["port"]
    program = f"import socket; s = socket.create_connection(('127.0.0.1', {port})); s.sendall(b'child'); print(s.recv(9).decode())"
    seen = []
    threads = [threading.Thread(target=lambda: seen.append(once(("127.0.0.1", port))[0])) for _ in range(20)]
    [t.start() for t in threads]
    [t.join() for t in threads]
    return {
        "blocking": once(("127.0.0.1", port)),
        "timed": once(("127.0.0.1", port), 2),
        "v6": once(("::1", event["port6"])),
        "mapped": once(("::ffff:127.0.0.1", port))[0],
        "name": once(("db.example.test", port))[0],
        "asyncio": asyncio.run(streams(port)),
        "child": subprocess.run([sys.executable, "-c", program], capture_output=True, text=True).stdout,
        "threads": seen.count("HELLO"),
    }
"""
    port, port6 = scene.event["port"], scene.event["port6"]
    assert scene.answer(source) == {
        "blocking": ["HELLO", ["127.0.0.1", port]],
        "timed": ["HELLO", ["127.0.0.1", port]],
        "v6": ["HELLO", ["::1", port6]],
        "mapped": "HELLO",
        "name": "HELLO",
        "asyncio": "HELLO",
        "child": "CHILD\n",
        "threads": 20,
    }


def test_a_socket_keeps_what_was_set_on_it(scene: Scene):
    source = """
import errno, os, select, socket
def handler(event, context):
    s = socket.socket()
    s.setblocking(False)
    s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 10_000)
    os.set_inheritable(s.fileno(), True)
    said = [s.connect_ex(("127.0.0.1", event["port"]))]
    select.select([], [s], [], 2)
    said.append(s.connect_ex(("127.0.0.1", event["port"])))
    return {
        "said": [errno.errorcode.get(one) for one in said],
        "error": s.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR),
        "nodelay": s.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY),
        "keepalive": s.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE),
        "buffer": s.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF),
        "blocking": os.get_blocking(s.fileno()),
        "inheritable": os.get_inheritable(s.fileno()),
    }
"""
    assert scene.answer(source) == {
        "said": ["EINPROGRESS", "EISCONN"],
        "error": 0,
        "nodelay": 1,
        "keepalive": 1,
        "buffer": 20_000,
        "blocking": False,
        "inheritable": True,
    }


@needs_node()
def test_node_connects_and_resolves(scene: Scene):
    source = """
import net from "node:net";
import dns from "node:dns/promises";
const say = (options) => new Promise((done) => {
  const socket = net.connect(options, () => socket.write("node"));
  socket.on("data", (data) => { done([data.toString(), socket.remoteAddress]); socket.destroy(); });
  socket.on("error", (error) => done(error.code));
});
export const handler = async (event) => ({
  address: await say({ host: "127.0.0.1", port: event.port }),
  name: await say({ host: "db.example.test", port: event.port }),
  resolved: await dns.resolve4("db.example.test"),
  refused: await say({ host: "127.0.0.1", port: 1 }),
});
"""
    assert scene.answer(source, file="app.mjs", runtime="nodejs20.x") == {
        "address": ["NODE", "127.0.0.1"],
        "name": ["NODE", "127.0.0.1"],
        "resolved": ["127.0.0.1"],
        "refused": "ECONNREFUSED",
    }


def test_copies_of_a_snapshot_connect_too(scene: Scene):
    source = """
import os, socket
def handler(event, context):
    with socket.create_connection(("db.example.test", event["port"]), 2) as s:
        s.sendall(b"copied")
        return [s.recv(10).decode(), os.environ["AWS_LAMBDA_INITIALIZATION_TYPE"]]
"""
    assert scene.answer(source, snap_start=True) == ["COPIED", "snap-start"]


def test_a_function_in_a_vpc_has_no_way_out(scene: Scene):
    source = """
import errno, os, socket
def handler(event, context):
    try:
        socket.create_connection(("127.0.0.1", event["port"]), 1)
    except OSError as error:
        there = errno.errorcode[error.errno]
    try:
        socket.getaddrinfo("db.example.test", 80)
    except socket.gaierror as error:
        return [there, "no name", os.environ.get("HTTPS_PROXY")]
"""
    assert scene.answer(source, egress=False) == ["ECONNREFUSED", "no name", None]


def test_names_below_localhost_are_sereins(scene: Scene):
    source = """
import socket, urllib.request
def handler(event, context):
    return [
        urllib.request.urlopen("http://bucket.s3.localhost:4566/", timeout=2).read().decode(),
        socket.getaddrinfo("x.localhost.localstack.cloud", 80)[0][4],
    ]
"""
    assert scene.answer(source, egress=False) == ["serein", ["127.0.0.1", 80]]


def test_datagrams_have_a_device_once_they_are_sent(scene: Scene):
    source = """
import socket
def handler(event, context):
    before = socket.if_nameindex()
    socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"x", ("127.0.0.1", 9))
    between = socket.if_nameindex()
    socket.socket(socket.AF_INET, socket.SOCK_DGRAM).bind(("0.0.0.0", 0))
    after = socket.if_nameindex()
    return [len(before), len(between), [name for _, name in after]]
"""
    if not os.path.exists("/dev/net/tun"):
        pytest.skip("the kernel has no TUN devices")
    assert scene.answer(source) == [1, 1, ["lo", "eth0"]]
    assert scene.answer(source, egress=False) == [1, 1, ["lo"]]


@pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_INET6])
def test_datagrams_go_out_and_come_back(bench: Bench, family: socket.AddressFamily):
    bench.run(_speak(family))


async def _speak(family: socket.AddressFamily) -> None:
    loopback = "127.0.0.1" if family == socket.AF_INET else "::1"
    far = socket.socket(family, socket.SOCK_DGRAM)
    far.bind((loopback, 0))
    far.settimeout(2.0)
    # A device passes packets one by one, as such a pair does.
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    theirs.settimeout(2.0)
    allowed: list[tuple[str, int]] = []

    def allows(address: str, port: int) -> bool:
        allowed.append((address, port))
        return port == far.getsockname()[1]

    datagrams = Datagrams(ours.detach(), allows)
    near = socket.inet_pton(family, "10.1.1.1" if family == socket.AF_INET else "fd00::9")
    there = socket.inet_pton(family, loopback)
    flow = (family, near, 4000, there, far.getsockname()[1])
    theirs.send(answer_packet(_turned(flow), b"question"))
    asker = await _eventually(lambda: far.recvfrom(100))
    assert asker[0] == b"question"
    far.sendto(b"answer", asker[1])
    packet = await _eventually(lambda: theirs.recv(1000))
    assert parse(packet) == (_turned(flow), b"answer")
    theirs.send(answer_packet(_turned((family, near, 4000, there, 1)), b"refused"))
    theirs.send(b"\x45no packet")
    theirs.send(answer_packet(_turned(flow), b"again"))
    assert (await _eventually(lambda: far.recvfrom(100)))[0] == b"again"
    assert allowed == [(loopback, far.getsockname()[1]), (loopback, 1)]
    datagrams.close()
    theirs.close()
    far.close()


def _turned(flow: Any) -> Any:
    family, near, near_port, far, far_port = flow
    return family, far, far_port, near, near_port


async def _eventually(receive: Callable[[], Any]) -> Any:
    return await asyncio.to_thread(receive)


def test_packets_that_are_none():
    whole = answer_packet((socket.AF_INET, b"\x0a\0\0\1", 1, b"\x0a\0\0\2", 2), b"data")
    assert parse(whole) is not None
    for broken in (b"", b"\x45", whole[:27], whole[:-1], b"\x60" + whole[1:], bytes(100)):
        assert parse(broken) is None
    fragment = whole[:6] + b"\x20\x00" + whole[8:]
    assert parse(fragment) is None
    assert parse(whole[:9] + b"\x06" + whole[10:]) is None  # TCP


def test_names_that_are_answered_here():
    question = b"\x12\x34\x01\0\0\1\0\0\0\0\0\0"
    own = question + b"\1a\2s3\x09localhost\0\0\1\0\1"
    answer = own_answer(own)
    assert answer is not None
    assert answer.endswith(b"\x7f\0\0\1")
    other = question + b"\7example\3com\0\0\1\0\1"
    assert own_answer(other) is None
    assert failure(other, 2)[3] & 15 == 2
    assert failure(other, 2)[12:] == other[12:]
    for broken in (question, question + b"\x3fshort", question + b"\xc0\x0c"):
        assert own_answer(broken) is None
        assert failure(broken, 2)


def test_resolvers_are_the_hosts():
    assert Nameservers((("10.0.0.1", 53),)).current() == (("10.0.0.1", 53),)
    assert all(port == 53 for _, port in Nameservers().current())


# Without the kernel's asking: a proxy.


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
