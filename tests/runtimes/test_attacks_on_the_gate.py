"""A function that tries to turn its way out into a way into the host."""

from __future__ import annotations

import asyncio
import os
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.runtimes.conftest import Bench
from tests.runtimes.test_attacks import attempt


class Listener:
    """Takes every connection at a port of the host's loopback, and says how many came."""

    def __init__(self, backlog: int = 64) -> None:
        self.server = socket.create_server(("127.0.0.1", 0), backlog=backlog)
        self.port = self.server.getsockname()[1]
        self.taken: list[socket.socket] = []

    def serve(self) -> Listener:
        threading.Thread(target=self._serve, daemon=True).start()
        return self

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self.server.accept()
            except OSError:
                return
            self.taken.append(connection)
            connection.sendall(b"hello")

    def close(self) -> None:
        self.server.close()
        for connection in self.taken:
            connection.close()


class Scene:
    """A pool whose functions may reach one port of the host, and another one that they may not."""

    def __init__(self, work: Path) -> None:
        self.open = Listener().serve()
        self.victim = Listener().serve()
        self.silent = Listener(backlog=0)  # nobody accepts: a connection waits
        self.fillers = [_connecting(self.silent.port) for _ in range(4)]
        granted = tuple(("127.0.0.1", one.port) for one in (self.open, self.silent))
        self.bench = Bench(work, reachable=granted)
        self.ports = [self.open.port, self.victim.port, self.silent.port]

    def answer(self, body: str, **given: Any) -> Any:
        return self.bench.answer(attempt(PREPARED + body), self.ports, **given)

    def close(self) -> None:
        self.bench.close()
        for listener in (self.open, self.victim, self.silent):
            listener.close()
        for filler in self.fillers:
            filler.close()


PREPARED = """\
import select, struct, threading, time
libc = ctypes.CDLL(None, use_errno=True)
port, victim, silent = event
def address(port, host='127.0.0.1'):
    return ctypes.create_string_buffer(
        struct.pack('<H', 2) + struct.pack('>H', port) + socket.inet_aton(host) + bytes(8), 16)
def connect(s, where):
    ctypes.set_errno(0)
    libc.connect(s.fileno(), where, 16)
    return errno.errorcode.get(ctypes.get_errno(), 'OK')
"""


def _connecting(port: int) -> socket.socket:
    filler = socket.socket()
    filler.setblocking(False)
    filler.connect_ex(("127.0.0.1", port))
    return filler


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    made = Scene(tmp_path_factory.mktemp("gate"))
    try:
        station = made.bench.pool.nursery._stations["python"]
        if not station.zygote.machine.get("watch"):
            pytest.skip("the kernel does not ask about calls here")
        yield made
    finally:
        made.close()


def test_an_address_that_changes_while_it_is_judged(scene: Scene):
    body = """\
where = address(port)
going = True
def flip():
    while going:
        for p in (victim, port):
            where[2:4] = struct.pack('>H', p)
flipper = threading.Thread(target=flip)
flipper.start()
told = set()
for _ in range(300):
    s = socket.socket()
    if connect(s, where) == 'OK':
        told.add(s.getpeername()[1])
    s.close()
going = False
flipper.join()
return sorted(told)
"""
    assert scene.answer(body, timeout_s=30.0) in ([scene.open.port], [])
    assert scene.victim.taken == []


def test_a_socket_of_the_hosts_network_is_of_no_other_use(scene: Scene):
    body = """\
s = socket.create_connection(('127.0.0.1', port))
nowhere = ctypes.create_string_buffer(16)
said = [connect(s, nowhere)]  # AF_UNSPEC: disconnected
s.setblocking(False)
said.append(connect(s, address(victim)))
select.select([], [s], [], 0.3)
try:
    s.getpeername()
    said.append('connected')
except OSError as error:
    said.append(errno.errorcode[error.errno])
t = socket.create_connection(('127.0.0.1', port))
connect(t, nowhere)
try:
    t.bind(('0.0.0.0', 0))
    said.append('bound')
except OSError as error:
    said.append(errno.errorcode[error.errno])
try:
    t.setsockopt(socket.SOL_SOCKET, 27, 0)  # SO_DETACH_FILTER
    said.append('detached')
except OSError as error:
    said.append(errno.errorcode[error.errno])
t.listen()
t.settimeout(0.1)
return [*said, t.getsockname()[1]]
"""
    *said, _ = scene.answer(body, timeout_s=10.0)
    assert said == ["OK", "EINPROGRESS", "ENOTCONN", "EINVAL", "EPERM"]
    assert scene.victim.taken == []


def test_a_listener_in_the_hosts_network_hears_nobody(scene: Scene):
    body = """\
s = socket.create_connection(('127.0.0.1', port))
connect(s, ctypes.create_string_buffer(16))
s.listen()
s.settimeout(1.0)
print(s.getsockname()[1], flush=True)
return s.accept()[1]
"""
    lines = scene.bench.lines
    lines.clear()
    task = scene.bench.start(
        scene.bench.function(attempt(PREPARED + body), timeout_s=10.0), scene.ports
    )

    async def knock() -> bytes:
        while True:
            said = [line.message for line in lines if line.message.strip().isdigit()]
            if said:
                break
            await asyncio.sleep(0.01)
        visitor = _connecting(int(said[0]))
        outcome = await task
        visitor.close()
        return outcome.payload

    assert b"TimeoutError" in scene.bench.run(knock())


def test_swapping_the_descriptor_while_it_is_judged(scene: Scene):
    body = """\
outer = socket.create_connection(('127.0.0.1', port))
connect(outer, ctypes.create_string_buffer(16))
outer.setblocking(False)
going = True
s = socket.socket()
s.setblocking(False)
number = s.fileno()
inner = os.dup(number)
def swap():
    while going:
        os.dup2(outer.fileno(), number)
        os.dup2(inner, number)
swapper = threading.Thread(target=swap)
swapper.start()
where = address(victim)
said = set()
for _ in range(300):
    said.add(connect(s, where))
going = False
swapper.join()
select.select([], [], [], 0.2)
return 'survived'
"""
    assert scene.answer(body, timeout_s=30.0) == "survived"
    assert scene.victim.taken == []


def test_descriptors_that_are_closed_in_the_middle(scene: Scene):
    body = """\
def open_and_close():
    for _ in range(50):
        s = socket.socket()
        number = s.detach()
        closer = threading.Thread(target=os.close, args=(number,))
        closer.start()
        libc.connect(number, address(port), 16)
        closer.join()
threads = [threading.Thread(target=open_and_close) for _ in range(4)]
[t.start() for t in threads]
[t.join() for t in threads]
return 'survived'
"""
    assert scene.answer(body, timeout_s=30.0) == "survived"
    assert scene.answer("return 'well'") == "well"


def test_addresses_that_are_none(scene: Scene):
    body = """\
said = []
s = socket.socket()
for where, size in ((0, 16), (1, 16), (2**63, 16), (address(port), 0), (address(port), 1),
                    (address(port), 7), (address(port), 2**31)):
    ctypes.set_errno(0)
    argument = where if not isinstance(where, int) else ctypes.c_void_p(where)
    result = libc.connect(s.fileno(), argument, ctypes.c_uint(size))
    said.append(errno.errorcode.get(ctypes.get_errno(), 'OK'))
ctypes.set_errno(0)
libc.connect(999, address(port), 16)
said.append(errno.errorcode[ctypes.get_errno()])
libc.connect(0, address(port), 16)
said.append(errno.errorcode[ctypes.get_errno()])
return said
"""
    said = scene.answer(body)
    assert said[:3] == ["EFAULT", "EFAULT", "EFAULT"]
    assert said[3:6] == ["EINVAL", "EINVAL", "EINVAL"]
    assert said[-2:] == ["EBADF", "EBADF"] or said[-2] == "EBADF"


def test_a_flood_of_calls_leaves_others_their_server(scene: Scene):
    body = """\
def flood():
    until = time.monotonic() + 1.5
    s = socket.socket()
    while time.monotonic() < until:
        connect(s, address(1))
threads = [threading.Thread(target=flood) for _ in range(8)]
[t.start() for t in threads]
[t.join() for t in threads]
return 'done'
"""
    bench = scene.bench
    flood = bench.start(bench.function(attempt(PREPARED + body), timeout_s=20.0), scene.ports)
    for _ in range(20):
        assert bench.answer(attempt("return 'well'")) == "well"
    assert bench.run(_outcome(flood)) == b'"done"'


async def _outcome(task: Any) -> bytes:
    payload: bytes = (await task).payload
    return payload


def test_a_function_that_ends_while_its_connection_is_pending(scene: Scene):
    before = len(os.listdir("/proc/self/fd"))
    body = "socket.create_connection(('127.0.0.1', silent))"
    outcome = scene.bench.invoke(
        scene.bench.function(attempt(PREPARED + body), timeout_s=1.0), scene.ports
    )
    assert b"Task timed out" in outcome.payload
    many = """\
def wait():
    s = socket.socket()
    connect(s, address(silent))
threads = [threading.Thread(target=wait, daemon=True) for _ in range(300)]
[t.start() for t in threads]
select.select([], [], [], 0.3)
os._exit(7)
"""
    scene.bench.invoke(
        scene.bench.function(attempt(PREPARED + many), timeout_s=10.0, memory_mb=512), scene.ports
    )
    assert scene.answer("return 'well'") == "well"
    # What waited for the connections is gone with them; the rest is what the environments of other tests hold.
    assert len(os.listdir("/proc/self/fd")) < before + 40


def test_descriptors_are_not_without_end(scene: Scene):
    body = """\
held = []
try:
    for _ in range(3000):
        held.append(socket.create_connection(('127.0.0.1', port)))
except OSError as error:
    return [errno.errorcode[error.errno], len(held)]
"""
    error, count = scene.answer(body, timeout_s=120.0)
    assert error in ("EMFILE", "ENOBUFS")
    assert 500 < count <= 1024
