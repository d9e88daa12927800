"""What is kept, for how long, and what overtaken reads and overlapping writes leave.

https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/DAX.consistency.html
"""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from serein.services.dax.rules.cache import ENTRY_BYTES, Cache
from serein.services.dax.rules.node_types import MEMORY_GIB, cache_bytes_max

KEY = ("table", b"key")
ASKED = ("Query:table", b"digest")


def kept(cache: Cache, now: float = 0.0):
    entry = cache.item_or_none(KEY, now)
    return None if entry is None else entry.value


def read(cache: Cache, value, now: float = 0.0, key=KEY) -> None:
    cache.begin_read(key)
    cache.end_read(key, now, value, found=True)


def test_an_item_is_kept_until_its_time_is_over():
    cache = Cache(10_000, record_ttl_s=300)
    read(cache, b"one", 1000.0)
    assert kept(cache, 1299.9) == b"one"
    assert cache.item_or_none(KEY, 1300.0) is None
    assert cache.bytes == 0
    assert (cache.counts.item_hits, cache.counts.item_misses) == (1, 1)


def test_that_there_is_nothing_is_kept_too():
    cache = Cache(10_000)
    read(cache, None)
    entry = cache.item_or_none(KEY, 1.0)
    assert entry is not None
    assert entry.value is None


def test_a_time_of_zero_keeps_items_for_ever_and_answers_never():
    cache = Cache(10_000, record_ttl_s=0, query_ttl_s=0)
    read(cache, b"one")
    assert kept(cache, 1e12) == b"one"
    cache.keep_answer(ASKED, b"rows", 0.0)
    assert cache.answer_or_none(ASKED, 0.0) is None


def test_a_changed_time_holds_for_what_is_there():
    cache = Cache(10_000)
    cache.keep_answer(ASKED, b"rows", 0.0)
    assert cache.answer_or_none(ASKED, 10.0) == b"rows"
    cache.query_ttl_s = 5.0
    assert cache.answer_or_none(ASKED, 10.0) is None


def test_what_was_used_longest_ago_goes_first():
    size = ENTRY_BYTES + 1 + 10
    cache = Cache(3 * size)
    for name in (b"a", b"b", b"c"):
        read(cache, bytes(10), key=("t", name))
    assert cache.item_or_none(("t", b"a"), 0.0) is not None
    read(cache, bytes(10), key=("t", b"d"))
    assert cache.item_or_none(("t", b"b"), 0.0) is None
    assert cache.item_or_none(("t", b"a"), 0.0) is not None
    assert cache.counts.evicted == 1
    assert cache.bytes == 3 * size


def test_what_is_larger_than_all_there_is_pushes_nothing_out():
    cache = Cache(1000)
    read(cache, b"small")
    read(cache, bytes(2000), key=("t", b"large"))
    assert kept(cache) == b"small"


def test_a_read_that_a_write_overtook_is_not_kept():
    cache = Cache(10_000)
    cache.begin_read(KEY)
    cache.begin_write(KEY)
    cache.end_write(KEY, 0.0, "known", b"new")
    cache.end_read(KEY, 0.0, b"old", found=True)
    assert kept(cache) == b"new"


def test_a_read_that_began_during_a_write_is_not_kept():
    cache = Cache(10_000)
    cache.begin_write(KEY)
    cache.begin_read(KEY)
    cache.end_read(KEY, 0.0, b"old", found=True)
    assert kept(cache) is None
    cache.end_write(KEY, 0.0, "known", b"new")
    assert kept(cache) == b"new"


def test_overlapping_writes_leave_nothing():
    cache = Cache(10_000)
    read(cache, b"old")
    cache.begin_write(KEY)
    cache.begin_write(KEY)
    cache.end_write(KEY, 0.0, "known", b"one")
    cache.end_write(KEY, 0.0, "known", b"other")
    assert kept(cache) is None


def test_a_refused_write_leaves_what_was_there():
    cache = Cache(10_000)
    read(cache, b"old")
    cache.begin_write(KEY)
    cache.end_write(KEY, 0.0, "unchanged")
    assert kept(cache) == b"old"
    cache.begin_write(KEY)
    cache.end_write(KEY, 0.0, "unknown")
    assert kept(cache) is None


def test_a_restart_forgets_everything_and_what_is_being_read():
    cache = Cache(10_000)
    read(cache, b"old")
    cache.begin_read(("t", b"x"))
    cache.clear()
    cache.end_read(("t", b"x"), 0.0, b"value", found=True)
    assert (len(cache), cache.bytes) == (0, 0)


def test_how_much_is_kept_goes_by_the_node_type_and_the_machine():
    gib = 1 << 30
    assert cache_bytes_max("dax.t3.small", 1 << 50) == int(1.5 * gib)
    assert cache_bytes_max("dax.r5.24xlarge", 64 * gib) == 8 * gib
    assert set(MEMORY_GIB) > {"dax.r4.large", "dax.t2.small"}


class Histories(RuleBasedStateMachine):
    """Reads and writes of one key, interleaved in any way: what is kept is never older than the last write that ended."""

    def __init__(self) -> None:
        super().__init__()
        self.cache = Cache(10_000)
        self.table = 0
        self.known = 0
        """The newest value that some finished write put into the table."""
        self.reads: list[int] = []
        self.writes: list[int] = []

    @precondition(lambda self: len(self.reads) < 3)
    @rule()
    def begin_read(self) -> None:
        self.cache.begin_read(KEY)
        self.reads.append(self.table)

    @precondition(lambda self: self.reads)
    @rule(which=st.integers(0, 2))
    def end_read(self, which: int) -> None:
        seen = self.reads.pop(which % len(self.reads))
        self.cache.end_read(KEY, 0.0, str(seen).encode(), found=True)

    @precondition(lambda self: len(self.writes) < 3)
    @rule()
    def begin_write(self) -> None:
        self.cache.begin_write(KEY)
        self.table += 1
        self.writes.append(self.table)

    @precondition(lambda self: self.writes)
    @rule(which=st.integers(0, 2))
    def end_write(self, which: int) -> None:
        value = self.writes.pop(which % len(self.writes))
        self.known = max(self.known, value)
        self.cache.end_write(KEY, 0.0, "known", str(value).encode())

    @invariant()
    def never_older(self) -> None:
        value = kept(self.cache)
        assert value is None or int(value) >= self.known


TestHistories = Histories.TestCase
TestHistories.settings = settings(max_examples=80, deadline=None, stateful_step_count=30)
