"""From bytes to log events, however they are cut."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from serein.runtimes.log_lines import LineSplitter, report_line, tail_of
from serein.runtimes.spec import LogLine

NOW = 1_700_000_000.0
Piece = tuple[bytes, list[str]]


def frame(text: str) -> bytes:
    data = text.encode()
    micros = int(NOW * 1e6)
    return b"\xa5\x5a\x00\x03" + len(data).to_bytes(4, "big") + micros.to_bytes(8, "big") + data


def cut(data: bytes, cuts: list[int]) -> list[bytes]:
    places = sorted({c % (len(data) + 1) for c in cuts})
    bounds = [0, *places, len(data)]
    return [data[a:b] for a, b in itertools.pairwise(bounds)]


lines = st.text(st.characters(exclude_characters="\n", exclude_categories=("Cs",)), max_size=30)
pieces = st.one_of(
    lines.map(lambda t: ((t + "\n").encode(), [t + "\n"])),
    st.text(st.characters(exclude_categories=("Cs",)), max_size=30).map(lambda t: (frame(t), [t])),
)


@given(st.lists(pieces, max_size=8), st.lists(st.integers(0, 1000), max_size=8))
def test_events_do_not_depend_on_the_cuts(given_pieces: list[Piece], cuts: list[int]):
    data = b"".join(raw for raw, _ in given_pieces)
    splitter = LineSplitter()
    found = [line for part in cut(data, cuts) for line in splitter.feed(part, NOW)]
    assert [line.message for line in found] == [t for _, texts in given_pieces for t in texts]
    assert splitter.finish(NOW) == []


@given(st.binary(max_size=200), st.lists(st.integers(0, 1000), max_size=5))
def test_any_bytes_are_text_in_the_end(data: bytes, cuts: list[int]):
    splitter = LineSplitter()
    for part in cut(data, cuts):
        splitter.feed(part, NOW)
    splitter.finish(NOW)


def test_an_endless_line_becomes_several_events():
    splitter = LineSplitter()
    events = splitter.feed(b"x" * 600_000, NOW)
    assert [len(e.message) for e in events] == [262_144, 262_144]
    assert len(splitter.finish(NOW)[0].message) == 600_000 - 2 * 262_144


def test_the_report_line():
    # Recorded from the real service, but for the init phase, which is billed since August 2025.
    assert report_line("r", 2.9, 128, 36, None) == (
        "REPORT RequestId: r\tDuration: 2.90 ms\tBilled Duration: 3 ms\tMemory Size: 128 MB\t"
        "Max Memory Used: 36 MB\t\n"
    )


def test_the_tail_is_the_last_4_kb():
    tail = tail_of([LogLine(NOW, f"{i:05d}\n") for i in range(2000)])
    assert len(tail) == 4096
    assert tail.endswith(b"01999\n")
