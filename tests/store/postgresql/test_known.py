"""A batch's memory of rows against a plain dict: whatever was read and written before, the answers are the same."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from serein.store.engine import Row
from serein.store.postgresql import rows as rows_module
from serein.store.postgresql.rows import BatchRows, Page, StoredRows
from serein.store.postgresql.schema import Schema
from serein.store.postgresql.tables import SqlTable

KEYS = st.integers(0, 30).map(lambda number: b"%02d" % number)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("get"), KEYS, KEYS, st.booleans(), st.integers(1, 9)),
        st.tuples(st.just("page"), KEYS, KEYS, st.booleans(), st.integers(1, 9)),
        st.tuples(st.just("put"), KEYS, KEYS, st.booleans(), st.integers(1, 9)),
        st.tuples(st.just("delete"), KEYS, KEYS, st.booleans(), st.integers(1, 9)),
        st.tuples(st.just("range"), KEYS, KEYS, st.booleans(), st.integers(1, 9)),
        st.tuples(st.just("count"), KEYS, KEYS, st.booleans(), st.integers(1, 9)),
        st.tuples(st.just("undo"), KEYS, KEYS, st.booleans(), st.integers(1, 9)),
        st.tuples(st.just("keep"), KEYS, KEYS, st.booleans(), st.integers(1, 9)),
    ),
    max_size=40,
)


class DictRows(StoredRows):
    """The database, as a dict; it counts how often it was asked."""

    def __init__(self, content: dict[bytes, bytes]) -> None:
        self.content = content
        self.asked = 0
        self.rounds = 0

    def _within(self, low: bytes, high: bytes) -> list[bytes]:
        self.asked += 1
        return sorted(key for key in self.content if low <= key < high)

    def get(self, handle: SqlTable, key: bytes) -> bytes | None:
        self.asked += 1
        return self.content.get(key)

    def page(self, handle: Any, low: bytes, high: bytes, reverse: bool, limit: int) -> list[Row]:
        keys = self._within(low, high)
        return [(key, self.content[key]) for key in (keys[::-1] if reverse else keys)[:limit]]

    def many(
        self, points: dict[SqlTable, list[bytes]], pages: Sequence[Page]
    ) -> tuple[list[list[Row]], list[list[Row]]]:
        self.rounds += 1
        content = self.content
        found = [
            [(key, content[key]) for key in keys if key in content] for keys in points.values()
        ]
        return found, [self.page(*page) for page in pages]

    def count(self, handle: SqlTable, low: bytes, high: bytes) -> int:
        return len(self._within(low, high))

    def keys(self, handle: SqlTable, low: bytes, high: bytes, limit: int) -> list[bytes]:
        return self._within(low, high)[:limit]


def batch_over(content: dict[bytes, bytes]) -> tuple[BatchRows, DictRows, SqlTable]:
    """A batch on a pretended database."""
    table = SqlTable('"s"', "t", 1, False)
    table.there = table.entered = True
    batch = BatchRows(None, Schema("s"))  # type: ignore[arg-type]
    stored = DictRows(content)
    batch._stored = stored
    return batch, stored, table


@settings(max_examples=200, deadline=None)
@given(st.dictionaries(KEYS, st.binary(max_size=2)), STEPS)
def test_it_answers_as_a_dict_does(content: dict[bytes, bytes], steps: list[Any]) -> None:
    batch, _, table = batch_over(content)
    model = dict(content)
    kept = dict(content)
    mark = batch.mark()
    for number, (what, one, other, reverse, limit) in enumerate(steps):
        within = sorted(key for key in model if one <= key < other)
        if what == "get":
            assert batch.get(table, one) == model.get(one)
        elif what == "page":
            keys = (within[::-1] if reverse else within)[:limit]
            expected = [(key, model[key]) for key in keys]
            assert batch.page(table, one, other, reverse, limit) == expected
        elif what == "put":
            model[one] = b"%d" % number
            batch.put(table, one, model[one])
        elif what == "delete":
            assert batch.delete(table, one) == (model.pop(one, None) is not None)
        elif what == "range":
            assert batch.delete_range(table, one, other) == len(within)
            for key in within:
                del model[key]
        elif what == "count":
            assert batch.count(table, one, other) == len(within)
        elif what == "undo":
            batch.undo_to(mark)
            model = dict(kept)
        else:
            mark = batch.mark()
            kept = dict(model)
    everything = batch.page(table, b"", b"\xff", False, 1000)
    assert everything == sorted(model.items())


def test_what_was_read_is_not_asked_for_again() -> None:
    content = {b"%04d" % number: b"" for number in range(200)}
    batch, stored, table = batch_over(content)
    first = batch.page(table, b"", b"\xff", False, 50)
    asked = stored.asked
    assert batch.page(table, b"", b"\xff", False, 20) == first[:20]
    assert batch.get(table, b"0007") == b""
    assert batch.get(table, b"0007x") is None
    assert stored.asked == asked
    # Ten receivers of one batch take from the front of a queue: the rows come a page at a time, not one by one.
    for _ in range(10):
        for key, _ in batch.page(table, b"", b"\xff", False, 10):
            batch.delete(table, key)
    assert stored.asked <= asked + 3


def test_a_batch_forgets_what_is_too_much() -> None:
    content = {b"%06d" % number: b"" for number in range(rows_module.KNOWN_MAX + 2000)}
    batch, _, table = batch_over(content)
    low = b""
    while page := batch.page(table, low, b"\xff", False, 1024):
        low = page[-1][0] + b"\x00"
    assert batch._of(table).size < rows_module.KNOWN_MAX
