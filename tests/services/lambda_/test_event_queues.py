"""Asynchronous events are fair between functions, old ones are given up, throttled ones come back.

https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-error-handling.html: throttled events are tried again for up to
6 hours, the interval growing exponentially from 1 second to 5 minutes.
"""

from __future__ import annotations

import math
from collections import Counter
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from serein.services.lambda_.records import ASYNC_EVENTS, ASYNC_QUEUE, AsyncEvent
from serein.services.lambda_.workers.asynchronous import _move_some
from serein.services.lambda_.workers.event_queues import EventQueues
from tests.cloud import Cloud
from tests.services.lambda_.conftest import Make

SLEEPY = """
from time import sleep, time
def handler(event, context):
    print("at", time())
    sleep(event["s"])
"""


class Rows:
    """A snapshot of a table of events, as much of one as the queues look at."""

    def __init__(self, *events: AsyncEvent) -> None:
        self.events = {self._key(event): event for event in events}

    def _key(self, event: AsyncEvent) -> tuple[Any, ...]:
        return tuple(ASYNC_QUEUE.key(event))

    def add(self, event: AsyncEvent) -> None:
        self.events[self._key(event)] = event

    def remove(self, event: AsyncEvent) -> None:
        del self.events[self._key(event)]

    def get(self, *_: Any) -> None:
        return None

    def scan(self, _: Any, prefix: Any = (), *, start: Any = (), **given: Any) -> Any:
        after, limit = given.get("start_after", False), given.get("limit")
        low = (*prefix, *start)
        found = [
            event
            for key, event in sorted(self.events.items())
            if key[: len(prefix)] == prefix
            and (key[: len(low)] > low if after else key[: len(low)] >= low)
        ]
        return iter(found[:limit])


def event_of(function: str, number: int, due_at: float = 0.0) -> AsyncEvent:
    return AsyncEvent(
        due_at=due_at,
        id=f"{number:06}",
        account="0",
        region="r",
        function=function,
        qualifier="",
        payload=b"{}",
        accepted_at=0.0,
    )


def start_all(
    queues: EventQueues, rows: Rows, now: float = 1.0, *, rings: bool = True
) -> list[AsyncEvent]:
    started = []
    if rings:
        queues.look(rows)  # type: ignore[arg-type]
    while (event := queues.next(rows, now)) is not None:  # type: ignore[arg-type]
        started.append(event)
    return started


def test_a_function_with_many_events_leaves_room():
    rows = Rows(*(event_of("many", n) for n in range(10_000)))
    queues = EventQueues(64)
    assert len(start_all(queues, rows)) == 32
    rows.add(event_of("other", 1))
    assert [event.function for event in start_all(queues, rows)] == ["other"]
    # One lands: the next is of the same function, in order.
    first = event_of("many", 0)
    rows.remove(first)
    queues.landed(first, 1.0, throttled=False)
    assert [event.id for event in start_all(queues, rows)] == ["000032"]


def test_functions_take_turns():
    rows = Rows(*(event_of(name, n) for name in "abcd" for n in range(100)))
    counted = Counter(event.function for event in start_all(EventQueues(16), rows))
    assert set(counted) == set("abcd")
    assert max(counted.values()) - min(counted.values()) <= 1


def test_a_throttled_function_rests_longer_each_time():
    rows = Rows(*(event_of("busy", n) for n in range(1000)))
    queues, now, rests = EventQueues(2), 1.0, []
    for _ in range(12):
        (event,) = start_all(queues, rows, now)
        rows.remove(event)
        rows.add(event_of("busy", int(event.id), now + 10_000))
        queues.landed(event, now, throttled=True)
        assert start_all(queues, rows, now) == []
        rests.append(queues.next_at(now) - now)
        now = queues.next_at(now)
    assert rests[:5] == [1, 2, 4, 8, 16]
    assert rests[-1] == 300
    (event,) = start_all(queues, rows, now)
    rows.remove(event)
    queues.landed(event, now, throttled=False)
    assert len(start_all(queues, rows, now)) == 1


@given(
    st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 3)), max_size=40),
    st.integers(1, 8),
    st.randoms(use_true_random=False),
)
def test_each_event_runs_once_and_none_is_forgotten(found, places, chance):
    """Whatever is accepted, put back and finished in whatever order."""
    rows, queues = Rows(), EventQueues(places)
    coming = [event_of(name, n, due) for n, (name, due) in enumerate(found)]
    under_way: list[AsyncEvent] = []
    done: list[str] = []
    tries: Counter[str] = Counter()
    now, rings = 0.0, False
    while len(done) < len(found):
        if coming and chance.random() < 0.5:
            rows.add(coming.pop())
            rings = True
        under_way += start_all(queues, rows, now, rings=rings)
        rings = False
        assert len(under_way) <= places
        assert len({event.id for event in under_way}) == len(under_way)
        if under_way and chance.random() < 0.7:
            event = under_way.pop(chance.randrange(len(under_way)))
            tries[event.id] += 1
            rows.remove(event)
            throttled = tries[event.id] < 3 and chance.random() < 0.4
            if throttled:
                rows.add(event_of(event.function, int(event.id), now + 2))
            else:
                done.append(event.id)
            rings = throttled
            queues.landed(event, now, throttled=throttled)
        elif not under_way and not coming:
            later = queues.next_at(now)
            assert math.isfinite(later)
            now = later
    assert sorted(done) == sorted(set(done))


def test_a_slow_function_does_not_keep_another_waiting(
    cloud: Cloud, make_function: Make, awslambda: Any
):
    make_function(SLEEPY, name="slow", Timeout=900)
    make_function(SLEEPY, name="quick")
    for _ in range(90):
        awslambda.invoke(FunctionName="slow", InvocationType="Event", Payload=b'{"s": 0.4}')
    awslambda.invoke(FunctionName="quick", InvocationType="Event", Payload=b'{"s": 0}')
    cloud.settle()
    logs = cloud.client("logs")
    at: dict[str, list[float]] = {}
    for name in ("slow", "quick"):
        pages = logs.get_paginator("filter_log_events").paginate(logGroupName=f"/aws/lambda/{name}")
        events = [event for page in pages for event in page["events"]]
        words = [event["message"].split() for event in events]
        at[name] = sorted(float(told[1]) for told in words if told[0] == "at")
    assert (len(at["slow"]), len(at["quick"])) == (90, 1)
    assert at["quick"][0] < at["slow"][-1]


def test_events_of_an_older_serein_move_over(cloud: Cloud):
    old = event_of("echo", 1)
    store = cloud.house.store
    cloud.run(store.transact(lambda tx: tx.put(ASYNC_EVENTS, old)))
    cloud.run(store.transact(_move_some))
    read = store.snapshot()
    assert list(read.scan(ASYNC_QUEUE)) == [old]
    assert list(read.scan(ASYNC_EVENTS)) == []
