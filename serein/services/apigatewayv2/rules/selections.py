"""`$request.header.x`, `$context.y`, `$stageVariables.z`: values taken out of a request, and parameter mappings.

https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-parameter-mapping.html
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import orjson

from serein.services.apigatewayv2.rules.payloads import Visit, query_of

_SELECTION = re.compile(r"\$(?:request|context|stageVariables|response)\b[\w.\-\[\]$*@:/+]*")
_TEMPLATED = re.compile(r"\$\{([^}]*)\}")
_STAGE_VARIABLE = re.compile(r"\$\{stageVariables\.([A-Za-z0-9_]+)\}")


def select(visit: Visit, expression: str, response: Response | None = None) -> str | None:
    """The value that `expression` ("$request.querystring.id") stands for; None when there is none."""
    kind, _, rest = expression.removeprefix("$").partition(".")
    if kind == "request":
        return _of_request(visit, rest)
    if kind == "stageVariables":
        return visit.stage_variables.get(rest)
    if kind == "context":
        return _of_context(visit, rest)
    if kind == "response" and response is not None:
        part, _, name = rest.partition(".")
        if part == "header":
            return response.headers.get(name.lower())
        if part == "body":
            return _json_at(response.body, name)
    return None


class Response:
    """The parts of an integration's answer that mappings can name."""

    def __init__(self, headers: Mapping[str, str], body: bytes) -> None:
        self.headers = headers
        self.body = body


def _of_request(visit: Visit, rest: str) -> str | None:
    part, _, name = rest.partition(".")
    if part == "header":
        return visit.request.headers.get(name.lower())
    if part == "querystring":
        values = [value for key, value in query_of(visit) if key == name]
        return ",".join(values) if values else None
    if part == "path":
        return visit.path_parameters.get(name) if name else visit.path
    if part == "body":
        return _json_at(visit.body, name)
    return None


def _json_at(body: bytes, path: str) -> str | None:
    """The value at a dotted path of a JSON body; the whole body for an empty path."""
    if not path:
        return body.decode("utf-8", "replace")
    try:
        value: Any = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
    for part in re.findall(r"[^.\[\]]+", path):
        if isinstance(value, dict) and part in value:
            value = value[part]
        elif isinstance(value, list) and part.isdigit() and int(part) < len(value):
            value = value[int(part)]
        else:
            return None
    return value if isinstance(value, str) else orjson.dumps(value).decode()


def _of_context(visit: Visit, rest: str) -> str | None:
    """https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-logging-variables.html"""
    request = visit.request
    simple = {
        "accountId": visit.account,
        "apiId": visit.api_id,
        "stage": visit.stage,
        "routeKey": visit.route_key,
        "requestId": visit.request_id,
        "extendedRequestId": visit.request_id,
        "httpMethod": request.method,
        "path": visit.raw_path,
        "protocol": "HTTP/1.1",
        "domainName": visit.domain_name,
        "domainPrefix": visit.domain_name.partition(".")[0],
        "identity.sourceIp": request.peer,
        "identity.userAgent": request.headers.get("user-agent", ""),
        "requestTimeEpoch": str(int(visit.now * 1000)),
    }
    if rest in simple:
        return simple[rest]
    part, _, name = rest.partition(".")
    found = visit.authorizer or {}
    if part == "authorizer":
        for holder in (found.get("lambda") or {}, (found.get("jwt") or {}).get("claims") or {}):
            value = holder.get(name.removeprefix("claims."))
            if value is not None:
                return value if isinstance(value, str) else orjson.dumps(value).decode()
    if part == "identity":
        keys = {"caller": "callerId", "user": "userId"}
        return (found.get("iam") or {}).get(keys.get(name, name))
    if rest == "requestTime":
        return visit.time_text
    return None


def fill(visit: Visit, text: str, response: Response | None = None) -> str:
    """`text` with its selections replaced: a whole one, or those in `${…}`. What is missing becomes empty."""
    if text.startswith("$") and not text.startswith("${"):
        return select(visit, text, response) or ""
    return _TEMPLATED.sub(lambda part: select(visit, "$" + part[1], response) or "", text)


def with_stage_variables(text: str, variables: Mapping[str, str]) -> str:
    """An integration's URI with its `${stageVariables.x}` filled in."""
    if "${" not in text:
        return text
    return _STAGE_VARIABLE.sub(lambda part: variables.get(part[1], ""), text)


def identity_values(visit: Visit, sources: tuple[str, ...]) -> list[str] | None:
    """The values of an authorizer's identity sources; None when one of them is missing or empty."""
    values = []
    for source in sources:
        value = select(visit, source)
        if not value:
            return None
        values.append(value)
    return values


def check_selection(expression: str) -> bool:
    """Whether `expression` can be an identity source."""
    return _SELECTION.fullmatch(expression) is not None
