"""`serein traces`: a tree of spans."""

from __future__ import annotations

from typing import Any

import pytest

from serein.cli.traces import lines_of
from tests.cli.conftest import Run


def span(number: int, parent: int, name: str, start: float, end: float, **more: Any) -> Any:
    ids = {"id": f"{number:x}", "parent_id": f"{parent:x}" if parent else ""}
    return {**ids, "name": name, "start_time": start, "end_time": end, **more}


def test_a_tree() -> None:
    about = {"error_type": "ValueError"}
    spans = [
        span(1, 9, "orders", 10.0, 10.5, origin="AWS::Lambda", fault=True, annotations=about),
        span(2, 1, "Invocation", 10.1, 10.4),
        span(3, 2, "dynamodb.PutItem", 10.2, 10.21, origin="aws"),
        span(4, 1, "Overhead", 10.4, 10.5),
    ]
    lines = lines_of({"id": "1-a-b", "start_time": 10.0, "duration": 0.5, "spans": spans})
    assert lines[0].startswith("1-a-b  ")
    assert lines[0].endswith("  500.0 ms")
    assert lines[1:] == [
        "       0.0      500.0  orders (AWS::Lambda) FAULT ValueError",
        "     100.0      300.0    Invocation",
        "     200.0       10.0      dynamodb.PutItem",
        "     400.0      100.0    Overhead",
    ]


def test_parents_that_go_round_in_a_circle() -> None:
    spans = [span(1, 2, "a", 0, 1), span(2, 1, "b", 0, 1), span(3, 0, "c", 0, 1)]
    lines = lines_of({"id": "1-a-b", "start_time": 0.0, "duration": 1.0, "spans": spans})
    assert [line.split()[-1] for line in lines[1:]] == ["c"]


@pytest.mark.parametrize("arguments", [["traces"], ["traces", "--json"]])
def test_nobody_answers(run: Run, nowhere: str, arguments: list[str]) -> None:
    told = run(*arguments, "--endpoint", nowhere)
    assert told.exit_code == 1
    assert "Nothing answers at" in told.output
