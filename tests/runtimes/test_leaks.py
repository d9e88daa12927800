"""Environments that grow are replaced between invocations, and places are shared without functions starting in turns.

https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html: 1,024 descriptors, 1,024 processes and threads.
"""

from __future__ import annotations

import asyncio
import json
import os
import threading
from pathlib import Path

from serein.runtimes.leaks import COUNT_GROWTH, LOOK_EVERY, Growth
from serein.runtimes.waiting import LONG_PATIENCE_S, Waiting
from tests.runtimes.conftest import Bench

KEEPS = """
import os
held = []
def handler(event, context):
    {body}
    return os.getpid(), len(held)
"""


def invoke_often(bench: Bench, source: str, count: int, **given: int) -> list[int]:
    """How many each environment has kept, invocation by invocation."""
    spec = bench.function(source, **given)
    return [json.loads(bench.invoke(spec).payload)[1] for _ in range(count)]


def test_an_environment_that_keeps_files_open_is_replaced(bench: Bench):
    body = "held.extend(os.open('/dev/null', os.O_RDONLY) for _ in range(20))"
    before = bench.pool.recycled
    kept = invoke_often(bench, KEEPS.format(body=body), 2 * LOOK_EVERY + 1)
    assert max(kept) < 1024
    assert kept.count(20) == 2  # a second environment began anew; no invocation failed
    assert bench.pool.recycled == before + 1


def test_an_environment_that_keeps_memory_is_replaced(bench: Bench):
    body = "held.append(bytes(b'x' * 4_000_000))"
    kept = invoke_often(bench, KEEPS.format(body=body), 2 * LOOK_EVERY + 1, memory_mb=128)
    assert kept.count(1) == 2


def test_one_that_needs_much_from_the_beginning_is_left_alone(bench: Bench):
    body = "held or held.append(bytes(b'x' * 100_000_000))"
    kept = invoke_often(bench, KEEPS.format(body=body), LOOK_EVERY + 3, memory_mb=128)
    assert kept == [1] * (LOOK_EVERY + 3)
    assert len(set(kept)) == 1


def test_what_counts_is_growth():
    growth, held = Growth(100_000), []
    assert growth.is_due()
    assert growth.leak(os.getpid()) == ""
    before = len(os.listdir("/proc/self/fd"))
    held = [os.open("/dev/null", os.O_RDONLY) for _ in range(COUNT_GROWTH + 850 - before)]
    try:
        assert growth.leak(os.getpid()).startswith("open files have grown to ")
    finally:
        for descriptor in held:
            os.close(descriptor)
    assert growth.leak(os.getpid()) == ""


def test_threads_are_counted():
    growth, end = Growth(100_000), threading.Event()
    growth.leak(os.getpid())
    threads = [threading.Thread(target=end.wait) for _ in range(900)]
    for thread in threads:
        thread.start()
    try:
        assert growth.leak(os.getpid()).startswith("threads have grown to ")
    finally:
        end.set()
        for thread in threads:
            thread.join()


def test_a_process_that_is_gone_has_no_leak():
    assert Growth(128).leak(2**22 + 1) == ""


def test_functions_that_fill_all_places_do_not_start_in_turns(tmp_path: Path):
    bench = Bench(tmp_path, processes_max=4, blanks=0)
    try:
        source = "import os\ndef handler(e, c):\n    return os.getpid()\n"
        specs = [bench.function(source) for _ in range(2)]

        async def callers() -> set[int]:
            seen: set[int] = set()

            async def call(number: int) -> None:
                for _ in range(40):
                    outcome = await bench.start(specs[number % 2])
                    seen.add(json.loads(outcome.payload))

            await asyncio.gather(*(call(number) for number in range(12)))
            return seen

        bench.run(callers())
        assert bench.pool.counts()["busy"] == 0
        assert bench.pool.nursery._numbers.__next__() < 20  # environments that were made in all
    finally:
        bench.close()


def test_who_has_waited_for_long():
    async def story() -> None:
        waiting: Waiting[int] = Waiting(10)
        first = waiting.add("a", 1.0)
        waiting.add("b", 2.0)
        assert (waiting.longer_than(0.5), waiting.longer_than(1.0), waiting.longer_than(9)) == (
            0,
            1,
            2,
        )
        first.cancel()
        assert waiting.longer_than(9) == 1

    asyncio.run(story())


def test_whose_turn_it_is():
    """A warm place stays with its function, but for one without any place, or one that has waited for long."""

    async def story() -> None:
        waiting: Waiting[int] = Waiting(10)
        waiting.add("b", 0.0)
        has_none, has_some = (lambda key: False), (lambda key: True)
        assert waiting.next(0.05, "a", has_some) is None  # nobody waits for it: it may be idle
        assert waiting.next(0.05, "a", has_none) is not None  # a place for who has none
        waiting.add("b", 0.0)
        waiting.add("a", 0.0)
        assert (waiting.next(0.5, "a", has_some) or ("",))[0] == "a"
        waiting.add("a", 0.0)
        assert (waiting.next(0.5, "a", has_none) or ("",))[0] == "b"
        waiting.add("b", 0.0)
        assert (waiting.next(LONG_PATIENCE_S, "a", has_some) or ("",))[0] == "a"
        assert (waiting.next(LONG_PATIENCE_S, "a", has_some) or ("",))[0] == "b"
        assert waiting.next(9.0, None) is None

    asyncio.run(story())
