"""What is said of all worker processes on the page of one: metrics with a label for each, and who is there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol


class Neighbours(Protocol):
    """The worker processes of one house (`kernel/hub.py`)."""

    @property
    def number(self) -> int:
        """Which one this process is, from 1."""
        ...

    async def ask(self, topic: str) -> dict[int, bytes]:
        """What each process says about a topic, by its number from 0; one that does not answer is left out."""
        ...


def merged_metrics(texts: Mapping[int, str]) -> str:
    """Several expositions in Prometheus' text format as one: every sample gets the label `worker` (numbers from 1).

    The samples of a metric must stand together, behind its HELP and TYPE:
    https://prometheus.io/docs/instrumenting/exposition_formats/#text-format-details
    """
    heads: dict[str, list[str]] = {}
    samples: dict[str, list[str]] = {}
    for slot, text in sorted(texts.items()):
        family = ""
        for line in text.splitlines():
            if line.startswith(("# HELP ", "# TYPE ")):
                family = line.split(" ", 3)[2]
                head = heads.setdefault(family, [])
                if line not in head:
                    head.append(line)
            elif line and not line.startswith("#"):
                name = line.partition("{")[0].partition(" ")[0]
                if not (family and name.startswith(family)):
                    family = name
                samples.setdefault(family, []).append(_labelled(line, slot + 1))
    lines: list[str] = []
    for family in dict.fromkeys([*heads, *samples]):
        lines += heads.get(family, [])
        lines += samples.get(family, [])
    return "".join(f"{line}\n" for line in lines)


def _labelled(line: str, worker: int) -> str:
    name, brace, rest = line.partition("{")
    if brace:
        return f'{name}{{worker="{worker}",{rest}'
    name, _, value = line.partition(" ")
    return f'{name}{{worker="{worker}"}} {value}'
