"""Event streams, with botocore's decoder as the other end."""

from __future__ import annotations

import pytest
from botocore.eventstream import EventStreamBuffer
from hypothesis import given
from hypothesis import strategies as st

from serein.base.errors import AwsError
from serein.wire.eventstream import BrokenStream, MessageDecoder, encode_message
from serein.wire.models import Wire


@given(
    st.dictionaries(
        st.from_regex(r"[a-z:-]{1,20}", fullmatch=True),
        st.one_of(
            st.booleans(),
            st.integers(-(2**40), 2**40),
            st.text(max_size=50),
            st.binary(max_size=50),
        ),
        max_size=5,
    ),
    st.binary(max_size=500),
    st.integers(1, 40),
)
def test_messages_survive_any_cutting(headers: dict, payload: bytes, step: int) -> None:
    raw = encode_message(headers, payload) * 2
    decoder = MessageDecoder()
    found = [m for at in range(0, len(raw), step) for m in decoder.feed(raw[at : at + step])]
    assert [(m.headers, m.payload) for m in found] == [(headers, payload)] * 2
    assert decoder.at_boundary
    other = EventStreamBuffer()
    other.add_data(raw)
    assert [(dict(m.headers), m.payload) for m in other] == [(headers, payload)] * 2


@given(st.integers(0, 60), st.integers(1, 255))
def test_a_changed_byte_is_noticed(at: int, flip: int) -> None:
    raw = bytearray(encode_message({"a": "b"}, b"x" * 40))
    raw[at % len(raw)] ^= flip
    decoder = MessageDecoder()
    with pytest.raises(BrokenStream):
        decoder.feed(bytes(raw) + bytes(100))


async def _whole(stream) -> bytes:
    return b"".join([part async for part in stream])


def _run(coroutine):
    try:
        coroutine.send(None)
    except StopIteration as stop:
        return stop.value
    raise AssertionError("it waited")


def test_lambda_response_stream() -> None:
    operation = Wire().service("lambda").operation("InvokeWithResponseStream")
    events = [{"PayloadChunk": {"Payload": b"hello"}}, {"InvokeComplete": {"ErrorCode": "E"}}]
    response = operation.serialise({"StatusCode": 200, "EventStream": events}, "id")
    assert ("Content-Type", "application/vnd.amazon.eventstream") in response.headers
    buffer = EventStreamBuffer()
    buffer.add_data(_run(_whole(response.body)))
    first, second = list(buffer)
    assert first.headers[":event-type"] == "PayloadChunk"
    assert first.payload == b"hello"
    assert second.payload == b'{"ErrorCode":"E"}'


def test_an_error_in_the_middle_is_told_in_the_stream() -> None:
    def events():
        yield {"PayloadChunk": {"Payload": b"x"}}
        raise AwsError("gone", code="Broken")

    operation = Wire().service("lambda").operation("InvokeWithResponseStream")
    response = operation.serialise({"EventStream": events()}, "id")
    found = MessageDecoder().feed(_run(_whole(response.body)))
    assert found[1].headers[":message-type"] == "error"
    assert found[1].headers[":error-code"] == "Broken"


def test_live_tail_begins_with_an_initial_response() -> None:
    operation = Wire().service("logs").operation("StartLiveTail")
    events = [{"sessionStart": {"requestId": "r"}}]
    response = operation.serialise({"responseStream": events}, "id")
    first, second = MessageDecoder().feed(_run(_whole(response.body)))
    assert first.headers[":event-type"] == "initial-response"
    assert second.payload == b'{"requestId":"r"}'
