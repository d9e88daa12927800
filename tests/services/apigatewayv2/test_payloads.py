"""Whatever a client sends, the data plane answers in its own words and the events are JSON."""

from __future__ import annotations

import asyncio
from urllib.parse import quote

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from serein.services.apigatewayv2.rules.payloads import is_text
from serein.wire.http import HttpRequest

HEADER = st.tuples(
    st.sampled_from(["Cookie", "X-A", "x-a", "Content-Type", "Content-Encoding", "Origin"])
    | st.sampled_from(["X-Forwarded-For", "X-Amzn-Trace-Id", "Access-Control-Request-Method"]),
    st.text(st.characters(min_codepoint=32, max_codepoint=255), max_size=20),
)
PATH = st.lists(
    st.sampled_from(["", "items", "dev", ".", "..", "%2F", "%ff", "%00", "%", "$default", "a+b"])
    | st.text(max_size=5).map(lambda text: quote(text, safe="")),
    max_size=5,
)


@settings(
    deadline=None,
    max_examples=150,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    method=st.sampled_from(["GET", "POST", "OPTIONS", "HEAD", "DELETE"]),
    path=PATH,
    query=st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=20),
    headers=st.lists(HEADER, max_size=5),
    body=st.binary(max_size=30),
    version=st.sampled_from(["1.0", "2.0"]),
)
def test_every_request_is_answered(gateway, method, path, query, headers, body, version) -> None:
    known = getattr(gateway, "known", None)
    if known is None:
        known = gateway.known = {}
    if version not in known:
        cors = {"AllowOrigins": ["*"]}
        known[version] = gateway.served(
            version, "ANY /items/{a}/{rest+}", "GET /items", "$default", CorsConfiguration=cors
        )
        gateway.function("f", lambda event: {"statusCode": 200, "body": str(len(event))})
    host = f"{known[version]}.execute-api.localhost:4566"
    given_headers = [("Host", host), *headers]
    joined: dict[str, str] = {}
    for name, value in given_headers:
        lower = name.lower()
        joined[lower] = f"{joined[lower]},{value}" if lower in joined else value
    request = HttpRequest(method, "/" + "/".join(path), query, joined, given_headers, body)

    async def ask():
        return await gateway.house.handle(request)

    response = gateway.run(ask())
    assert response.status in (200, 204)
    assert isinstance(response.body, bytes)
    assert all("\n" not in value and "\r" not in value for _, value in response.headers)


def test_large_bodies_are_413(gateway) -> None:
    api_id = gateway.quick(lambda event: str(len(event["body"])))

    async def pieces():
        for _ in range(11):
            yield b"x" * 1024 * 1024
            await asyncio.sleep(0)

    async def ask():
        headers = [("Host", f"{api_id}.execute-api.localhost"), ("Content-Type", "text/plain")]
        known = {name.lower(): value for name, value in headers}
        request = HttpRequest("POST", "/", "", known, headers, pieces())
        return await gateway.house.handle(request)

    response = gateway.run(ask())
    assert response.status == 413
    assert orjson.loads(response.body) == {"message": "Request Entity Too Large"}


@pytest.mark.parametrize(
    ("content_type", "text"),
    [
        ("text/csv", True),
        ("application/json;charset=utf-8", True),
        ("application/vnd.api+json", True),
        ("application/x-www-form-urlencoded", False),
        ("image/png", False),
        ("multipart/form-data; boundary=x", False),
    ],
)
def test_what_counts_as_text(content_type: str, text: bool) -> None:
    assert is_text(content_type) is text
