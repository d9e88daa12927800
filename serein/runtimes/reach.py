"""Where functions may go: the world as the host sees it, but never the host itself.

Names are not judged: an address is, when it is connected to, so that no name can lead elsewhere in between.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable

from serein.runtimes.outer_sockets import Peer

# What machines in a cloud are told about themselves, beyond the link-local addresses.
_METADATA = frozenset(
    ipaddress.ip_address(address)
    for address in ("fd00:ec2::254", "fd20:ce::254", "168.63.129.16", "100.100.100.200")
)
_NAT64 = ipaddress.ip_network("64:ff9b::/96")


class Reach:
    """What one sandbox may connect to. `granted` are addresses with ports that it may although they are the host's."""

    def __init__(self, may_leave: Callable[[], bool], granted: frozenset[Peer]) -> None:
        self.may_leave = may_leave
        self._granted = granted
        self.ports = frozenset(peer.port.to_bytes(2, "big") for peer in granted)  # as on the wire

    def is_granted(self, peer: Peer) -> bool:
        """Whether this peer was named as one that functions reach, wherever it is."""
        return peer in self._granted and self.may_leave()

    def allows(self, peer: Peer) -> bool:
        """Whether functions may connect to this peer."""
        return self.may_leave() and (is_reachable(peer.address) or peer in self._granted)

    def allows_address(self, address: str, port: int) -> bool:
        """The same, for an address and a port."""
        return self.allows(Peer(plain(address), port))


def plain(address: str) -> str:
    """An address in the one way in which it is compared: without zone, IPv4 as IPv4."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    mapped = getattr(ip, "ipv4_mapped", None)
    return str(mapped or ip)


def is_reachable(address: str) -> bool:
    """Whether functions may connect to this address: not to the host itself, nor to what only it should see."""
    ip = ipaddress.ip_address(plain(address))
    if ip.version == 6 and ip in _NAT64:
        ip = ipaddress.IPv4Address(int(ip) & 0xFFFF_FFFF)
    if ip.version == 4 and (int(ip) >> 24 == 0 or int(ip) == 0xFFFF_FFFF):
        return False
    return not (
        ip.is_loopback
        or ip.is_link_local
        or ip.is_unspecified
        or ip.is_multicast
        or ip in _METADATA
    )


def is_own(address: str) -> bool:
    """Whether an address is, for a sandbox, its own loopback."""
    ip = ipaddress.ip_address(plain(address))
    return ip.is_loopback or ip.is_unspecified
