"""A network device for a sandbox: where its default route leads, with the other end in the server's hands.

It is made when a function first sends datagrams, by the zygote: the sandbox itself has no rights.
"""

from __future__ import annotations

import errno
import fcntl
import os
import socket
import struct
from collections.abc import Callable

from serein.runtimes.inside import syscalls

NAME = b"eth0"
ADDRESS = "169.254.10.1"
ADDRESS_6 = "fd73:6572:6569:6e::1"
_TUNSETIFF = 0x400454CA
_IFF_TUN_NO_PI = 0x1001
_SIOCSIFFLAGS = 0x8914
_SIOCSIFMTU = 0x8922
_SIOCGIFINDEX = 0x8933
_IFF_UP_RUNNING = 0x41
_MTU = 65_535  # nothing is cut in pieces on its way to the server

_NEW_ADDRESS = 20
_NEW_ROUTE = 24
_REQUEST_ACKNOWLEDGE_CREATE = 0x1 | 0x4 | 0x400 | 0x200
_LOCAL = 2
_ATTRIBUTE_ADDRESS = 1
_ATTRIBUTE_OUT = 4
_NO_DUPLICATE_DETECTION = 0x02
_TABLE_MAIN = 254
_PROTOCOL_BOOT = 3
_UNICAST = 1


def make_device(pid: int, own_network: int) -> int:
    """A descriptor of the other end of a new device in the network of `pid`. Raises OSError."""
    return _in_network_of(pid, own_network, _make)


def make_socket(pid: int, own_network: int) -> int:
    """A TCP socket that belongs to the network of `pid`. Raises OSError."""

    def make() -> int:
        return socket.socket(socket.AF_INET, socket.SOCK_STREAM).detach()

    return _in_network_of(pid, own_network, make)


def _in_network_of(pid: int, own_network: int, make: Callable[[], int]) -> int:
    theirs = os.open(f"/proc/{pid}/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        if os.fstat(theirs).st_ino == os.fstat(own_network).st_ino:
            raise OSError(errno.EBUSY, "the child has no network of its own")
        syscalls.setns(theirs, syscalls.CLONE_NEWNET)
        try:
            return make()
        finally:
            syscalls.setns(own_network, syscalls.CLONE_NEWNET)
    finally:
        os.close(theirs)


def _make() -> int:
    # It belongs to the network in which it is opened.
    device = os.open("/dev/net/tun", os.O_RDWR | os.O_CLOEXEC)
    try:
        fcntl.ioctl(device, _TUNSETIFF, struct.pack("16sH14x", NAME, _IFF_TUN_NO_PI))
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
            _set_up(control)
    except BaseException:
        os.close(device)
        raise
    return device


def _set_up(control: socket.socket) -> None:
    fcntl.ioctl(control, _SIOCSIFMTU, struct.pack("16si12x", NAME, _MTU))
    fcntl.ioctl(control, _SIOCSIFFLAGS, struct.pack("16sH14x", NAME, _IFF_UP_RUNNING))
    packed = fcntl.ioctl(control, _SIOCGIFINDEX, struct.pack("16si12x", NAME, 0))
    index = struct.unpack_from("16si", packed)[1]
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0) as routes:
        _add(routes, socket.AF_INET, index, socket.inet_pton(socket.AF_INET, ADDRESS))
        try:
            _add(routes, socket.AF_INET6, index, socket.inet_pton(socket.AF_INET6, ADDRESS_6))
        except OSError:
            pass  # a kernel without IPv6


def _add(routes: socket.socket, family: int, index: int, address: bytes) -> None:
    """An address of the device, and the default route into it."""
    head = struct.pack("=BBBBI", family, len(address) * 8, _NO_DUPLICATE_DETECTION, 0, index)
    if family == socket.AF_INET:
        head = struct.pack("=BBBBI", family, len(address) * 8, 0, 0, index)
    both = _attribute(_LOCAL, address) + _attribute(_ATTRIBUTE_ADDRESS, address)
    _ask(routes, _NEW_ADDRESS, head + both)
    route = struct.pack("=BBBBBBBBI", family, 0, 0, 0, _TABLE_MAIN, _PROTOCOL_BOOT, 0, _UNICAST, 0)
    _ask(routes, _NEW_ROUTE, route + _attribute(_ATTRIBUTE_OUT, struct.pack("=I", index)))


def _attribute(kind: int, data: bytes) -> bytes:
    return struct.pack("=HH", 4 + len(data), kind) + data + b"\0" * (-len(data) % 4)


def _ask(routes: socket.socket, kind: int, body: bytes) -> None:
    size = 16 + len(body)
    routes.send(struct.pack("=IHHII", size, kind, _REQUEST_ACKNOWLEDGE_CREATE, 1, 0) + body)
    answer = routes.recv(4096)
    error: int = struct.unpack_from("=i", answer, 16)[0]
    if error:
        raise OSError(-error, f"netlink: {os.strerror(-error)}")
