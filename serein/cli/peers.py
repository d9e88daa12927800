"""Addresses with ports, as they are given on a command line."""

from __future__ import annotations

import ipaddress
from typing import cast

import click


class PeerAddress(click.ParamType[tuple[str, int]]):
    """`127.0.0.1:5432`, `[::1]:6379`, or a port alone for 127.0.0.1."""

    name = "address:port"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, int]:
        if isinstance(value, tuple):
            return cast("tuple[str, int]", value)
        host, _, port = str(value).rpartition(":")
        host = host.strip("[]") or "127.0.0.1"
        try:
            address = "127.0.0.1" if host == "localhost" else str(ipaddress.ip_address(host))
        except ValueError:
            self.fail(f"{value!r} names no address such as 127.0.0.1:5432.", param, ctx)
        if not port.isdigit() or not 0 < int(port) < 65_536:
            self.fail(f"{value!r} has no port such as 127.0.0.1:5432.", param, ctx)
        return address, int(port)


class Advertised(click.ParamType[str]):
    """`10.0.0.5:4566`, `node-1.internal:4566`, `[fd00::5]:4566`: where others reach a server."""

    name = "host:port"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> str:
        host, _, port = str(value).rpartition(":")
        if not host or "/" in host or (":" in host and not host.startswith("[")):
            self.fail(f"{value!r} names no host and port such as 10.0.0.5:4566.", param, ctx)
        if not port.isdigit() or not 0 < int(port) < 65_536:
            self.fail(f"{value!r} has no port such as 10.0.0.5:4566.", param, ctx)
        return str(value)
