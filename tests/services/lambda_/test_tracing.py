"""Invocations as spans: their structure, their parents, who is sampled.

https://docs.aws.amazon.com/lambda/latest/dg/services-xray.html
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from serein.base.traces import trace_context
from serein.kernel.spans import Link, Span
from serein.services.lambda_.tracing import FUNCTION, SERVICE
from tests.services.lambda_.conftest import Make

ROOT = "1-5759e988-bd862e3fe1be46a994272793"
PARENT = "53995c3f42cd8ad8"
HEADER = f"Root={ROOT};Parent={PARENT};Sampled=1"
TELL = "import os\ndef handler(event, context):\n    return os.environ['_X_AMZN_TRACE_ID']\n"
FAIL = "def handler(event, context):\n    raise ValueError('no')\n"


@pytest.fixture
def invoke(cloud: Any, awslambda: Any) -> Any:
    """Invokes within a trace: the answer as it came."""

    def run(trace: str = HEADER, **more: Any) -> Any:
        def add(request: Any, **_: Any) -> None:
            if trace:
                request.headers["X-Amzn-Trace-Id"] = trace

        events = awslambda.meta.events
        events.register("before-sign.lambda", add)
        try:
            return awslambda.invoke(FunctionName="echo", **more)
        finally:
            events.unregister("before-sign.lambda", add)

    return run


def spans_of(cloud: Any) -> list[Span]:
    """All of them, in the order of their ends."""
    return list(cloud.house.dispatch.spans.latest())[::-1]


def one(cloud: Any, name: str, origin: str = "") -> Span:
    [found] = [s for s in spans_of(cloud) if s.name == name and s.origin == origin]
    return found


def children(cloud: Any, parent: Span) -> list[str]:
    found = [s for s in spans_of(cloud) if s.parent_id == parent.id]
    return [s.name for s in sorted(found, key=lambda s: s.start_time)]


def test_a_cold_invocation(cloud: Any, make_function: Make, invoke: Any) -> None:
    make_function(TELL)
    given = trace_context(json.loads(invoke()["Payload"].read()))
    call = one(cloud, "lambda.Invoke", "aws")
    service, function = one(cloud, "echo", SERVICE), one(cloud, "echo", FUNCTION)
    assert {span.trace_id for span in spans_of(cloud)} == {ROOT}
    assert [call.parent_id, service.parent_id, function.parent_id] == [PARENT, call.id, service.id]
    assert children(cloud, function) == ["Initialization", "Invocation", "Overhead"]
    invocation = one(cloud, "Invocation")
    assert given is not None
    assert (given.root, given.parent, given.sampled) == (ROOT, invocation.id, True)
    told = function.annotations
    assert told["cold_start"] is True
    assert told["memory_size_mb"] == 128
    assert isinstance(told["memory_used_mb"], int)
    assert told["request_id"] == service.annotations["request_id"] == call.annotations["request_id"]
    assert isinstance(told["init_duration_ms"], float)
    assert service.annotations["status"] == 200
    assert not any(span.fault or span.error for span in spans_of(cloud))


def test_spans_lie_within_each_other(cloud: Any, make_function: Make, invoke: Any) -> None:
    make_function()
    invoke()
    within = [one(cloud, "echo", SERVICE), one(cloud, "echo", FUNCTION)]
    phases = [one(cloud, name) for name in ("Initialization", "Invocation", "Overhead")]
    for outer, inner in [(within[0], within[1]), *((within[1], phase) for phase in phases)]:
        assert outer.start_time <= inner.start_time + 1e-4
        assert inner.end_time <= outer.end_time + 1e-4
        assert inner.start_time <= inner.end_time
    assert phases[0].end_time <= phases[1].start_time + 1e-4
    assert phases[1].end_time <= phases[2].start_time + 1e-4


def test_a_warm_invocation(cloud: Any, make_function: Make, invoke: Any) -> None:
    make_function()
    invoke()
    cloud.house.dispatch.spans.clear()
    invoke()
    function = one(cloud, "echo", FUNCTION)
    assert children(cloud, function) == ["Invocation", "Overhead"]
    assert function.annotations["cold_start"] is False
    assert "init_duration_ms" not in function.annotations


def test_an_error(cloud: Any, make_function: Make, invoke: Any) -> None:
    make_function(FAIL)
    invoke()
    for span in (one(cloud, "echo", SERVICE), one(cloud, "echo", FUNCTION)):
        assert span.fault
    assert one(cloud, "echo", FUNCTION).annotations["error_type"] == "ValueError"
    assert one(cloud, "Invocation").annotations["error_type"] == "ValueError"
    assert not one(cloud, "lambda.Invoke", "aws").fault  # which answered as it should


def test_an_init_phase_that_fails(cloud: Any, make_function: Make, invoke: Any) -> None:
    make_function("import nothing_of_that_name\n")
    invoke()
    function = one(cloud, "echo", FUNCTION)
    assert "Invocation" not in children(cloud, function)
    assert one(cloud, "Initialization").annotations["error_type"] == "Runtime.ImportModuleError"
    assert function.fault


def test_a_timeout(cloud: Any, make_function: Make, invoke: Any) -> None:
    endless = "import threading\ndef handler(event, context):\n    threading.Event().wait()\n"
    make_function(endless, Timeout=1)
    invoke()
    function = one(cloud, "echo", FUNCTION)
    assert children(cloud, function) == ["Initialization", "Invocation", "Shutdown", "Overhead"]
    invocation = one(cloud, "Invocation")
    assert invocation.annotations["error_type"] == "Sandbox.Timedout"
    assert 0.9 < invocation.end_time - invocation.start_time < 5.0
    assert function.fault


def test_a_call_that_is_throttled(
    cloud: Any, make_function: Make, awslambda: Any, invoke: Any
) -> None:
    make_function()
    awslambda.put_function_concurrency(FunctionName="echo", ReservedConcurrentExecutions=0)
    with pytest.raises(awslambda.exceptions.TooManyRequestsException):
        invoke()
    service = one(cloud, "echo", SERVICE)
    assert (service.error, service.throttle, service.annotations["status"]) == (True, True, 429)
    assert not [s for s in spans_of(cloud) if s.origin == FUNCTION]


def test_an_event_that_is_tried_again(cloud: Any, make_function: Make, invoke: Any) -> None:
    make_function(FAIL)
    accepted_at = cloud.clock.now()
    invoke(InvocationType="Event")
    cloud.settle()
    assert not [s for s in spans_of(cloud) if s.origin == SERVICE]  # it goes on
    cloud.advance(400)
    call, service = one(cloud, "lambda.Invoke", "aws"), one(cloud, "echo", SERVICE)
    assert service.parent_id == call.id
    assert service.fault
    assert service.annotations["condition"] == "RetriesExhausted"
    assert service.start_time == pytest.approx(accepted_at, abs=0.01)
    names = ["Attempt #1", "Attempt #2", "Attempt #3"]
    assert set(children(cloud, service)) == {"Dwell Time", *names}
    attempts = [one(cloud, name) for name in names]
    # https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-error-handling.html
    assert attempts[1].start_time - attempts[0].start_time == pytest.approx(60, abs=1)
    assert attempts[2].start_time - attempts[1].start_time == pytest.approx(120, abs=1)
    runs = [s for s in spans_of(cloud) if s.origin == FUNCTION]
    assert [run.parent_id for run in runs] == [attempt.id for attempt in attempts]
    assert service.end_time >= attempts[2].end_time - 1.0


def test_an_event_that_succeeds(cloud: Any, make_function: Make, invoke: Any) -> None:
    make_function()
    invoke(InvocationType="Event")
    cloud.settle()
    service = one(cloud, "echo", SERVICE)
    assert not service.fault
    assert set(children(cloud, service)) == {"Dwell Time", "Attempt #1"}


def test_a_batch_is_linked_to_its_messages(cloud: Any, make_function: Make, awslambda: Any) -> None:
    # https://docs.aws.amazon.com/xray/latest/devguide/xray-tracelinking.html
    made = make_function(TELL)
    sqs = cloud.client("sqs")
    url = sqs.create_queue(QueueName="source")["QueueUrl"]
    other = f"Root={ROOT[:-1]}4;Parent=aaaaaaaaaaaaaaaa;Sampled=1"
    for number, trace in enumerate((HEADER, other, HEADER)):
        header = {"AWSTraceHeader": {"DataType": "String", "StringValue": trace}}
        sqs.send_message(QueueUrl=url, MessageBody=str(number), MessageSystemAttributes=header)
    awslambda.create_event_source_mapping(
        FunctionName=made["FunctionArn"],
        EventSourceArn="arn:aws:sqs:us-east-1:000000000000:source",
        BatchSize=10,
    )
    cloud.settle()
    cloud.advance(5)
    services = [s for s in spans_of(cloud) if s.origin == SERVICE]
    assert sum(len(s.links) for s in services) >= 2
    [service] = services
    assert (service.trace_id, service.parent_id) == (ROOT, PARENT)
    assert service.links == (Link(ROOT, PARENT), Link(ROOT[:-1] + "4", "aaaaaaaaaaaaaaaa"))


@pytest.mark.parametrize("mode", ["Active", "PassThrough"])
def test_who_decided_is_obeyed(cloud: Any, make_function: Make, invoke: Any, mode: str) -> None:
    make_function(TELL, TracingConfig={"Mode": mode})
    header = f"Root={ROOT};Parent={PARENT};Sampled=0"
    assert json.loads(invoke(header)["Payload"].read()).startswith(header)
    assert spans_of(cloud) == []


def test_nobody_decides_for_what_is_passed_through(
    cloud: Any, make_function: Make, invoke: Any
) -> None:
    make_function(TELL)
    assert "Sampled=0" in json.loads(invoke("")["Payload"].read())
    assert json.loads(invoke(f"Root={ROOT}")["Payload"].read()).startswith(f"Root={ROOT};Lineage")
    assert spans_of(cloud) == []


def test_active_tracing_samples(cloud: Any, make_function: Make, invoke: Any) -> None:
    make_function(TELL, TracingConfig={"Mode": "Active"})
    traces = [trace_context(json.loads(invoke("")["Payload"].read())) for _ in range(40)]
    sampled = [trace for trace in traces if trace is not None and trace.sampled]
    assert traces[0] in sampled
    assert 1 <= len(sampled) < 10  # one a second and 5 % of the others; the clock stands still
    services = [s for s in spans_of(cloud) if s.origin == SERVICE]
    assert [s.trace_id for s in services] == [trace.root for trace in sampled]
    assert all(s.parent_id == "" for s in services)
    cloud.advance(1)
    cloud.house.dispatch.spans.clear()
    given = trace_context(json.loads(invoke(f"Root={ROOT}")["Payload"].read()))
    assert given is not None
    assert (given.root, given.sampled) == (ROOT, True)
    assert one(cloud, "echo", SERVICE).trace_id == ROOT


def test_an_event_of_an_active_function_has_one_trace(
    cloud: Any, make_function: Make, invoke: Any
) -> None:
    make_function(FAIL, TracingConfig={"Mode": "Active"})
    invoke("", InvocationType="Event")
    cloud.advance(400)
    assert len({s.trace_id for s in spans_of(cloud)}) == 1
    assert len([s for s in spans_of(cloud) if s.origin == FUNCTION]) == 3


def test_a_restored_environment(cloud: Any, make_function: Make, awslambda: Any) -> None:
    # https://docs.aws.amazon.com/lambda/latest/dg/snapstart-monitoring.html
    make_function(
        TELL, TracingConfig={"Mode": "Active"}, SnapStart={"ApplyOn": "PublishedVersions"}
    )
    version = awslambda.publish_version(FunctionName="echo")["Version"]
    awslambda.invoke(FunctionName="echo", Qualifier=version)
    function = one(cloud, "echo", FUNCTION)
    assert children(cloud, function) == ["Restore", "Invocation", "Overhead"]
    assert function.annotations["version"] == version


def test_what_was_initialised_ahead_is_no_part_of_it(
    cloud: Any, make_function: Make, awslambda: Any, invoke: Any
) -> None:
    make_function()
    version = awslambda.publish_version(FunctionName="echo")["Version"]
    awslambda.put_provisioned_concurrency_config(
        FunctionName="echo", Qualifier=version, ProvisionedConcurrentExecutions=1
    )
    cloud.advance(5)
    invoke(Qualifier=version)
    function = one(cloud, "echo", FUNCTION)
    assert function.annotations["cold_start"] is False
    assert set(children(cloud, function)) == {"Initialization", "Invocation", "Overhead"}
