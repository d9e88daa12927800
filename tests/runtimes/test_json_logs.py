"""The JSON log format. https://docs.aws.amazon.com/lambda/latest/dg/monitoring-cloudwatchlogs-logformat.html"""

from __future__ import annotations

import json
from typing import Any

from tests.runtimes.conftest import Bench, needs_node

SOURCE = """
import logging
log = logging.getLogger("own")
def handler(event, context):
    log.debug("not shown")
    log.info("told %s", 1, extra={"order": 7})
    try:
        1 / 0
    except ZeroDivisionError:
        log.exception("failed")
    if event == "fail":
        raise ValueError("bad")
"""


def events(bench: Bench, spec: Any, event: Any) -> list[dict[str, Any]]:
    outcome = bench.invoke(spec, event)
    return [json.loads(line) for line in outcome.tail.decode().splitlines() if line]


def test_python_messages_and_platform_events(bench: Bench):
    spec = bench.function(SOURCE, log_format="JSON", application_level="INFO")
    start, told, failed, report = events(bench, spec, None)
    assert start["type"] == "platform.start"
    assert start["record"]["version"] == "$LATEST"
    assert (told["level"], told["message"], told["logger"], told["order"]) == (
        "INFO",
        "told 1",
        "own",
        7,
    )
    assert told["requestId"] == start["record"]["requestId"]
    assert (failed["errorType"], failed["errorMessage"]) == (
        "ZeroDivisionError",
        "division by zero",
    )
    assert report["type"] == "platform.report"
    assert report["record"]["status"] == "success"
    assert report["record"]["metrics"]["memorySizeMB"] == 128


def test_levels_hold_events_back(bench: Bench):
    spec = bench.function(SOURCE, log_format="JSON", application_level="ERROR", system_level="WARN")
    (failed,) = events(bench, spec, None)
    assert failed["message"] == "failed"
    _, raised, done, report = events(bench, spec, "fail")
    assert done["type"] == "platform.runtimeDone"
    assert (raised["level"], raised["errorMessage"]) == ("ERROR", "bad")
    assert report["record"]["status"] == "error"


@needs_node()
def test_node_messages(bench: Bench):
    source = 'exports.handler = async () => { console.debug("no"); console.warn("told", 1); };'
    spec = bench.function(
        source,
        file="app.js",
        runtime="nodejs20.x",
        log_format="JSON",
        application_level="INFO",
    )
    _, told, _ = events(bench, spec, None)
    assert (told["level"], told["message"]) == ("WARN", "told 1")
