"""The gate of a sandbox: what its processes may connect to, and how they come to be connected.

Calls that name an address wait here (seccomp). For its own loopback a process does itself what it wanted: there is nothing else
in its network namespace, whatever its other threads make of the arguments meanwhile. Where it may go out, a socket that was
connected here, in the host's network, takes its descriptor's place. Such a socket is bound and can hear nobody but the peer that
was judged (a locked filter), so that it is of no use for any other connection. Datagrams leave by `datagrams.py`.
"""

from __future__ import annotations

import asyncio
import errno
import os
import socket
import time
from collections.abc import Callable

from serein.runtimes import outer_sockets
from serein.runtimes.datagrams import Datagrams
from serein.runtimes.notifications import (
    Notifications,
    Waiting,
    borrow_socket,
    closes_on_exec,
)
from serein.runtimes.reach import Reach, is_own
from serein.runtimes.zygote import ZygoteDied

CONNECTING_MAX = 256
SOCKETS_MAX = 1024  # of one sandbox that are open at a time
CALLS_PER_S = 5000
_CALLS_BURST = 5000
_PAUSE_S = 0.02
_CONNECT_LIMIT_S = 130.0  # as Linux gives up by itself: tcp_syn_retries of 6
_MSG_FASTOPEN = 0x2000_0000
_REFUSED = errno.ENETUNREACH
_LOOPBACK = bytes(
    (socket.AF_INET, 127)
)  # the ends of the family and of the address, as they lie in memory


class Gate:
    """Answers the calls of one sandbox. `ask_device` has its device made; `on_device` is to be called then."""

    def __init__(
        self, notifications: Notifications, reach: Reach, ask_device: Callable[[], None] | None
    ) -> None:
        self._notifications = notifications
        self._reach = reach
        self._ask_device = ask_device
        self._loop = asyncio.get_running_loop()
        self._connecting: dict[int, Connecting] = {}
        self._handed_out: set[int] = set()  # inodes of sockets
        self._datagrams: Datagrams | None = None
        self._for_device: list[Waiting] | None = None  # None: not asked for yet
        self._credit = float(_CALLS_BURST)
        self._credited_at = time.monotonic()
        self._paused: asyncio.TimerHandle | None = None
        self._closed = False
        self._loop.add_reader(notifications.descriptor, self._on_call)

    def close(self) -> None:
        """The sandbox is gone."""
        if self._closed:
            return
        self._closed = True
        if self._paused is not None:
            self._paused.cancel()
        self._loop.remove_reader(self._notifications.descriptor)
        for connecting in list(self._connecting.values()):
            connecting.end()
        if self._datagrams is not None:
            self._datagrams.close()
        os.close(self._notifications.descriptor)

    def _on_call(self) -> None:
        try:
            call = self._notifications.next()
        except EOFError:
            self._loop.remove_reader(self._notifications.descriptor)
            return
        if call is None:
            return
        self._spend()
        if call.call == "connect":
            self._connect(call)
        elif call.call == "sendto":
            self._send_to(call)
        else:
            self._bind(call)

    def _spend(self) -> None:
        """Who calls too often waits: the server has others to serve."""
        now = time.monotonic()
        gained = (now - self._credited_at) * CALLS_PER_S
        self._credit = min(_CALLS_BURST, self._credit + gained) - 1.0
        self._credited_at = now
        if self._credit < 1.0:
            self._loop.remove_reader(self._notifications.descriptor)
            self._paused = self._loop.call_later(_PAUSE_S, self._go_on)

    def _go_on(self) -> None:
        self._paused = None
        self._loop.add_reader(self._notifications.descriptor, self._on_call)

    def _address(self, call: Waiting, at: int, size: int) -> bytes | None:
        """The address that a call names; None when the caller has its answer (or is gone) already.

        Most mean Serein, at the sandbox's own loopback: that is seen before anything else is looked at.
        """
        data = self._notifications.read(call, at, size) if size > 1 else None
        if data is not None and (
            data[0] == socket.AF_UNIX
            or (data[:1] + data[4:5] == _LOOPBACK and data[2:4] not in self._reach.ports)
        ):
            self._notifications.proceed(call)
            return None
        if not self._notifications.waits(call):
            return None
        if data is None:
            # What cannot be read here cannot be by the kernel either.
            self._notifications.answer(call, errno.EFAULT if size > 1 else errno.EINVAL)
        return data

    # Calls.

    def _connect(self, call: Waiting) -> None:
        number = call.arguments[0] & 0xFFFF_FFFF
        data = self._address(call, call.arguments[1], call.arguments[2] & 0xFFFF_FFFF)
        if data is None:
            return
        peer = outer_sockets.parse_address(data)
        if peer is None or (is_own(peer.address) and not self._reach.is_granted(peer)):
            self._notifications.proceed(call)
            return
        if not self._reach.allows(peer):
            self._notifications.answer(call, _REFUSED)
            return
        near = borrow_socket(call.thread, number)
        if near is None or not self._notifications.waits(call):
            self._notifications.answer(call, errno.EBADF if near is None else errno.EINTR)
            return
        with near:
            if near.type == socket.SOCK_DGRAM:
                error = outer_sockets.route_error(peer)
                if error:
                    self._notifications.answer(call, error)
                else:
                    self._with_device(call)
            elif near.type == socket.SOCK_STREAM and outer_sockets.is_tcp(near):
                self._connect_outside(call, number, near, peer)
            else:
                self._notifications.answer(call, errno.EPROTONOSUPPORT)

    def _connect_outside(
        self, call: Waiting, number: int, near: socket.socket, peer: outer_sockets.Peer
    ) -> None:
        error = outer_sockets.progress_of(near)
        if not error and (len(self._connecting) >= CONNECTING_MAX or not self._has_room()):
            error = errno.ENOBUFS
        if error:
            self._notifications.answer(call, error)
            return
        try:
            outer, error = outer_sockets.start(near, peer)
        except OSError as failure:
            self._notifications.answer(call, failure.errno or errno.ENETUNREACH)
            return
        if error == errno.EINPROGRESS and os.get_blocking(near.fileno()):
            limit = outer_sockets.send_timeout_of(near) or _CONNECT_LIMIT_S
            connecting = Connecting(self, call, number, outer, limit)
            self._connecting[call.id] = connecting
            return
        self.hand_over(call, number, outer, error)

    def hand_over(self, call: Waiting, number: int, outer: socket.socket, error: int) -> None:
        """Give a socket to the caller (unless it could not be connected), with the answer."""
        self._connecting.pop(call.id, None)
        with outer:
            if error not in (0, errno.EINPROGRESS):
                self._notifications.answer(call, error)
                return
            on_exec = closes_on_exec(call.thread, number)
            self._handed_out.add(os.fstat(outer.fileno()).st_ino)
            if self._notifications.place(call, outer.fileno(), number, closes_on_exec=on_exec):
                self._notifications.answer(call, error)
            else:
                self._notifications.answer(call, errno.ENOBUFS)

    def _has_room(self) -> bool:
        if len(self._handed_out) >= SOCKETS_MAX:
            self._handed_out &= outer_sockets.open_sockets()
        return len(self._handed_out) < SOCKETS_MAX

    def _send_to(self, call: Waiting) -> None:
        data = self._address(call, call.arguments[4], call.arguments[5] & 0xFFFF_FFFF)
        if data is None:
            return
        peer = outer_sockets.parse_address(data)
        if call.arguments[3] & _MSG_FASTOPEN and peer is not None:
            self._notifications.answer(call, errno.EOPNOTSUPP)  # who wanted it connects first then
        elif peer is None or is_own(peer.address):
            self._notifications.proceed(call)
        elif not self._reach.allows(peer):
            self._notifications.answer(call, _REFUSED)
        else:
            self._with_device(call)

    def _bind(self, call: Waiting) -> None:
        """What binds a datagram socket to no address in particular may send to any without telling (sendmsg)."""
        size = call.arguments[2] & 0xFFFF_FFFF
        data = self._address(call, call.arguments[1], size)
        if data is None:
            return
        local = outer_sockets.parse_address(data)
        if local is None or not self._reach.may_leave() or self._datagrams is not None:
            self._notifications.proceed(call)
            return
        near = borrow_socket(call.thread, call.arguments[0] & 0xFFFF_FFFF)
        if near is None:
            self._notifications.proceed(call)
            return
        with near:
            if near.type == socket.SOCK_DGRAM and not local.address.startswith("127."):
                self._with_device(call)
            else:
                self._notifications.proceed(call)

    # Datagrams.

    def _with_device(self, call: Waiting) -> None:
        """Let the kernel do it as soon as there is a device that leads out."""
        if self._datagrams is not None:
            self._notifications.proceed(call)
        elif self._for_device is None:
            self._for_device = [call]
            try:
                if self._ask_device is not None:
                    self._ask_device()
            except ZygoteDied:
                self.on_device(None)
        elif len(self._for_device) < CONNECTING_MAX:
            self._for_device.append(call)
        else:
            self._notifications.answer(call, errno.ENOBUFS)

    def on_device(self, device: int | None) -> None:
        """The sandbox has its device, or cannot have one: then the kernel finds no route."""
        waiting, self._for_device = self._for_device or [], None
        if self._closed:
            if device is not None:
                os.close(device)
            return
        if device is not None:
            self._datagrams = Datagrams(device, self._reach.allows_address)
        for call in waiting:
            self._notifications.proceed(call)


class Connecting:
    """A blocking call that waits for its connection."""

    def __init__(
        self, gate: Gate, call: Waiting, number: int, outer: socket.socket, limit_s: float
    ) -> None:
        self._gate = gate
        self._call = call
        self._number = number
        self._outer = outer
        self._loop = asyncio.get_running_loop()
        self._loop.add_writer(outer.fileno(), self._on_outcome)
        self._timer = self._loop.call_later(limit_s, self._on_timeout)

    def end(self) -> None:
        """Nobody waits any more."""
        self._timer.cancel()
        self._loop.remove_writer(self._outer.fileno())
        self._outer.close()

    def _on_outcome(self) -> None:
        self._finish(self._outer.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR))

    def _on_timeout(self) -> None:
        self._finish(errno.ETIMEDOUT)

    def _finish(self, error: int) -> None:
        self._timer.cancel()
        self._loop.remove_writer(self._outer.fileno())
        if not error:
            self._outer.setblocking(True)
        self._gate.hand_over(self._call, self._number, self._outer, error)
