"""Schedules: `at(…)`, `rate(…)` and `cron(…)` with six fields, and when they are next due.

https://docs.aws.amazon.com/autoscaling/application/userguide/scheduled-scaling-using-cron-expressions.html
"""

from __future__ import annotations

import calendar
import re
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

_FORM = re.compile(r"(at|rate|cron)\((.*)\)")
_UNITS_S = {"minute": 60, "hour": 3600, "day": 86400}
_MONTHS = {name.upper(): number for number, name in enumerate(calendar.month_abbr) if number}
_DAYS = {"SUN": 1, "MON": 2, "TUE": 3, "WED": 4, "THU": 5, "FRI": 6, "SAT": 7}
_YEARS = (1970, 2199)
DAYS_MAX = 366 * 9
"""How far ahead a cron expression is searched: a leap day may be eight years away."""


class InvalidSchedule(ValueError):
    """The text is no schedule."""


class Cron(msgspec.Struct, frozen=True):
    """The six fields; days of the month and of the week may hold AWS's special forms."""

    minutes: frozenset[int]
    hours: frozenset[int]
    month_days: str
    months: frozenset[int]
    week_days: str
    years: frozenset[int]


class Schedule(msgspec.Struct, frozen=True):
    """One of: a moment (`at`, local time), a period in seconds, a cron expression."""

    at: datetime | None = None
    every_s: int = 0
    cron: Cron | None = None


def parse_schedule(text: str) -> Schedule:
    """What a schedule says. Raises InvalidSchedule."""
    form = _FORM.fullmatch(text.strip())
    if form is None:
        raise InvalidSchedule(text)
    kind, inner = form[1], form[2].strip()
    if kind == "at":
        try:
            return Schedule(at=datetime.strptime(inner, "%Y-%m-%dT%H:%M:%S"))
        except ValueError as error:
            raise InvalidSchedule(text) from error
    if kind == "rate":
        count, _, unit = inner.partition(" ")
        period = _UNITS_S.get(unit.strip().removesuffix("s"))
        if not count.isdigit() or not 0 < int(count) < 10**6 or period is None:
            raise InvalidSchedule(text)
        return Schedule(every_s=int(count) * period)
    fields = inner.upper().split()
    if len(fields) != 6:
        raise InvalidSchedule(text)
    minutes, hours, month_days, months, week_days, years = fields
    if (month_days == "?") == (week_days == "?"):
        raise InvalidSchedule(text)
    cron = Cron(
        minutes=_numbers(minutes, 0, 59),
        hours=_numbers(hours, 0, 23),
        month_days=month_days,
        months=_numbers(months, 1, 12, _MONTHS),
        week_days=week_days,
        years=_numbers(years, *_YEARS),
    )
    _check_days(cron)
    return Schedule(cron=cron)


def find_zone(name: str) -> ZoneInfo:
    """The time zone of that name (UTC for ""). Raises InvalidSchedule."""
    try:
        return ZoneInfo(name or "UTC")
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise InvalidSchedule(name) from error


def next_due(schedule: Schedule, after: float, zone: ZoneInfo, since: float) -> float | None:
    """The first time later than `after` (epoch seconds); None when there is none. Rates count from `since`."""
    if schedule.at is not None:
        moment = schedule.at.replace(tzinfo=zone).timestamp()
        return moment if moment > after else None
    if schedule.every_s:
        periods = int((after - since) // schedule.every_s) + 1
        return since + max(periods, 1) * schedule.every_s
    assert schedule.cron is not None
    return _next_cron(schedule.cron, after, zone)


def _next_cron(cron: Cron, after: float, zone: ZoneInfo) -> float | None:
    start = datetime.fromtimestamp(after, UTC).astimezone(zone)
    for days in range(DAYS_MAX):
        date = start.date() + timedelta(days=days)
        if date.year not in cron.years or date.month not in cron.months:
            continue
        if not _day_fits(cron, date.year, date.month, date.day):
            continue
        for hour in sorted(cron.hours):
            for minute in sorted(cron.minutes):
                moment = datetime(date.year, date.month, date.day, hour, minute, tzinfo=zone)
                if moment.timestamp() > after:
                    return moment.timestamp()
    return None


def _numbers(
    field: str, low: int, high: int, names: dict[str, int] | None = None
) -> frozenset[int]:
    """What `*`, lists, ranges and steps stand for. Raises InvalidSchedule."""
    found: set[int] = set()
    for part in field.split(","):
        span, slash, step = part.partition("/")
        first, dash, last = span.partition("-")
        if span == "*":
            start, stop = low, high
        else:
            start = _number(first, names)
            stop = _number(last, names) if dash else high if slash else start
        if slash and not (step.isdigit() and int(step)):
            raise InvalidSchedule(field)
        if not low <= start <= stop <= high:
            raise InvalidSchedule(field)
        found.update(range(start, stop + 1, int(step) if slash else 1))
    return frozenset(found)


def _number(text: str, names: dict[str, int] | None) -> int:
    if names and text in names:
        return names[text]
    if not text.isdigit():
        raise InvalidSchedule(text)
    return int(text)


def _check_days(cron: Cron) -> None:
    """Raises InvalidSchedule where a field of days says nothing that could be."""
    if cron.month_days not in ("?", "L", "LW") and not re.fullmatch(r"\d{1,2}W", cron.month_days):
        _numbers(cron.month_days, 1, 31)
    week = cron.week_days
    if week != "?" and not re.fullmatch(r"(\w{1,3}L|L|\w{1,3}#[1-5])", week):
        _numbers(week, 1, 7, _DAYS)


def _day_fits(cron: Cron, year: int, month: int, day: int) -> bool:
    """Whether a date is one of those that the fields of days mean."""
    last = calendar.monthrange(year, month)[1]
    # Sunday is 1 here, and 6 in Python's calendar.
    weekday = (calendar.weekday(year, month, day) + 1) % 7 + 1
    field = cron.month_days
    if field != "?":
        if field in ("L", "LW") or field.endswith("W"):
            wanted = last if field[0] == "L" else min(int(field[:-1]), last)
            return day == (wanted if field == "L" else _working_day(year, month, wanted, last))
        return day in _numbers(field, 1, 31)
    field = cron.week_days
    if "#" in field:
        name, _, nth = field.partition("#")
        return weekday == _number(name, _DAYS) and (day - 1) // 7 + 1 == int(nth)
    if field == "L":
        return weekday == 7
    if field.endswith("L"):
        return weekday == _number(field[:-1], _DAYS) and day + 7 > last
    return weekday in _numbers(field, 1, 7, _DAYS)


def _working_day(year: int, month: int, wanted: int, last: int) -> int:
    """The day from Monday to Friday that is nearest to one, in the same month."""
    weekday = calendar.weekday(year, month, wanted)
    if weekday == 5:
        return wanted - 1 if wanted > 1 else wanted + 2
    if weekday == 6:
        return wanted + 1 if wanted < last else wanted - 2
    return wanted
