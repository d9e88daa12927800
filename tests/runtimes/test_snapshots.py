"""SnapStart. https://docs.aws.amazon.com/lambda/latest/dg/snapstart.html"""

from __future__ import annotations

import asyncio
import json
from typing import Any

from tests.runtimes.conftest import Bench

SOURCE = """
import os, random, sys, time, uuid
from snapshot_restore_py import register_after_restore, register_before_snapshot
told = []
begun = uuid.uuid4().hex
def note(text):
    told.append([text, os.environ["AWS_LAMBDA_INITIALIZATION_TYPE"]])
register_before_snapshot(note, "before 1")
register_before_snapshot(note, "before 2")
register_after_restore(note, "after 1")
register_after_restore(note, text="after 2")
time.sleep(0.3)
count = 0
def handler(event, context):
    global count
    count += 1
    if event == "sleep":
        time.sleep(0.2)
    if event == "exit":
        os._exit(3)
    print("written")
    return [begun, [t[0] for t in told], count, random.random(), context.log_stream_name, os.getpid()]
"""


def test_environments_are_copies_of_one_init(sandboxed: Bench):
    spec = sandboxed.function(SOURCE, snap_start=True)
    first = sandboxed.invoke(spec)
    begun, told, count, number, stream, _ = json.loads(first.payload)
    assert told == ["before 2", "before 1", "after 1", "after 2"]
    assert count == 1
    assert b"written\n" in first.tail
    assert b"Restore Duration: " in first.tail
    assert b"Init Duration" not in first.tail
    assert first.init_ms is not None
    # Two at a time: the second is another copy, which the init costs nothing any more.
    tasks = [sandboxed.start(spec, "sleep") for _ in range(2)]
    others = [sandboxed.run(task) for task in tasks]
    answers = [json.loads(other.payload) for other in others]
    assert {answer[0] for answer in answers} == {begun}
    assert len({answer[3] for answer in answers} | {number}) == 3
    assert {answer[4] for answer in answers} != {stream}
    copied = [other.init_ms for other in others if other.init_ms is not None]
    assert len(copied) == 1
    assert copied[0] < 150


def test_a_copy_that_ends_leaves_the_others(sandboxed: Bench):
    spec = sandboxed.function(SOURCE, snap_start=True)
    begun = json.loads(sandboxed.invoke(spec).payload)[0]
    assert sandboxed.invoke(spec, "exit").error == "unhandled"
    again = json.loads(sandboxed.invoke(spec).payload)
    assert (again[0], again[2]) == (begun, 1)
    sandboxed.pool.discard(spec.key)
    assert json.loads(sandboxed.invoke(spec).payload)[0] != begun


def test_what_cannot_be_copied_is_started_as_usual(sandboxed: Bench):
    threaded = (
        "import threading, time\n"
        "threading.Thread(target=time.sleep, args=(99,), daemon=True).start()\n"
        "def handler(event, context): return threading.active_count()\n"
    )
    assert sandboxed.answer(threaded, snap_start=True) == 2
    failing = sandboxed.invoke(sandboxed.function("raise ValueError('no')", snap_start=True))
    assert json.loads(failing.payload)["errorMessage"] == "no"


def test_errors_of_hooks(sandboxed: Bench):
    source = (
        "import snapshot_restore_py\n"
        "def bad(): raise ValueError('after')\n"
        "snapshot_restore_py.register_after_restore(bad)\n"
        "def handler(event, context): return 1\n"
    )
    outcome = sandboxed.invoke(sandboxed.function(source, snap_start=True))
    payload: dict[str, Any] = json.loads(outcome.payload)
    assert payload["errorType"] == "Runtime.AfterRestoreError"
    sandboxed.run(asyncio.sleep(0))
