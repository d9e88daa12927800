"""The trace context that calls carry along: X-Ray's header.

    Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1;Lineage=1:a87bd80c:0

https://docs.aws.amazon.com/xray/latest/devguide/xray-concepts.html#xray-concepts-tracingheader
"""

from __future__ import annotations

import re

import msgspec

HEADER_CHARS_MAX = 2048
"""A longer one is no header of ours: it is handed on and not read."""
SPAN_ID_BYTES = 8
_ROOT = re.compile(r"1-[0-9a-fA-F]{8}-[0-9a-fA-F]{24}")
_SPAN = re.compile(r"[0-9a-fA-F]{16}")


class TraceContext(msgspec.Struct, frozen=True):
    """Which trace something belongs to, within which span ("": none), and whether it is recorded (None: undecided)."""

    root: str
    parent: str = ""
    sampled: bool | None = None


def trace_context(header: str) -> TraceContext | None:
    """What a trace header says; None for what is none."""
    if len(header) > HEADER_CHARS_MAX:
        return None
    parts = dict(part.strip().partition("=")[::2] for part in header.split(";"))
    root, parent = parts.get("Root", ""), parts.get("Parent", "")
    if _ROOT.fullmatch(root) is None:
        return None
    return TraceContext(
        root,
        parent if _SPAN.fullmatch(parent) else "",
        {"1": True, "0": False}.get(parts.get("Sampled", "")),
    )


def new_root(now: float, token: bytes) -> str:
    """The id of a trace that begins at `now`; `token` are 12 random bytes."""
    return f"1-{int(now):08x}-{token.hex()}"


def continued_in(header: str, parent: str, *, sampled: bool = True) -> str:
    """`header` for what goes on within the span `parent`; what else it says (Lineage …) stays."""
    kept = [
        part
        for part in header.split(";")
        if part and part.strip().partition("=")[0] not in ("Root", "Parent", "Sampled", "Self")
    ]
    context = trace_context(header)
    root = [f"Root={context.root}"] if context is not None else []
    within = [f"Parent={parent}"] if parent else []
    return ";".join([*root, *within, f"Sampled={int(sampled)}", *kept])
