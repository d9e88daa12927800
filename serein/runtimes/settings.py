"""What a pool is told about its machine and its habits."""

from __future__ import annotations

import msgspec

from serein.runtimes.spec import Credentials, FunctionSpec, LogLine


class PoolSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Bounds and habits of a pool. `work` is a folder of its own, made if need be."""

    work: str
    endpoint: str = "http://127.0.0.1:4566"  # as functions outside of a sandbox reach Serein
    processes_max: int = 64
    waiting_max: int = 1000
    idle_s: float = 600.0
    blanks: int = 2  # Python processes forked ahead
    node_blanks: int = 1  # Node.js processes started ahead, once a function asked for Node.js
    user_base: int = 700_000
    isolate: bool = True
    precompiles: bool = True  # whether Python code is compiled ahead of its first import
    egress: bool = True  # whether functions may reach the world
    reachable: tuple[
        tuple[str, int], ...
    ] = ()  # addresses and ports that they reach although they are the host's
    nameservers: tuple[tuple[str, int], ...] = ()  # whom names are asked of; () for the host's own
    required: bool = False  # whether functions may run only where they are isolated


async def no_credentials(spec: FunctionSpec) -> Credentials | None:
    """For functions that sign nothing."""
    return None


def no_log(spec: FunctionSpec, stream: str, lines: list[LogLine]) -> None:
    """Drops what functions write."""
