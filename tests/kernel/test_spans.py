"""What is kept of spans, who has one, and who is sampled."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from serein.base.errors import AwsError
from serein.base.ids import SeededRandomness
from serein.base.traces import HEADER_CHARS_MAX, TraceContext, continued_in, trace_context
from serein.kernel.operations import Context, Read, Tx, operation
from serein.kernel.spans import Sampler, Span, Spans, flags_of, traces_of
from tests.kernel.small_house import SCOPE, SmallHouse, turn

ROOT = "1-5759e988-bd862e3fe1be46a994272793"
PARENT = "53995c3f42cd8ad8"
HEADER = f"Root={ROOT};Parent={PARENT};Sampled=1"


def span(number: int, root: str = ROOT, **more: Any) -> Span:
    given = {"name": f"s{number}", "start_time": float(number), "end_time": number + 1.0}
    return Span(trace_id=root, id=f"{number:016x}", **{**given, **more})


@pytest.mark.parametrize(
    ("header", "context"),
    [
        # https://docs.aws.amazon.com/xray/latest/devguide/xray-concepts.html#xray-concepts-tracingheader
        (f"Root={ROOT};Sampled=1", TraceContext(ROOT, "", True)),
        (HEADER, TraceContext(ROOT, PARENT, True)),
        (f"Self=1-0-0; Root={ROOT}; Parent={PARENT}; Sampled=0", TraceContext(ROOT, PARENT, False)),
        (f"Root={ROOT}", TraceContext(ROOT, "", None)),
        (f"Root={ROOT};Sampled=?", TraceContext(ROOT, "", None)),
        (f"Root={ROOT};Parent=nonsense;Sampled=1", TraceContext(ROOT, "", True)),
        ("Root=1-5759e988;Sampled=1", None),
        ("", None),
        ("x" * (HEADER_CHARS_MAX + 1), None),
        (f"Root={ROOT};Sampled=1;{'x' * HEADER_CHARS_MAX}", None),
    ],
)
def test_what_a_header_says(header: str, context: TraceContext | None) -> None:
    assert trace_context(header) == context


@given(st.text(alphabet="=;:| 01-afRootParentSampledLineage", max_size=80))
def test_no_header_is_too_odd_to_read(header: str) -> None:
    context = trace_context(header)
    if context is not None:
        again = trace_context(continued_in(header, PARENT))
        assert again == TraceContext(context.root, PARENT, True)


def test_a_header_goes_on_within_a_span() -> None:
    header = f"Root={ROOT};Parent={PARENT};Sampled=1;Lineage=1:a87bd80c:0"
    assert (
        continued_in(header, "0123456789abcdef")
        == f"Root={ROOT};Parent=0123456789abcdef;Sampled=1;Lineage=1:a87bd80c:0"
    )


def test_so_many_are_kept_and_the_others_counted() -> None:
    spans = Spans(kept_max=3)
    for number in range(5):
        spans.add(span(number))
    assert [one.name for one in spans.latest()] == ["s4", "s3", "s2"]
    assert spans.dropped == 2
    assert "serein_spans_total 5" in list(spans.prometheus())
    spans.clear()
    assert (list(spans.latest()), spans.dropped) == ([], 0)


def test_the_first_of_a_second_is_sampled_and_five_percent_of_the_others() -> None:
    # https://docs.aws.amazon.com/lambda/latest/dg/services-xray.html
    sampler, randomness = Sampler(), SeededRandomness(1)
    assert sampler.takes("f", 100.0, randomness)
    others = sum(sampler.takes("f", 100.5, randomness) for _ in range(4000))
    assert 0.03 < others / 4000 < 0.07
    assert sampler.takes("g", 100.5, randomness)
    assert sampler.takes("f", 101.0, randomness)


def test_spans_by_trace() -> None:
    other = ROOT[:-1] + "4"
    spans = [
        span(4, other, name="orders", origin="AWS::Lambda"),
        span(3),
        span(2, other),
        span(1, start_time=0.5),
    ]
    found = traces_of(spans, "", "", 10)
    assert [(one["id"], one["start_time"], one["duration"]) for one in found] == [
        (other, 2.0, 3.0),
        (ROOT, 0.5, 3.5),
    ]
    assert [one.name for one in found[0]["spans"]] == ["s2", "orders"]
    assert [one["id"] for one in traces_of(spans, ROOT, "", 10)] == [ROOT]
    assert [one["id"] for one in traces_of(spans, "", "orders", 10)] == [other]
    assert len(traces_of(spans, "", "", 1)) == 1


def test_what_a_status_means() -> None:
    # https://docs.aws.amazon.com/xray/latest/devguide/xray-api-segmentdocuments.html#api-segmentdocuments-errors
    assert msgspec.structs.astuple(flags_of(204)) == (False, False, False)
    assert msgspec.structs.astuple(flags_of(404)) == (True, False, False)
    assert msgspec.structs.astuple(flags_of(429)) == (True, False, True)
    assert msgspec.structs.astuple(flags_of(503)) == (False, True, False)


# The door.


@operation("Look", unvalidated=True)
def look(read: Read, request: dict[str, Any]) -> dict[str, Any]:
    return {}


@operation("Refuse", unvalidated=True)
def refuse(tx: Tx, request: dict[str, Any]) -> dict[str, Any]:
    raise AwsError("no", code="ThrottlingException", status=400)


@operation("Ask", unvalidated=True)
async def ask(cx: Context, request: dict[str, Any]) -> dict[str, Any]:
    await cx.call(cx.make_call("notes", "Look", {}))
    await cx.transact(lambda tx: tx.send(tx.make_call("notes", "Look", {})))
    return {"trace": cx.scope.trace}


async def _called(operation: str, trace: str) -> tuple[SmallHouse, dict[str, Any]]:
    house = SmallHouse(look, refuse, ask)
    await house.store.open()
    call = house.call(operation)
    scope = msgspec.structs.replace(SCOPE, trace=trace)
    answer: dict[str, Any] = {}
    with contextlib.suppress(AwsError):
        answer = await house.dispatch.call(msgspec.structs.replace(call, scope=scope))
    return house, answer


def test_a_call_of_a_sampled_trace_is_a_span() -> None:
    house, _ = asyncio.run(_called("Look", HEADER))
    [made] = house.dispatch.spans.latest()
    assert (made.trace_id, made.parent_id, made.name, made.origin) == (
        ROOT,
        PARENT,
        "notes.Look",
        "aws",
    )
    assert made.start_time == house.clock.now() <= made.end_time
    assert made.annotations["request_id"] == "r-1"
    assert (made.error, made.fault, made.throttle) == (False, False, False)


@pytest.mark.parametrize(
    "trace", ["", "nonsense", f"Root={ROOT}", f"Root={ROOT};Parent={PARENT};Sampled=0"]
)
def test_a_call_of_no_sampled_trace_is_none(trace: str) -> None:
    house, _ = asyncio.run(_called("Ask", trace))
    assert list(house.dispatch.spans.latest()) == []


def test_an_error_is_flagged() -> None:
    house, _ = asyncio.run(_called("Refuse", HEADER))
    [made] = house.dispatch.spans.latest()
    assert (made.error, made.fault, made.throttle) == (True, False, True)
    assert made.annotations["error_code"] == "ThrottlingException"


def test_what_a_call_sets_off_is_within_its_span() -> None:
    async def story() -> None:
        house, answer = await _called("Ask", HEADER)
        assert answer["trace"] == HEADER  # handed on as it came
        courier = asyncio.create_task(house.courier.run())
        await turn()
        courier.cancel()
        spans = {one.id: one for one in house.dispatch.spans.latest()}
        [outer] = [one for one in spans.values() if one.name == "notes.Ask"]
        inner = [one for one in spans.values() if one.name == "notes.Look"]
        assert outer.parent_id == PARENT
        assert [one.parent_id for one in inner] == [outer.id, outer.id]

    asyncio.run(story())
