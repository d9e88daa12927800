"""What a function's result means as an HTTP answer, for payload formats 1.0 and 2.0.

https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html
"""

from __future__ import annotations

import base64
import binascii
import re
from typing import Any

import orjson

from serein.wire.http import HeaderList, HttpResponse

JSON: HeaderList = [("Content-Type", "application/json")]
TEXT = ("Content-Type", "text/plain; charset=utf-8")
_NAME = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")


class MalformedAnswer(ValueError):
    """The function's result cannot be made an HTTP answer; the client gets a 500."""


def answer_of(payload: bytes, version: str) -> HttpResponse:
    """The answer that `payload` (the function's result, JSON) stands for. Raises MalformedAnswer."""
    try:
        result = orjson.loads(payload) if payload else None
    except orjson.JSONDecodeError as error:
        raise MalformedAnswer("no JSON") from error
    if isinstance(result, dict) and "statusCode" in result:
        return _explicit(result, version)
    if version == "1.0":
        raise MalformedAnswer("no statusCode")
    return HttpResponse(200, JSON, result.encode() if isinstance(result, str) else payload)


def _explicit(result: dict[str, Any], version: str) -> HttpResponse:
    status = _status(result["statusCode"])
    headers: HeaderList = []
    typed = False
    single = result.get("headers")
    multiple = result.get("multiValueHeaders") if version == "1.0" else None
    given_multiple = {name.lower() for name in multiple} if isinstance(multiple, dict) else set()
    if isinstance(single, dict):
        for name, value in single.items():
            if value is not None and name.lower() not in given_multiple:
                headers.append((name, _text(value)))
                typed = typed or name.lower() == "content-type"
    elif single is not None:
        raise MalformedAnswer("headers is no object")
    if isinstance(multiple, dict):
        for name, values in multiple.items():
            for value in values if isinstance(values, list) else [values]:
                headers.append((name, _text(value)))
            typed = typed or name.lower() == "content-type"
    if version == "2.0":
        cookies = result.get("cookies")
        if cookies is not None and not isinstance(cookies, list):
            raise MalformedAnswer("cookies is no list")
        headers.extend(("Set-Cookie", _text(cookie)) for cookie in cookies or ())
    if not all(_NAME.fullmatch(name) for name, _ in headers):
        raise MalformedAnswer("a header has no valid name")
    body = _body(result.get("body"), result.get("isBase64Encoded") is True, version)
    if not typed:
        headers.append(TEXT)
    return HttpResponse(status, headers, body)


def _status(value: object) -> int:
    if isinstance(value, bool):
        raise MalformedAnswer("statusCode")
    try:
        status = int(value)  # type: ignore[call-overload]
    except (TypeError, ValueError) as error:
        raise MalformedAnswer("statusCode") from error
    if not 200 <= status <= 599:
        raise MalformedAnswer("statusCode")
    return int(status)


def _text(value: object) -> str:
    """A header's value; numbers and booleans as JSON writes them. Line ends would break the answer's framing."""
    text = value if isinstance(value, str) else orjson.dumps(value).decode()
    if "\r" in text or "\n" in text or "\0" in text:
        raise MalformedAnswer("line end in a header")
    return text


def _body(value: object, encoded: bool, version: str) -> bytes:
    if value is None:
        return b""
    if not isinstance(value, str):
        if version == "1.0":
            raise MalformedAnswer("body is no string")
        return orjson.dumps(value)
    if not encoded:
        return value.encode()
    try:
        return base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError) as error:
        raise MalformedAnswer("body is no base64") from error
