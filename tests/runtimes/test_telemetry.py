"""The Telemetry API and the Logs API.

https://docs.aws.amazon.com/lambda/latest/dg/telemetry-api-reference.html
"""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from serein.runtimes.telemetry import Plan, Refused, read_plan
from tests.runtimes.conftest import Bench
from tests.runtimes.test_extensions import layered, rebuilt

PYTHON = Path(getattr(sys, "_base_executable", sys.executable)).resolve()
EXTENSION = """#!{python} -I
import http.client, http.server, json, os, socket, sys, threading
api = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
settings = json.loads(os.environ["SUBSCRIPTION"])
told = open("/tmp/told", "a")

def note(events):
    for event in events:
        told.write(json.dumps(event) + "\\n")
    told.flush()

class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_POST(self):
        note(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()
    def log_message(self, *args):
        pass

def read_lines():
    listener = socket.create_server(("0.0.0.0", 8081))
    while True:
        with listener.accept()[0].makefile() as lines:
            for line in lines:
                note([json.loads(line)])

server = http.server.ThreadingHTTPServer(("sandbox.localdomain", 8080), Handler)
threading.Thread(target=server.serve_forever, daemon=True).start()
threading.Thread(target=read_lines, daemon=True).start()
name = {{"Lambda-Extension-Name": os.path.basename(sys.argv[0])}}
api.request("POST", "/2020-01-01/extension/register", json.dumps({{"events": ["INVOKE"]}}), name)
answer = api.getresponse(); answer.read()
own = {{"Lambda-Extension-Identifier": answer.headers["Lambda-Extension-Identifier"]}}
api.request("PUT", os.environ["SUBSCRIBE_AT"], json.dumps(settings), own)
answer = api.getresponse()
print("subscribed", answer.status, answer.read().decode(), flush=True)
while True:
    api.request("GET", "/2020-01-01/extension/event/next", headers=own)
    api.getresponse().read()
    print("told of an invocation", flush=True)
"""
HANDLER = """
import time
def handler(event, context):
    print("function speaks")
    if event == "read":
        time.sleep(0.4)
        return [line for line in open("/tmp/told")]
    if event == "fail":
        raise ValueError("bad")
"""
TYPES = ["platform", "function", "extension"]
BUFFERING = {"maxItems": 1000, "maxBytes": 262144, "timeoutMs": 25}
BY_HTTP = {
    "schemaVersion": "2022-12-13",
    "types": TYPES,
    "destination": {"protocol": "HTTP", "URI": "http://sandbox.localdomain:8080/in"},
    "buffering": BUFFERING,
}
BY_TCP = {
    "schemaVersion": "2020-08-15",
    "types": TYPES,
    "destination": {"protocol": "TCP", "port": 8081},
    "buffering": BUFFERING,
}


def told(bench: Bench, subscription: Any, path: str, **given: Any) -> list[dict[str, Any]]:
    """What an extension was told after a failed and a good invocation."""
    variables = {"SUBSCRIPTION": json.dumps(subscription), "SUBSCRIBE_AT": path}
    spec = bench.function(HANDLER, name="own", environment=variables, **given)
    program = EXTENSION.format(python=PYTHON)
    spec = rebuilt(spec, **layered(bench, spec, {"extensions/listener": program}))
    bench.invoke(spec, "fail")
    outcome = bench.invoke(spec, "read")
    assert outcome.error is None, outcome.payload
    return [json.loads(line) for line in json.loads(outcome.payload)]


def test_an_extension_is_told_over_http(sandboxed: Bench):
    events = told(sandboxed, BY_HTTP, "/2022-07-01/telemetry")
    kinds = [event["type"] for event in events]
    records = {event["type"]: event["record"] for event in reversed(events)}
    begun = records["platform.initStart"]
    assert (begun["initializationType"], begun["phase"]) == ("on-demand", "init")
    assert (begun["functionName"], begun["functionVersion"]) == ("own", "$LATEST")
    assert begun["runtimeVersion"] == "python:3.11.v1"
    assert records["platform.telemetrySubscription"] == {
        "name": "listener",
        "state": "Subscribed",
        "types": TYPES,
    }
    assert records["platform.extension"] == {
        "name": "listener",
        "state": "Ready",
        "events": ["INVOKE"],
    }
    assert records["platform.initRuntimeDone"]["status"] == "success"
    assert records["platform.initReport"]["metrics"]["durationMs"] > 0
    assert records["platform.start"]["version"] == "$LATEST"
    done = records["platform.runtimeDone"]
    assert (done["status"], done["errorType"]) == ("error", "ValueError")
    assert done["metrics"]["producedBytes"] > 10
    assert records["platform.report"]["metrics"]["memorySizeMB"] == 128
    assert records["platform.report"]["metrics"]["initDurationMs"] > 0
    assert records["function"] == "function speaks\n"
    assert "subscribed 200" in records["extension"]
    assert kinds.count("platform.start") == 2
    assert kinds.index("platform.initStart") < kinds.index("platform.start")
    assert "told of an invocation\n" in [e["record"] for e in events if e["type"] == "extension"]
    assert all(event["time"].endswith("Z") for event in events)


def test_an_extension_is_told_over_tcp(sandboxed: Bench):
    events = told(sandboxed, BY_TCP, "/2020-08-15/logs")
    kinds = {event["type"] for event in events}
    assert {"platform.initStart", "platform.start", "platform.report", "function"} <= kinds


def test_a_listener_that_answers_nonsense_or_nothing_disturbs_nobody(sandboxed: Bench):
    source = EXTENSION.replace("self.send_response(200)", 'self.wfile.write(b"x" * 300000); return')
    variables = {"SUBSCRIPTION": json.dumps(BY_HTTP), "SUBSCRIBE_AT": "/2022-07-01/telemetry"}
    spec = sandboxed.function(HANDLER, name="own", environment=variables)
    program = source.format(python=PYTHON)
    spec = rebuilt(spec, **layered(sandboxed, spec, {"extensions/listener": program}))
    for _ in range(3):
        outcome = sandboxed.invoke(spec, "read")
        assert outcome.error is None, outcome.payload


def test_events_wait_while_the_environment_is_stopped(sandboxed: Bench):
    variables = {"SUBSCRIPTION": json.dumps(BY_HTTP), "SUBSCRIBE_AT": "/2022-07-01/telemetry"}
    spec = sandboxed.function(HANDLER, name="own", environment=variables)
    program = EXTENSION.format(python=PYTHON)
    spec = rebuilt(spec, **layered(sandboxed, spec, {"extensions/listener": program}))
    sandboxed.invoke(spec, "fail")
    sandboxed.run(asyncio.sleep(0.5))  # it is frozen by now
    lines = json.loads(sandboxed.invoke(spec, "read").payload)
    kinds = [json.loads(line)["type"] for line in lines]
    assert kinds.count("platform.report") == 1
    assert kinds.count("platform.start") == 2


def test_the_log_has_the_output_of_both(sandboxed: Bench):
    sandboxed.lines.clear()
    told(sandboxed, BY_HTTP, "/2022-07-01/telemetry")
    sandboxed.run(asyncio.sleep(0.3))
    text = "".join(line.message for line in sandboxed.lines)
    assert "EXTENSION\tName: listener\tState: Ready\tEvents: [INVOKE]\n" in text
    assert (
        "TELEMETRY\tName: listener\tState: Subscribed\tTypes: [Platform, Function, Extension]\n"
        in text
    )
    assert "function speaks\n" in text
    assert "told of an invocation\n" in text


@pytest.mark.parametrize(
    "change",
    [
        {"types": []},
        {"types": ["other"]},
        {"schemaVersion": "2020-01-01"},
        {"destination": {"protocol": "UDP", "URI": "http://sandbox.localdomain:8080"}},
        {"destination": {"protocol": "HTTP", "URI": "http://example.com:8080"}},
        {"destination": {"protocol": "HTTP", "URI": "http://sandbox.localdomain:9001"}},
        {"destination": {"protocol": "HTTP", "URI": "http://sandbox.localdomain:99999"}},
        {"destination": {"protocol": "TCP"}},
        {"buffering": {"maxItems": 999}},
        {"buffering": {"maxBytes": 2_000_000}},
        {"buffering": {"timeoutMs": 24}},
    ],
)
def test_subscriptions_that_are_refused(change: dict[str, Any]):
    with pytest.raises(Refused):
        read_plan(json.dumps({**BY_HTTP, **change}).encode(), logs_api=False)


def test_a_plan_has_defaults():
    request = {name: value for name, value in BY_HTTP.items() if name != "buffering"}
    plan = read_plan(json.dumps(request).encode(), logs_api=False)
    assert isinstance(plan, Plan)
    assert (plan.buffering.max_items, plan.buffering.timeout_ms) == (1000, 100)
    assert (plan.port, plan.path) == (8080, "/in")
