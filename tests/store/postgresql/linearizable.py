"""Whether what clients saw of one register can have happened in one order that respects time.

The search of Wing and Gong with Lowe's memory of states (as in Knossos and Porcupine): pick, among the operations that had
begun before any pending one ended, one that the register's state allows; go on without it; come back if that leads nowhere.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

UNKNOWN = math.inf
"""The end of an operation whose answer never came: it may have happened at any time since, or not at all."""


@dataclass(frozen=True)
class Seen:
    """One operation as its client saw it.

    `kind` is read (found `value`), write (of `value`), cas (from `expected` to `value`; `done` tells whether it was).
    """

    kind: str
    began: float
    ended: float
    value: str | None
    expected: str | None = None
    done: bool = True


def _after(state: str | None, op: Seen) -> tuple[bool, str | None]:
    """Whether `op` fits at `state`, and the state behind it."""
    if op.kind == "read":
        return state == op.value, state
    if op.kind == "write":
        return True, op.value
    if op.ended == UNKNOWN:
        return True, op.value if state == op.expected else state
    return (state == op.expected) == op.done, op.value if op.done else state


def is_linearizable(history: Sequence[Seen], initial: str | None = None) -> bool:
    """Whether one register, at first `initial`, can have given these answers."""
    ops = sorted(history, key=lambda op: op.began)
    certain = sum(1 << at for at, op in enumerate(ops) if op.ended != UNKNOWN)
    tried: set[tuple[int, str | None]] = set()
    stack: list[tuple[int, int, str | None]] = [(0, 0, initial)]
    while stack:
        first, placed, state = stack.pop()
        if placed & certain == certain:
            return True
        if (placed, state) in tried:
            continue
        tried.add((placed, state))
        while placed >> first & 1:
            first += 1
        open_: list[Seen] = []
        places: dict[int, int] = {}
        first_end = UNKNOWN
        for at in range(first, len(ops)):
            op = ops[at]
            if op.began > first_end:
                break
            if not placed >> at & 1:
                first_end = min(first_end, op.ended)
                places[id(op)] = at
                open_.append(op)
        # What is pushed last is tried first: what ended soonest, and what may never have happened last of all.
        for op in sorted(open_, key=lambda op: -op.ended):
            fits, behind = _after(state, op)
            if fits and op.began <= first_end:
                stack.append((first, placed | 1 << places[id(op)], behind))
    return False
