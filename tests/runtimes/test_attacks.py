"""A function that tries to get out, each way shut."""

from __future__ import annotations

import asyncio
import os
import socket
from pathlib import Path

import pytest

from tests.runtimes.conftest import Bench


def attempt(body: str) -> str:
    """A handler that answers what `body` returned, or the name of the error that it met."""
    indented = "\n".join("        " + line for line in body.splitlines())
    return (
        "import ctypes, errno, glob, os, signal, socket, subprocess, sys\n"
        "def handler(event, context):\n"
        "    try:\n"
        f"{indented}\n"
        "    except OSError as error:\n"
        "        return errno.errorcode.get(error.errno, type(error).__name__)\n"
    )


def test_the_hosts_files_are_not_there(sandboxed: Bench, tmp_path: Path):
    secret = tmp_path / "secret"
    secret.write_text("s")
    for path in (str(secret), "/etc/shadow", "/root/.bashrc", "/sys/kernel", "/dev/kmsg"):
        assert sandboxed.answer(attempt("return open(event).read()"), path) in (
            "ENOENT",
            "EACCES",
        ), path
    found = sandboxed.answer(attempt("return sorted(os.listdir('/'))"))
    assert "home" not in found
    assert "sys" not in found


def test_the_servers_environment_is_not_to_be_read(sandboxed: Bench):
    found = sandboxed.answer(attempt("return open('/proc/1/environ').read()"))
    assert found.rstrip("\0").split("\0") == [
        "PATH=/usr/local/bin:/usr/bin:/bin",
        "LC_ALL=C.UTF-8",
    ]


def test_nothing_can_be_written_but_tmp(sandboxed: Bench):
    for path in ("/x", "/var/task/x", "/opt/x", "/etc/x", "/usr/lib/x", "/var/runtime/x"):
        answer = sandboxed.answer(attempt("open(event, 'w')"), path)
        assert answer in ("EROFS", "EACCES"), path
    assert sandboxed.answer(attempt("return open('/tmp/x', 'w').write('x')")) == 1


def test_tmp_is_private_and_of_its_size(sandboxed: Bench):
    body = (
        "with open('/tmp/big', 'wb') as file:\n"
        "    for _ in range(event):\n"
        "        file.write(bytes(1 << 20))\n"
        "return 'written'"
    )
    spec = {"ephemeral_mb": 512, "memory_mb": 256, "timeout_s": 20.0}
    assert sandboxed.answer(attempt(body), 700, **spec) in ("ENOSPC", "EFBIG")
    assert sandboxed.answer(attempt("return os.listdir('/tmp')")) == []


def test_others_are_neither_seen_nor_signalled(sandboxed: Bench):
    assert sandboxed.answer(attempt("return [p for p in os.listdir('/proc') if p.isdigit()]")) == [
        "1"
    ]
    assert sandboxed.answer(attempt("os.kill(event, 9)"), os.getpid()) == "ESRCH"
    # -1: everybody; 0: the own group. Neither may reach the zygote or the server.
    spec = sandboxed.function(attempt("os.kill(0, 15)\nos.kill(-1, 9)\nreturn 'alive'"))
    sandboxed.invoke(spec)
    assert sandboxed.answer(attempt("return 'still here'")) == "still here"


def test_only_serein_can_be_reached(sandboxed: Bench):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        body = "socket.create_connection((event[0], event[1]), 1)\nreturn 'connected'"
        for host in ("127.0.0.1", "127.8.8.8", "localhost", "::1", "::ffff:127.0.0.1", "0.0.0.0"):
            answer = sandboxed.answer(attempt(body), [host, port])
            assert answer in ("ECONNREFUSED", "ENETUNREACH"), host
    for host in ("169.254.169.254", "224.0.0.1", "fe80::1%1", "fd00:ec2::254"):
        assert sandboxed.answer(attempt(body), [host, 80]) == "ENETUNREACH", host
    udp = "s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\ns.sendto(b'x', ('1.1.1.1', 53))"
    assert sandboxed.answer(attempt(udp), egress=False) == "ENETUNREACH"
    assert sandboxed.answer(attempt(body), ["1.1.1.1", 80], egress=False) == "ENETUNREACH"
    inside = (
        "import urllib.request\n"
        "return urllib.request.urlopen(os.environ['AWS_ENDPOINT_URL'], timeout=2).read().decode()"
    )
    assert sandboxed.answer(attempt(inside)) == "serein"


def test_abstract_sockets_of_the_host_are_out_of_reach(sandboxed: Bench):
    name = f"\0serein-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(name)
        server.listen()
        body = "s = socket.socket(socket.AF_UNIX)\ns.connect(event)\nreturn 'connected'"
        assert sandboxed.answer(attempt(body), name) == "ECONNREFUSED"


@pytest.mark.parametrize(
    ("call", "refusal"),
    [
        ("libc.unshare(0x10000000)", "EPERM"),
        ("libc.ptrace(0, 0, 0, 0)", "EPERM"),
        ("libc.mount(b'none', b'/tmp', b'tmpfs', 0, 0)", "EPERM"),
        ("libc.syscall(250, 0, 0, 0, 0, 0)", "EPERM"),  # keyctl
        ("libc.syscall(321, 0, 0, 0)", "EPERM"),  # bpf
        ("libc.syscall(428, -100, b'/', 1)", "EPERM"),  # open_tree
        ("libc.chroot(b'/tmp')", "EPERM"),
        ("libc.syscall(425, 1, 0)", "ENOSYS"),  # io_uring_setup
        ("libc.syscall(435, 0, 0)", "ENOSYS"),  # clone3
        ("libc.syscall(56, 0x10000000 | 17, 0, 0, 0, 0)", "EPERM"),  # clone(NEWUSER)
        ("libc.setuid(0)", "EPERM"),
        ("libc.setresuid(0, 0, 0)", "EPERM"),
        ("libc.mknod(b'/tmp/disk', 0o60666, 0x0800)", "EPERM"),
    ],
)
@pytest.mark.skipif(os.uname().machine != "x86_64", reason="the numbers are x86_64's")
def test_ways_out_through_the_kernel(sandboxed: Bench, call: str, refusal: str):
    body = (
        "libc = ctypes.CDLL(None, use_errno=True)\n"
        f"result = {call}\n"
        "return errno.errorcode[ctypes.get_errno()] if result == -1 else 'allowed'"
    )
    assert sandboxed.answer(attempt(body)) == refusal


def test_raw_and_packet_sockets_are_refused(sandboxed: Bench):
    assert sandboxed.answer(attempt("socket.socket(socket.AF_PACKET)")) == "EAFNOSUPPORT"
    raw = "socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)"
    assert sandboxed.answer(attempt(raw)) == "EPERM"
    assert sandboxed.answer(attempt("return len(socket.if_nameindex())")) == 1


def test_no_rights_are_left(sandboxed: Bench):
    body = "return dict(l.split(':\\t', 1) for l in open('/proc/self/status').read().splitlines() if ':\\t' in l)"
    status = sandboxed.answer(attempt(body))
    for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
        assert int(status[name], 16) == 0
    assert status["NoNewPrivs"] == "1"
    assert status["Seccomp"] == "2"
    assert not status["Groups"].split()
    assert int(status["Uid"].split()[0]) >= 700_000


def test_each_environment_has_its_own_user(sandboxed: Bench):
    source = attempt("return os.getuid()")
    assert sandboxed.answer(source) != sandboxed.answer(source)


def test_descriptors_of_the_server_are_closed(sandboxed: Bench):
    found = sandboxed.answer(attempt("return sorted(int(n) for n in os.listdir('/proc/self/fd'))"))
    assert set(found) <= {0, 1, 2, 3, 4}


def test_a_fork_bomb_stays_inside(sandboxed: Bench):
    body = "count = 0\nwhile True:\n    if os.fork() == 0:\n        signal.pause()\n    count += 1"
    outcome = sandboxed.invoke(sandboxed.function(attempt(body), timeout_s=30.0))
    # Either limit may come first: processes, or the memory that they take.
    assert outcome.payload == b'"EAGAIN"' or outcome.payload.endswith(b'signal: killed"}')
    assert sandboxed.answer(attempt("return 'well'")) == "well"


def test_threads_and_children_work(sandboxed: Bench):
    body = (
        "import threading\n"
        "seen = []\n"
        "t = threading.Thread(target=seen.append, args=(1,)); t.start(); t.join()\n"
        "out = subprocess.run(['/bin/sh', '-c', 'echo hi'], capture_output=True).stdout.decode()\n"
        "return [seen, out]"
    )
    assert sandboxed.answer(attempt(body)) == [[1], "hi\n"]


def test_random_numbers_differ_between_environments(sandboxed: Bench):
    body = "import random, ssl, uuid\nreturn [random.random(), ssl.RAND_bytes(8).hex(), str(uuid.uuid4())]"
    first, second = (sandboxed.answer(attempt(body)) for _ in range(2))
    assert all(a != b for a, b in zip(first, second, strict=True))


def test_without_namespaces_landlock_guards_files(plain: Bench, tmp_path: Path):
    isolation = plain.pool.isolation
    assert isolation.standing in ("partial", "none")
    assert "isolation was switched off" in isolation.reasons
    if isolation.standing == "none":
        pytest.skip("the kernel has no Landlock")
    secret = tmp_path / "secret"
    secret.write_text("s")
    assert plain.answer(attempt("return open(event).read()"), str(secret)) == "EACCES"
    assert plain.answer(attempt("open(event, 'w')"), str(tmp_path / "new")) == "EACCES"
    body = "path = os.environ['TMPDIR'] + '/x'\nreturn open(path, 'w').write('x')"
    assert plain.answer(attempt(body)) == 1
    body = "libc = ctypes.CDLL(None, use_errno=True)\nreturn [libc.unshare(0x10000000), ctypes.get_errno()]"
    assert plain.answer(attempt(body)) == [-1, 1]


def test_without_namespaces_nothing_stays_behind(plain: Bench):
    body = "subprocess.Popen(['/bin/sh', '-c', 'sleep 999 & sleep 999'], start_new_session=True)\nos._exit(0)"
    plain.invoke(plain.function(attempt(body)))
    for _ in range(100):
        left = [
            p
            for p in Path("/proc").glob("[0-9]*/cmdline")
            if p.exists() and b"sleep\x00999" in _read(p)
        ]
        if not left:
            return
        plain.run(_moment())
    raise AssertionError(left)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""


async def _moment() -> None:
    await asyncio.sleep(0.02)
