"""Seccomp's notifications: calls of a sandbox that wait until the server has said what becomes of them.

What is read of the caller's memory may be changed by another of its threads meanwhile, so a decision holds only for what this
side carries out itself: https://man7.org/linux/man-pages/man2/seccomp_unotify.2.html
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import platform
import select
import socket
import struct
from typing import NamedTuple

from serein.runtimes import outer_sockets

_RECEIVE = 0xC050_2100
_SEND = 0xC018_2101
_IS_VALID = 0x4008_2102
_ADD_DESCRIPTOR = 0x4018_2103
_NOTIFICATION = struct.Struct("<QIIiIQ6Q")
_RESPONSE = struct.Struct("<QqiI")
_ADDITION = struct.Struct("<QIIII")
_CONTINUE = 1
_AT_NUMBER = 1
_PIDFD_GETFD = 438
_CAP_SYS_PTRACE = 19
_PIDFD_OF_THREAD = os.O_EXCL
_CALLS = {
    "x86_64": {42: "connect", 49: "bind", 44: "sendto"},
    "aarch64": {203: "connect", 200: "bind", 206: "sendto"},
}.get(platform.machine(), {})

ADDRESS_BYTES_MAX = 128

_libc = ctypes.CDLL(None, use_errno=True)
_read = _libc.process_vm_readv
_ONE = ctypes.c_ulong(1)


class _Span(ctypes.Structure):
    _fields_ = [("base", ctypes.c_void_p), ("size", ctypes.c_size_t)]


class Waiting(NamedTuple):
    """A call that waits: which one, with which arguments, by which thread."""

    id: int
    thread: int
    call: str
    arguments: tuple[int, ...]


class Notifications:
    """The kernel's end of a sandbox's calls. What is said of a caller that is gone is not heard."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        self._poll = select.poll()
        self._memory = ctypes.create_string_buffer(ADDRESS_BYTES_MAX)
        self._ours = _Span(ctypes.addressof(self._memory), 0)
        self._theirs = _Span(0, 0)
        self._spans = ctypes.byref(self._ours), ctypes.byref(self._theirs)
        self._poll.register(descriptor, select.POLLIN)

    def next(self) -> Waiting | None:
        """The next call, if one waits. Raises EOFError when nobody is left who could call."""
        # Asking the kernel for a call when there is none would wait for one.
        found = self._poll.poll(0)
        if not found:
            return None
        if not found[0][1] & select.POLLIN:
            raise EOFError
        buffer = bytearray(_NOTIFICATION.size)
        try:
            fcntl.ioctl(self.descriptor, _RECEIVE, buffer)
        except OSError:
            return None
        number, thread, _, call, _, _, *arguments = _NOTIFICATION.unpack(buffer)
        return Waiting(number, thread, _CALLS.get(call, ""), tuple(arguments))

    def read(self, call: Waiting, at: int, size: int) -> bytes | None:
        """Bytes of the caller's memory, not more than an address has; None where there are none."""
        size = min(size, ADDRESS_BYTES_MAX)
        self._ours.size = self._theirs.size = size
        self._theirs.base = at
        ours, theirs = self._spans
        if _read(call.thread, ours, _ONE, theirs, _ONE, 0) != size:
            return None
        return self._memory.raw[:size]

    def waits(self, call: Waiting) -> bool:
        """Whether the caller still waits: what was read of `call.thread` before was the caller's."""
        try:
            fcntl.ioctl(self.descriptor, _IS_VALID, struct.pack("<Q", call.id))
        except OSError:
            return False
        return True

    def proceed(self, call: Waiting) -> None:
        """Let the kernel do it; only what is harmless whatever the arguments have become meanwhile."""
        self._send(_RESPONSE.pack(call.id, 0, 0, _CONTINUE))

    def answer(self, call: Waiting, error: int) -> None:
        """The call returns 0, or fails with `error`."""
        self._send(_RESPONSE.pack(call.id, 0, -error, 0))

    def place(self, call: Waiting, descriptor: int, target: int, *, closes_on_exec: bool) -> bool:
        """Put a descriptor of this process over the caller's `target`; whether that was done."""
        flags = os.O_CLOEXEC if closes_on_exec else 0
        addition = _ADDITION.pack(call.id, _AT_NUMBER, descriptor, target, flags)
        try:
            fcntl.ioctl(self.descriptor, _ADD_DESCRIPTOR, addition)
        except OSError:
            return False
        return True

    def _send(self, response: bytes) -> None:
        try:
            fcntl.ioctl(self.descriptor, _SEND, response)
        except OSError:
            pass


def borrow_socket(thread: int, number: int) -> socket.socket | None:
    """The socket behind another process's descriptor, shared with it; None for what is no socket."""
    try:
        process = _open_process(thread)
    except OSError:
        return None
    try:
        descriptor = _libc.syscall(
            ctypes.c_long(_PIDFD_GETFD), ctypes.c_int(process), ctypes.c_int(number), 0
        )
        if descriptor < 0:
            return None
        try:
            return socket.socket(fileno=descriptor)
        except OSError:
            os.close(descriptor)
            return None
    finally:
        os.close(process)


def closes_on_exec(thread: int, number: int) -> bool:
    """Whether another process's descriptor is closed when that executes a program."""
    try:
        with open(f"/proc/{thread}/fdinfo/{number}", "rb") as file:
            for line in file:
                if line.startswith(b"flags:"):
                    return bool(int(line[6:], 8) & os.O_CLOEXEC)
    except OSError:
        pass
    return True


def _open_process(thread: int) -> int:
    try:
        return os.pidfd_open(thread, _PIDFD_OF_THREAD)
    except OSError:
        pass  # kernels before 6.9 know whole processes only
    with open(f"/proc/{thread}/status", "rb") as file:
        for line in file:
            if line.startswith(b"Tgid:"):
                return os.pidfd_open(int(line[5:]))
    raise ProcessLookupError(thread)


def can_answer() -> bool:
    """Whether this process may look into its functions' processes and pin sockets, as answering for them takes."""
    if not _CALLS or not outer_sockets.can_pin():
        return False
    if os.geteuid() != 0:
        return True  # the user namespace that they live in is its own
    try:
        with open("/proc/self/status", encoding="ascii") as file:
            for line in file:
                if line.startswith("CapEff:"):
                    return bool(int(line[7:], 16) >> _CAP_SYS_PTRACE & 1)
    except OSError:
        pass
    return False
