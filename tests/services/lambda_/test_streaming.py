"""Streamed answers. https://docs.aws.amazon.com/lambda/latest/dg/configuration-response-streaming.html"""

from __future__ import annotations

import json
import shutil
from typing import Any

import pytest

from serein.services.lambda_ import streaming
from tests.cloud import Cloud
from tests.services.lambda_.conftest import Make, zipped

PIECES = """
def handler(event, context):
    yield "one "
    yield b"two "
    if isinstance(event, dict) and event.get("fail"):
        raise ValueError("in the middle")
    yield {"three": 3}
"""
NODE = """
export const handler = awslambda.streamifyResponse(async (event, stream, context) => {
  if (event.rawPath === "/full") {
    stream = awslambda.HttpResponseStream.from(stream, {
      statusCode: 201, headers: {"Content-Type": "text/html"}, cookies: ["a=b"],
    });
  } else {
    stream.setContentType("text/plain");
  }
  for (const piece of ["a", "b", "c"]) stream.write(piece);
  stream.write("x".repeat(3000000));
  stream.end();
});
"""
needs_node = pytest.mark.skipif(shutil.which("node") is None, reason="Node.js is not installed")


def collected(answer: dict[str, Any]) -> tuple[bytes, dict[str, Any]]:
    """The payload of an event stream, and its last event."""
    events = list(answer["EventStream"])
    body = b"".join(e["PayloadChunk"]["Payload"] for e in events if "PayloadChunk" in e)
    return body, events[-1]["InvokeComplete"]


def test_pieces_come_as_events(make_function: Make, awslambda: Any):
    make_function(PIECES)
    answer = awslambda.invoke_with_response_stream(FunctionName="echo", LogType="Tail")
    assert (answer["StatusCode"], answer["ExecutedVersion"]) == (200, "$LATEST")
    assert answer["ResponseStreamContentType"] == "application/octet-stream"
    body, done = collected(answer)
    assert body == b'one two {"three": 3}'
    assert list(done) == ["LogResult"]


def test_an_error_in_the_middle_is_told_at_the_end(make_function: Make, awslambda: Any):
    make_function(PIECES)
    answer = awslambda.invoke_with_response_stream(FunctionName="echo", Payload=b'{"fail": 1}')
    body, done = collected(answer)
    assert body == b"one two "
    assert done["ErrorCode"] == "ValueError"
    assert json.loads(done["ErrorDetails"])["errorMessage"] == "in the middle"


def test_a_plain_answer_is_one_piece_and_a_stream_can_be_gathered(
    make_function: Make, awslambda: Any
):
    make_function()
    body, done = collected(
        awslambda.invoke_with_response_stream(FunctionName="echo", Payload=b'{"a": 1}')
    )
    assert (json.loads(body), done) == ({"a": 1}, {})
    make_function(PIECES, name="pieces")
    plain = awslambda.invoke(FunctionName="pieces")
    assert plain["Payload"].read() == b'one two {"three": 3}'


@needs_node
def test_node_streams_to_a_function_url(cloud: Cloud, make_function: Make, awslambda: Any):
    make_function(zipped({"app.mjs": NODE}), Runtime="nodejs20.x", Timeout=20)
    body, done = collected(awslambda.invoke_with_response_stream(FunctionName="echo"))
    assert (body[:3], len(body), done) == (b"abc", 3_000_003, {})
    awslambda.add_permission(
        FunctionName="echo",
        StatementId="public",
        Action="lambda:InvokeFunctionUrl",
        Principal="*",
        FunctionUrlAuthType="NONE",
    )
    url = awslambda.create_function_url_config(
        FunctionName="echo", AuthType="NONE", InvokeMode="RESPONSE_STREAM"
    )["FunctionUrl"]
    plain = cloud.http("GET", url)
    assert (plain.status, len(plain.body)) == (200, 3_000_003)
    assert ("Content-Type", "text/plain") in plain.headers
    full = cloud.http("GET", url + "full")
    assert (full.status, len(full.body)) == (201, 3_000_003)
    assert ("Set-Cookie", "a=b") in full.headers


def test_a_streamed_answer_has_an_end(
    make_function: Make, awslambda: Any, monkeypatch: pytest.MonkeyPatch
):
    # https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html: 200 MB; here a little less, to be quick
    monkeypatch.setattr(streaming, "STREAMED_BYTES_MAX", 3_000_000)
    make_function(
        "def handler(event, context):\n    for _ in range(5):\n        yield b'x' * 1000000\n"
    )
    answer = awslambda.invoke_with_response_stream(FunctionName="echo")
    body, done = collected(answer)
    assert len(body) == 3_000_000
    assert done["ErrorCode"] == "Function.ResponseSizeTooLarge"
