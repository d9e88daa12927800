"""Sockets in the host's network that take the place of a sandbox's: made like them, connected, and of use for nothing else."""

from __future__ import annotations

import ctypes
import errno
import os
import socket
import struct
from pathlib import Path
from typing import NamedTuple

_SO_ATTACH_FILTER = 26
_SO_LOCK_FILTER = 44
_TCP_SYN_SENT = 2
_TCP_CLOSE = 7
_NETWORK_HEADER = 0xFFF0_0000  # SKF_NET_OFF
_BIND_TRIES = 4

_LOAD_WORD = 0x20
_LOAD_HALF = 0x28
_LOAD_BYTE = 0x30
_AND = 0x54
_JUMP_EQUAL = 0x15
_RETURN = 0x06

# What is set on a socket before it is connected, and matters later.
_COPIED = (
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE),
    (socket.SOL_SOCKET, socket.SO_OOBINLINE),
    (socket.SOL_SOCKET, socket.SO_PRIORITY),
    (socket.IPPROTO_IP, socket.IP_TOS),
    (socket.IPPROTO_TCP, socket.TCP_NODELAY),
    (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE),
    (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL),
    (socket.IPPROTO_TCP, socket.TCP_KEEPCNT),
    (socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT),
    (socket.IPPROTO_TCP, socket.TCP_QUICKACK),
    (socket.IPPROTO_TCP, socket.TCP_SYNCNT),
)
_COPIED_STRUCTURES = (socket.SO_LINGER, socket.SO_RCVTIMEO, socket.SO_SNDTIMEO)
_COPIED_SIZES = (socket.SO_RCVBUF, socket.SO_SNDBUF)


class Peer(NamedTuple):
    """Whom to connect to: the address as `reach.plain` writes it."""

    address: str
    port: int
    scope: int = 0


def parse_address(data: bytes) -> Peer | None:
    """The peer that a `sockaddr` names; None for what is no address of the internet (or too short for one)."""
    family = int.from_bytes(data[:2], "little")
    if family == socket.AF_INET and len(data) >= 8:
        return Peer(socket.inet_ntop(family, data[4:8]), int.from_bytes(data[2:4], "big"))
    if family == socket.AF_INET6 and len(data) >= 24:
        port = int.from_bytes(data[2:4], "big")
        if data[8:20] == bytes(10) + b"\xff\xff":
            return Peer(socket.inet_ntop(socket.AF_INET, data[20:24]), port)
        scope = int.from_bytes(data[24:28], "little") if len(data) >= 28 else 0
        return Peer(socket.inet_ntop(family, data[8:24]), port, scope)
    return None


def is_tcp(near: socket.socket) -> bool:
    """Whether this is a TCP socket (one of several paths counts: it gets a plain one)."""
    proto = near.getsockopt(socket.SOL_SOCKET, socket.SO_PROTOCOL)
    return near.family in (socket.AF_INET, socket.AF_INET6) and proto in (
        socket.IPPROTO_TCP,
        socket.IPPROTO_MPTCP if hasattr(socket, "IPPROTO_MPTCP") else 262,
    )


def progress_of(near: socket.socket) -> int:
    """What connecting a socket again is answered with, if it was handed out before and is still of use; else 0."""
    try:
        state = near.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0]
    except OSError:
        return 0
    if state == _TCP_CLOSE:
        return 0
    return errno.EALREADY if state == _TCP_SYN_SENT else errno.EISCONN


def send_timeout_of(near: socket.socket) -> float:
    """SO_SNDTIMEO in seconds, which bounds a blocking connect too; 0 for none."""
    seconds, micros = struct.unpack(
        "@ll", near.getsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.calcsize("@ll"))
    )
    return float(seconds) + float(micros) / 1e6


def route_error(peer: Peer) -> int:
    """Why the host has no way to this peer; 0 when it has one. Nothing is sent."""
    family = socket.AF_INET6 if ":" in peer.address else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            return probe.connect_ex(_where(family, peer._replace(port=peer.port or 9)))
    except OSError as error:
        return error.errno or errno.ENETUNREACH


def start(near: socket.socket, peer: Peer) -> tuple[socket.socket, int]:
    """A socket like `near` on its way to `peer`, and how far it is (an error number). Raises OSError.

    It is left non-blocking where `near` is, or where it is not connected yet.
    """
    for _ in range(_BIND_TRIES):
        outer = socket.socket(near.family, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
        try:
            _pin(outer, peer)
            _make_alike(near, outer)
            outer.setblocking(False)
            error = outer.connect_ex(_where(near.family, peer))
        except BaseException:
            outer.close()
            raise
        if error != errno.EADDRNOTAVAIL:
            break
        outer.close()  # its port is taken for this very peer: another one
    if error == 0 and os.get_blocking(near.fileno()):
        outer.setblocking(True)
    return outer, error


def can_pin() -> bool:
    """Whether this process may filter what a socket hears: some kernels want CAP_NET_ADMIN for it."""
    with socket.socket() as probe:
        try:
            _filter(probe, Peer("127.0.0.1", 9))
        except OSError:
            return False
    return True


def open_sockets() -> set[int]:
    """The inodes of the host's TCP sockets that somebody holds."""
    found: set[int] = set()
    for name in ("tcp", "tcp6"):
        try:
            lines = Path(f"/proc/self/net/{name}").read_text(encoding="ascii").splitlines()[1:]
        except OSError:
            continue
        found.update(int(line.split()[9]) for line in lines)
    return found


def _where(family: int, peer: Peer) -> tuple[str, int] | tuple[str, int, int, int]:
    if family == socket.AF_INET:
        return peer.address, peer.port
    address = peer.address if ":" in peer.address else "::ffff:" + peer.address
    return address, peer.port, 0, peer.scope


def _make_alike(near: socket.socket, outer: socket.socket) -> None:
    for level, option in _COPIED:
        try:
            value = near.getsockopt(level, option)
            if value != outer.getsockopt(level, option):
                outer.setsockopt(level, option, value)
        except OSError:
            continue
    for option in _COPIED_STRUCTURES:
        value_bytes = near.getsockopt(socket.SOL_SOCKET, option, 16)
        if any(value_bytes):
            outer.setsockopt(socket.SOL_SOCKET, option, value_bytes)
    for option in _COPIED_SIZES:
        # The kernel doubles what it is told.
        size = near.getsockopt(socket.SOL_SOCKET, option)
        if size != outer.getsockopt(socket.SOL_SOCKET, option):
            outer.setsockopt(socket.SOL_SOCKET, option, size // 2)


def _pin(outer: socket.socket, peer: Peer) -> None:
    """Bind it and let it hear its peer only, for good: disconnected, it can neither listen nor connect to anybody else."""
    # It stays set: ports of ended connections are taken again by others that have it.
    outer.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    anywhere = "::" if outer.family == socket.AF_INET6 else "0.0.0.0"
    with socket.socket(outer.family, socket.SOCK_STREAM | socket.SOCK_CLOEXEC) as finder:
        finder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        finder.bind((anywhere, 0))
        # A port that was asked for by its number is kept whatever becomes of the connection, and no other can be taken.
        outer.bind((anywhere, finder.getsockname()[1]))
    _filter(outer, peer)


def _filter(outer: socket.socket, peer: Peer) -> None:
    code = peer_filter(peer)
    held = ctypes.create_string_buffer(code, len(code))
    program = struct.pack("@HP", len(code) // 8, ctypes.addressof(held))
    outer.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, program)
    outer.setsockopt(socket.SOL_SOCKET, _SO_LOCK_FILTER, 1)


def peer_filter(peer: Peer) -> bytes:
    """A BPF program that passes what comes from this address and port, and nothing else."""
    if ":" in peer.address:
        version, at = 0x60, 8
        address = socket.inet_pton(socket.AF_INET6, peer.address)
    else:
        version, at = 0x40, 12
        address = socket.inet_pton(socket.AF_INET, peer.address)
    words = [int.from_bytes(address[i : i + 4], "big") for i in range(0, len(address), 4)]
    tests = [
        (_LOAD_BYTE, _NETWORK_HEADER, version),
        *((_LOAD_WORD, _NETWORK_HEADER + at + 4 * i, word) for i, word in enumerate(words)),
        (_LOAD_HALF, 0, peer.port),  # the transport header's first field is the sender's port
    ]
    code = []
    left = 2 * len(tests) + 1
    for load, offset, value in tests:
        code.append(struct.pack("@HBBI", load, 0, 0, offset))
        if load == _LOAD_BYTE:
            code.append(struct.pack("@HBBI", _AND, 0, 0, 0xF0))
        left -= 2
        code.append(struct.pack("@HBBI", _JUMP_EQUAL, 0, left, value))
    code.append(struct.pack("@HBBI", _RETURN, 0, 0, 0xFFFF_FFFF))
    code.append(struct.pack("@HBBI", _RETURN, 0, 0, 0))
    return b"".join(code)
