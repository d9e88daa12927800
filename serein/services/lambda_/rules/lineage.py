"""Which functions have called which in a chain of requests, as the trace header carries it along.

A function's SDK sends the header that it was called with, so a chain that comes back to the same function shows itself.
https://docs.aws.amazon.com/lambda/latest/dg/invocation-recursion.html
"""

from __future__ import annotations

from zlib import crc32

ROUNDS_MAX = 16
FUNCTIONS_MAX = 32  # of those beyond, the oldest are forgotten


def new_trace(now: float, token: bytes, arn: str) -> str:
    """The header of a chain that begins with this call, in a trace that nobody samples; `token` are 20 random bytes."""
    return (
        f"Root=1-{int(now):08x}-{token[:12].hex()};Parent={token[12:20].hex()};Sampled=0;"
        f"Lineage=1:{crc32(arn.encode()):08x}:0"
    )


def continued(trace: str, arn: str) -> tuple[str, int]:
    """The header for a call of `arn` within `trace`, and how often the chain has come to that function before."""
    mark = f"{crc32(arn.encode()):08x}"
    others: list[str] = []
    seen: list[tuple[str, int]] = []
    for part in trace.split(";"):
        name, _, value = part.partition("=")
        if name == "Lineage":
            seen = _parsed(value)
        elif part:
            others.append(part)
    rounds = next((count for known, count in seen if known == mark), -1) + 1
    kept = [(known, count) for known, count in seen if known != mark][-(FUNCTIONS_MAX - 1) :]
    kept.append((mark, rounds))
    lineage = "|".join(f"{known}:{count}" for known, count in kept)
    return ";".join([*others, f"Lineage={len(kept)}:{lineage}"]), rounds


def _parsed(value: str) -> list[tuple[str, int]]:
    """`<n>:<mark>:<count>|<mark>:<count>…`; what makes no sense is passed over."""
    found: list[tuple[str, int]] = []
    for entry in value.partition(":")[2].split("|"):
        mark, _, count = entry.rpartition(":")
        if mark and count.isascii() and count.isdigit() and len(count) < 6:
            found.append((mark, int(count)))
    return found
