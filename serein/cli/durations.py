"""Lengths of time and points in time as people write them on a command line."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import click

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0, "w": 604_800.0}
_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|[smhdw])", re.ASCII)


class Duration(click.ParamType[float]):
    """`90s`, `2h`, `1d12h`, `1.5h`; a bare number is seconds. Gives seconds."""

    name = "duration"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        if isinstance(value, int | float):
            return float(value)
        text = str(value).strip().lower().replace(" ", "")
        if re.fullmatch(r"\d+(\.\d+)?", text, re.ASCII):
            return float(text)
        parts = _PART.findall(text)
        if not parts or "".join(number + unit for number, unit in parts) != text:
            self.fail(f"{value!r} is no length of time such as 90s, 30m, 2h or 1d12h.", param, ctx)
        return sum(float(number) * _UNITS[unit] for number, unit in parts)


class Moment(click.ParamType[float]):
    """`2026-07-01`, `2026-07-01T12:00:00Z` (UTC unless it says otherwise). Gives epoch seconds."""

    name = "time"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        if isinstance(value, int | float):
            return float(value)
        try:
            at = datetime.fromisoformat(str(value).strip())
        except ValueError:
            self.fail(f"{value!r} is no time such as 2026-07-01T12:00:00Z.", param, ctx)
        return (at if at.tzinfo is not None else at.replace(tzinfo=UTC)).timestamp()


def words_of(seconds: float) -> str:
    """A length of time in words: `2 h 30 min`, `3 d 4 h`, `12.5 s`."""
    left = abs(seconds)
    if left < 60:
        return f"{left:.3g} s"
    parts: list[str] = []
    whole = round(left)
    for name, size in (("d", 86_400), ("h", 3600), ("min", 60), ("s", 1)):
        count, whole = divmod(whole, size)
        if count:
            parts.append(f"{count} {name}")
    return " ".join(parts[:3])
