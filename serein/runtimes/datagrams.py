"""UDP between a sandbox and the world: packets of the sandbox's only device, sent on from sockets of the server.

A sandbox's datagram sockets stay in its own network namespace, where its default route leads into a device whose other end is
held here. Each pair of addresses is a flow with a connected socket of its own, so that only who was spoken to can answer.
"""

from __future__ import annotations

import asyncio
import os
import socket
import struct
import time
from collections import OrderedDict
from collections.abc import Callable

PACKET_BYTES_MAX = 65_535
FLOWS_MAX = 256
IDLE_S = 120.0
_BATCH = 32
_UDP = 17

Flow = tuple[int, bytes, int, bytes, int]  # family, source and port, destination and port
Allows = Callable[[str, int], bool]


class Datagrams:
    """The other end of a sandbox's device. `allows` is asked once for each flow."""

    def __init__(self, device: int, allows: Allows) -> None:
        self._device = device
        self._allows = allows
        self._flows: OrderedDict[Flow, tuple[socket.socket, float]] = OrderedDict()
        self._loop = asyncio.get_running_loop()
        self._sweeper: asyncio.TimerHandle | None = None
        os.set_blocking(device, False)
        self._loop.add_reader(device, self._on_packets)

    def close(self) -> None:
        """End every flow."""
        self._loop.remove_reader(self._device)
        if self._sweeper is not None:
            self._sweeper.cancel()
        while self._flows:
            self._end_oldest()
        os.close(self._device)

    def _on_packets(self) -> None:
        for _ in range(_BATCH):
            try:
                packet = os.read(self._device, PACKET_BYTES_MAX)
            except OSError:
                return
            parsed = parse(packet)
            if parsed is not None:
                self._send(*parsed)

    def _send(self, flow: Flow, data: bytes) -> None:
        found = self._flows.get(flow)
        sender = found[0] if found is not None else self._begin(flow)
        if sender is None:
            return
        self._flows[flow] = (sender, time.monotonic())
        self._flows.move_to_end(flow)
        try:
            sender.send(data)
        except OSError:
            pass  # as packets are lost

    def _begin(self, flow: Flow) -> socket.socket | None:
        family, _, _, destination, port = flow
        address = socket.inet_ntop(family, destination)
        if not self._allows(address, port):
            return None
        while len(self._flows) >= FLOWS_MAX:
            self._end_oldest()
        try:
            sender = socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        except OSError:
            return None
        try:
            sender.connect((address, port))
        except OSError:
            sender.close()
            return None
        self._loop.add_reader(sender.fileno(), self._on_answers, flow, sender)
        if self._sweeper is None:
            self._sweeper = self._loop.call_later(IDLE_S, self._sweep)
        return sender

    def _on_answers(self, flow: Flow, sender: socket.socket) -> None:
        for _ in range(_BATCH):
            try:
                data = sender.recv(PACKET_BYTES_MAX)
            except OSError:
                return
            try:
                os.write(self._device, answer_packet(flow, data))
            except OSError:
                return

    def _sweep(self) -> None:
        self._sweeper = None
        oldest = time.monotonic() - IDLE_S
        while self._flows and next(iter(self._flows.values()))[1] < oldest:
            self._end_oldest()
        if self._flows:
            self._sweeper = self._loop.call_later(IDLE_S, self._sweep)

    def _end_oldest(self) -> None:
        _, (sender, _) = self._flows.popitem(last=False)
        self._loop.remove_reader(sender.fileno())
        sender.close()


def parse(packet: bytes) -> tuple[Flow, bytes] | None:
    """The flow of a UDP packet and what it carries; None for everything else (fragments, TCP, other protocols)."""
    version = packet[0] >> 4 if packet else 0
    if version == 4 and len(packet) >= 28:
        head = (packet[0] & 15) * 4
        fragment = int.from_bytes(packet[6:8], "big") & 0x3FFF
        family, protocol = socket.AF_INET, packet[9]
        source, destination = packet[12:16], packet[16:20]
    elif version == 6 and len(packet) >= 48:
        head, fragment = 40, 0
        family, protocol = socket.AF_INET6, packet[6]
        source, destination = packet[8:24], packet[24:40]
    else:
        return None
    if protocol != _UDP or fragment or len(packet) < head + 8:
        return None
    from_port, to_port, size = struct.unpack_from(">HHH", packet, head)
    if size < 8 or head + size > len(packet):
        return None
    return (family, source, from_port, destination, to_port), packet[head + 8 : head + size]


def answer_packet(flow: Flow, data: bytes) -> bytes:
    """A packet from the far end of a flow to its near one."""
    family, near, near_port, far, far_port = flow
    size = 8 + len(data)
    udp = struct.pack(">HHHH", far_port, near_port, size & 0xFFFF, 0)
    if family == socket.AF_INET:
        head = struct.pack(">BBHHHBBH", 0x45, 0, 20 + size, 0, 0x4000, 64, _UDP, 0) + far + near
        return head[:10] + _checksum(head).to_bytes(2, "big") + head[12:] + udp + data
    # https://www.rfc-editor.org/rfc/rfc8200#section-8.1: over IPv6 the checksum is not optional
    head = struct.pack(">IHBB", 0x6000_0000, size, _UDP, 64) + far + near
    pseudo = far + near + struct.pack(">II", size, _UDP)
    checksum = _checksum(pseudo + udp + data) or 0xFFFF
    return head + udp[:6] + checksum.to_bytes(2, "big") + data


def _checksum(data: bytes) -> int:
    if len(data) % 2:
        data += b"\0"
    total: int = sum(struct.unpack(f">{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF
