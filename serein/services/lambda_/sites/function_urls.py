"""Function URLs: an HTTP request becomes an event, the function's answer an HTTP response.

https://docs.aws.amazon.com/lambda/latest/dg/urls-invocation.html
"""

from __future__ import annotations

import base64
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any
from urllib.parse import parse_qsl

import orjson

from serein.base.errors import AwsError
from serein.kernel.calls import ANONYMOUS
from serein.kernel.operations import Context, Need
from serein.services.lambda_.functions import Functions, whole
from serein.services.lambda_.operations.invocations import PAYLOAD_BYTES_MAX, run_function
from serein.services.lambda_.records import URLS_BY_ID, UrlConfig
from serein.services.lambda_.rules.names import FunctionName
from serein.services.lambda_.streaming import HTTP_INTEGRATION, StreamedAnswer, split_prelude
from serein.wire.http import HttpRequest, HttpResponse

Handle = Callable[[Context, HttpRequest, str], Awaitable[HttpResponse]]
_TEXT = ("text/", "application/json", "application/javascript", "application/xml")


def site(functions: Functions) -> Handle:
    """The handler of `<id>.lambda-url.<region>.localhost`, over these functions."""

    async def handle(cx: Context, request: HttpRequest, label: str) -> HttpResponse:
        config = cx.read().get(URLS_BY_ID, label.rpartition(".")[2])
        if config is None:
            return _message(404, "Not Found")
        try:
            acting = _authorised(cx, request, config)
        except AwsError:
            return _message(403, "Forbidden")
        preflight = _preflight(request, config)
        if preflight is not None:
            return preflight
        payload = await whole(request.body, PAYLOAD_BYTES_MAX)
        if payload is None:
            return _message(413, "Request Entity Too Large")
        event = _event(acting, request, config, payload)
        name = FunctionName(config.account, config.region, config.function, config.qualifier)
        try:
            response = await _run(acting, functions, config, name, event)
        except AwsError as error:
            return _refused(error)
        response.headers += _cors_headers(request, config)
        return response

    return handle


async def _run(
    cx: Context, functions: Functions, config: UrlConfig, name: FunctionName, event: bytes
) -> HttpResponse:
    """The function's answer. Raises AwsError when it could not be run."""
    request_id = cx.scope.request_id
    if config.invoke_mode != "RESPONSE_STREAM":
        _, outcome = await run_function(cx, functions, name, event, request_id)
        if outcome.error is not None:
            return _message(502, "Internal Server Error")
        return _response(outcome.payload)
    answer = StreamedAnswer()
    await answer.start(run_function(cx, functions, name, event, request_id, answer=answer))
    if not answer.is_streamed:
        assert answer.outcome is not None
        if answer.outcome.error is not None:
            return _message(502, "Internal Server Error")
        return _response(answer.outcome.payload)
    pieces = answer.pieces()
    if answer.content_type != HTTP_INTEGRATION:
        kind = answer.content_type or "application/octet-stream"
        return HttpResponse(status=200, headers=[("Content-Type", kind)], body=pieces)
    prelude, first = await split_prelude(pieces)
    if prelude is None:
        return _message(502, "Internal Server Error")
    head = _response(orjson.dumps({"statusCode": 200, **prelude, "body": ""}))
    if head.status != 502:
        head.body = _rest(first, pieces)
    return head


async def _rest(first: bytes, pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    if first:
        yield first
    async for piece in pieces:
        yield piece


def _refused(error: AwsError) -> HttpResponse:
    if error.code == "TooManyRequestsException":
        return _message(429, "Too Many Requests")
    return _message(502, "Internal Server Error")


def _authorised(cx: Context, request: HttpRequest, config: UrlConfig) -> Context:
    """The context of whoever calls. Raises AwsError."""
    principal = ANONYMOUS
    if config.auth_type == "AWS_IAM":
        principal, _ = cx.door.authenticate(request, "lambda")
    acting = cx.acting(principal, account=config.account, region=config.region)
    arn = f"arn:aws:lambda:{config.region}:{config.account}:function:{config.function}"
    if config.qualifier:
        arn += f":{config.qualifier}"
    conditions = {"lambda:functionurlauthtype": (config.auth_type,)}
    acting.judge(Need("lambda:InvokeFunctionUrl", arn, conditions))
    return acting


def _event(cx: Context, request: HttpRequest, config: UrlConfig, payload: bytes) -> bytes:
    """Payload format 2.0."""
    headers = {name: value for name, value in request.headers.items() if name != "cookie"}
    headers |= _forwarded(cx, request)
    cookies = request.headers.get("cookie")
    kind = headers.get("content-type", "")
    as_text = not payload or kind.startswith(_TEXT) or kind.startswith("application/x-www-form")
    now = cx.clock.now()
    query: dict[str, str] = {}
    for key, value in parse_qsl(request.query, keep_blank_values=True):
        query[key] = f"{query[key]},{value}" if key in query else value
    host = headers.get("host", "")
    event: dict[str, Any] = {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": request.path,
        "rawQueryString": request.query,
        "headers": headers,
        "requestContext": {
            "accountId": "anonymous" if config.auth_type == "NONE" else config.account,
            "apiId": config.id,
            "domainName": host,
            "domainPrefix": config.id,
            "http": {
                "method": request.method,
                "path": request.path,
                "protocol": "HTTP/1.1",
                "sourceIp": cx.scope.source_ip or "127.0.0.1",
                "userAgent": headers.get("user-agent", ""),
            },
            "requestId": cx.scope.request_id,
            "routeKey": "$default",
            "stage": "$default",
            "time": time.strftime("%d/%b/%Y:%H:%M:%S +0000", time.gmtime(now)),
            "timeEpoch": int(now * 1000),
        },
        "isBase64Encoded": not as_text,
    }
    if config.auth_type == "AWS_IAM":
        event["requestContext"]["authorizer"] = {"iam": _caller(cx)}
    if cookies:
        event["cookies"] = [part.strip() for part in cookies.split(";")]
    if query:
        event["queryStringParameters"] = query
    if payload:
        event["body"] = (
            payload.decode("utf-8", "replace") if as_text else base64.b64encode(payload).decode()
        )
    return orjson.dumps(event)


def _forwarded(cx: Context, request: HttpRequest) -> dict[str, str]:
    """What AWS's own front tells a function about the connection."""
    port = request.headers.get("host", "").rpartition(":")[2]
    default = "443" if request.scheme == "https" else "80"
    told = {
        "x-forwarded-for": cx.scope.source_ip or "127.0.0.1",
        "x-forwarded-port": port if port.isdigit() else default,
        "x-forwarded-proto": request.scheme,
    }
    if "x-amzn-trace-id" not in request.headers:
        token = cx.randomness.token(12).hex()
        told["x-amzn-trace-id"] = f"Root=1-{int(cx.clock.now()):08x}-{token}"
    return told


def _caller(cx: Context) -> dict[str, Any]:
    """Who signed the request: https://docs.aws.amazon.com/lambda/latest/dg/urls-invocation.html"""
    principal = cx.principal
    return {
        "accessKey": "",
        "accountId": principal.account,
        "callerId": principal.id,
        "cognitoIdentity": None,
        "principalOrgId": None,
        "userArn": principal.arn,
        "userId": principal.id,
    }


def _response(answer: bytes) -> HttpResponse:
    """What the function answered, as HTTP: with a status code of its own, or wrapped as JSON."""
    try:
        value = orjson.loads(answer)
    except orjson.JSONDecodeError:
        value = None
    if not isinstance(value, dict) or "statusCode" not in value:
        kind = [("Content-Type", "application/json")]
        plain = value.encode() if isinstance(value, str) else answer
        return HttpResponse(status=200, headers=kind, body=plain)
    try:
        status = int(value["statusCode"])
        body = value.get("body") or ""
        data = base64.b64decode(body) if value.get("isBase64Encoded") else _text(body)
        headers = [(str(k), str(v)) for k, v in (value.get("headers") or {}).items()]
        headers += [("Set-Cookie", str(cookie)) for cookie in value.get("cookies") or ()]
    except (TypeError, ValueError, AttributeError):
        return _message(502, "Internal Server Error")
    if not 100 <= status <= 599:
        return _message(502, "Internal Server Error")
    if not any(name.lower() == "content-type" for name, _ in headers):
        headers.append(("Content-Type", "application/json"))
    return HttpResponse(status=status, headers=headers, body=data)


def _text(body: Any) -> bytes:
    return body.encode() if isinstance(body, str) else orjson.dumps(body)


def _message(status: int, text: str) -> HttpResponse:
    body = orjson.dumps({"Message": text})
    return HttpResponse(status=status, headers=[("Content-Type", "application/json")], body=body)


def _allowed_origin(request: HttpRequest, config: UrlConfig) -> str | None:
    origin = request.headers.get("origin")
    allowed = (config.cors or {}).get("AllowOrigins") or ()
    if origin is None or not ("*" in allowed or origin in allowed):
        return None
    return "*" if "*" in allowed and not (config.cors or {}).get("AllowCredentials") else origin


def _cors_headers(request: HttpRequest, config: UrlConfig) -> list[tuple[str, str]]:
    origin = _allowed_origin(request, config)
    if origin is None:
        return []
    cors = config.cors or {}
    headers = [("Access-Control-Allow-Origin", origin), ("Vary", "Origin")]
    if cors.get("AllowCredentials"):
        headers.append(("Access-Control-Allow-Credentials", "true"))
    if cors.get("ExposeHeaders"):
        headers.append(("Access-Control-Expose-Headers", ",".join(cors["ExposeHeaders"])))
    return headers


def _preflight(request: HttpRequest, config: UrlConfig) -> HttpResponse | None:
    asked = request.headers.get("access-control-request-method")
    if request.method != "OPTIONS" or asked is None or config.cors is None:
        return None
    headers = _cors_headers(request, config)
    if headers:
        methods = config.cors.get("AllowMethods") or ["*"]
        headers.append(("Access-Control-Allow-Methods", ",".join(methods)))
        if config.cors.get("AllowHeaders"):
            headers.append(("Access-Control-Allow-Headers", ",".join(config.cors["AllowHeaders"])))
        if config.cors.get("MaxAge"):
            headers.append(("Access-Control-Max-Age", str(config.cors["MaxAge"])))
    return HttpResponse(status=200, headers=headers, body=b"")
