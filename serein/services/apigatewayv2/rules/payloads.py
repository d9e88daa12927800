"""The events that functions get: integration payloads 1.0 and 2.0, and those of REQUEST authorizers.

https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html
https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-lambda-authorizer.html
"""

from __future__ import annotations

import base64
import time
from typing import Any
from urllib.parse import parse_qsl

import msgspec

from serein.wire.http import HttpRequest

_TEXT_TYPES = frozenset(("application/json", "application/javascript", "application/xml"))
_NO_IDENTITY = {
    "accessKey": None,
    "accountId": None,
    "caller": None,
    "cognitoAmr": None,
    "cognitoAuthenticationProvider": None,
    "cognitoAuthenticationType": None,
    "cognitoIdentityId": None,
    "cognitoIdentityPoolId": None,
    "principalOrgId": None,
}


class Visit(msgspec.Struct, kw_only=True):
    """A request that has found its route."""

    request: HttpRequest
    body: bytes
    api_id: str
    account: str
    region: str
    stage: str
    route_key: str
    raw_path: str
    """Decoded, with the stage's segment if it was in the URL: HTTP APIs hand functions a decoded path."""
    path: str
    """Decoded, within the stage."""
    path_parameters: dict[str, str]
    stage_variables: dict[str, str]
    domain_name: str
    request_id: str
    trace_id: str
    now: float
    time_text: str
    """`now` as `requestContext.time` shows it (see `format_time`)."""
    authorizer: dict[str, Any] | None = None
    """What authorisation found out, as `requestContext.authorizer` of format 2.0 shows it."""

    @property
    def route_arn(self) -> str:
        """`arn:aws:execute-api:…:api/stage/METHOD/path`, what policies of the data plane are about."""
        root = f"arn:aws:execute-api:{self.region}:{self.account}:{self.api_id}/{self.stage}"
        return f"{root}/{self.request.method}{self.path}"

    @property
    def source_arn(self) -> str:
        """The same with the route's own path, as functions' policies name it."""
        root = f"arn:aws:execute-api:{self.region}:{self.account}:{self.api_id}/{self.stage}"
        method, _, path = self.route_key.partition(" ")
        if not path:
            return f"{root}/{self.route_key}"
        return f"{root}/{self.request.method if method == 'ANY' else method}{path}"


def is_text(content_type: str) -> bool:
    """Whether a body of this type is handed over as it is; others are base64."""
    kind = content_type.partition(";")[0].strip().lower()
    return kind in _TEXT_TYPES or kind.startswith("text/") or kind.endswith(("+json", "+xml"))


def body_text(visit: Visit) -> tuple[str, bool]:
    """The body as an event carries it, and whether it is base64."""
    headers = visit.request.headers
    content_type = headers.get("content-type", "")
    if "content-encoding" not in headers and (not content_type or is_text(content_type)):
        try:
            return visit.body.decode(), False
        except UnicodeDecodeError:
            pass
    return base64.b64encode(visit.body).decode(), True


def query_of(visit: Visit) -> list[tuple[str, str]]:
    """The decoded query parameters in order."""
    query = visit.request.query
    return parse_qsl(query, keep_blank_values=True) if query else []


def cookies_of(visit: Visit) -> list[str]:
    """The cookies, each as "name=value"."""
    return [
        cookie.strip()
        for name, value in visit.request.header_list
        if name.lower() == "cookie"
        for cookie in value.split(";")
        if cookie.strip()
    ]


def _forwarded(visit: Visit) -> tuple[str, str, str]:
    """X-Forwarded-For, -Port and -Proto."""
    request = visit.request
    before = request.headers.get("x-forwarded-for")
    port = request.headers.get("host", "").rpartition(":")[2]
    default = "443" if request.scheme == "https" else "80"
    return (
        f"{before}, {request.peer}" if before else request.peer,
        port if port.isdigit() else default,
        request.scheme,
    )


def format_time(now: float) -> str:
    """A time as "12/Mar/2020:19:03:58 +0000"."""
    return time.strftime("%d/%b/%Y:%H:%M:%S +0000", time.gmtime(now))


def payload_2(visit: Visit) -> dict[str, Any]:
    """The event of format 2.0."""
    event = _common_2(visit, "2.0")
    if visit.body:
        event["body"], event["isBase64Encoded"] = body_text(visit)
    else:
        event["isBase64Encoded"] = False
    return event


def authorizer_payload_2(visit: Visit, identity: list[str] | None) -> dict[str, Any]:
    """The event of a REQUEST authorizer, format 2.0."""
    event = _common_2(visit, "2.0")
    return {
        "version": "2.0",
        "type": "REQUEST",
        "routeArn": visit.route_arn,
        "identitySource": identity,
        **{name: value for name, value in event.items() if name != "version"},
    }


def _common_2(visit: Visit, version: str) -> dict[str, Any]:
    request = visit.request
    headers = dict(request.headers)
    event: dict[str, Any] = {
        "version": version,
        "routeKey": visit.route_key,
        "rawPath": visit.raw_path,
        "rawQueryString": request.query,
    }
    if headers.pop("cookie", None) is not None:
        event["cookies"] = cookies_of(visit)
    headers.setdefault("content-length", str(len(visit.body)))
    headers["x-amzn-trace-id"] = visit.trace_id
    (
        headers["x-forwarded-for"],
        headers["x-forwarded-port"],
        headers["x-forwarded-proto"],
    ) = _forwarded(visit)
    event["headers"] = headers
    if request.query:
        joined: dict[str, str] = {}
        for name, value in query_of(visit):
            joined[name] = f"{joined[name]},{value}" if name in joined else value
        event["queryStringParameters"] = joined
    context: dict[str, Any] = {
        "accountId": visit.account,
        "apiId": visit.api_id,
        "domainName": visit.domain_name,
        "domainPrefix": visit.domain_name.partition(".")[0],
        "http": {
            "method": request.method,
            "path": visit.raw_path,
            "protocol": "HTTP/1.1",
            "sourceIp": request.peer,
            "userAgent": request.headers.get("user-agent", ""),
        },
        "requestId": visit.request_id,
        "routeKey": visit.route_key,
        "stage": visit.stage,
        "time": visit.time_text,
        "timeEpoch": int(visit.now * 1000),
    }
    if visit.authorizer is not None:
        context["authorizer"] = visit.authorizer
    event["requestContext"] = context
    if visit.path_parameters:
        event["pathParameters"] = visit.path_parameters
    if visit.stage_variables:
        event["stageVariables"] = visit.stage_variables
    return event


def payload_1(visit: Visit) -> dict[str, Any]:
    """The event of format 1.0."""
    event = _common_1(visit)
    if visit.body:
        event["body"], event["isBase64Encoded"] = body_text(visit)
    else:
        event["body"], event["isBase64Encoded"] = None, False
    return event


def authorizer_payload_1(visit: Visit, identity: list[str] | None) -> dict[str, Any]:
    """The event of a REQUEST authorizer, format 1.0."""
    event = _common_1(visit)
    source = ",".join(identity) if identity else None
    return {
        "version": "1.0",
        "type": "REQUEST",
        "methodArn": visit.route_arn,
        "identitySource": source,
        "authorizationToken": source,
        **{name: value for name, value in event.items() if name != "version"},
    }


def _common_1(visit: Visit) -> dict[str, Any]:
    request = visit.request
    multiple = _headers_1(visit)
    query: dict[str, list[str]] = {}
    for name, value in query_of(visit):
        query.setdefault(name, []).append(value)
    resource = visit.route_key.partition(" ")[2] or visit.route_key
    return {
        "version": "1.0",
        "resource": resource,
        "path": visit.raw_path,
        "httpMethod": request.method,
        "headers": {name: values[-1] for name, values in multiple.items()},
        "multiValueHeaders": multiple,
        "queryStringParameters": {name: v[-1] for name, v in query.items()} or None,
        "multiValueQueryStringParameters": query or None,
        "requestContext": {
            "accountId": visit.account,
            "apiId": visit.api_id,
            "authorizer": _authorizer_1(visit.authorizer),
            "domainName": visit.domain_name,
            "domainPrefix": visit.domain_name.partition(".")[0],
            "extendedRequestId": visit.request_id,
            "httpMethod": request.method,
            "identity": _identity_1(visit),
            "path": visit.raw_path,
            "protocol": "HTTP/1.1",
            "requestId": visit.request_id,
            "requestTime": visit.time_text,
            "requestTimeEpoch": int(visit.now * 1000),
            "resourceId": visit.route_key,
            "resourcePath": resource,
            "stage": visit.stage,
        },
        "pathParameters": visit.path_parameters or None,
        "stageVariables": visit.stage_variables or None,
    }


def _headers_1(visit: Visit) -> dict[str, list[str]]:
    multiple: dict[str, list[str]] = {"Content-Length": [str(len(visit.body))]}
    forwarded = dict(
        zip(
            ("X-Forwarded-For", "X-Forwarded-Port", "X-Forwarded-Proto"),
            _forwarded(visit),
            strict=True,
        )
    )
    ours = {"content-length", "x-amzn-trace-id", *(name.lower() for name in forwarded)}
    for name, value in visit.request.header_list:
        if name.lower() not in ours:
            multiple.setdefault(name, []).append(value)
    multiple["X-Amzn-Trace-Id"] = [visit.trace_id]
    multiple.update({name: [value] for name, value in forwarded.items()})
    return multiple


def _authorizer_1(found: dict[str, Any] | None) -> dict[str, Any]:
    if found is None or "iam" in found:
        return {"claims": None, "scopes": None}
    if "jwt" in found:
        return dict(found["jwt"])
    return dict(found.get("lambda") or {})


def _identity_1(visit: Visit) -> dict[str, Any]:
    iam = (visit.authorizer or {}).get("iam") or {}
    return {
        **_NO_IDENTITY,
        "accessKey": iam.get("accessKey"),
        "accountId": iam.get("accountId"),
        "caller": iam.get("callerId"),
        "sourceIp": visit.request.peer,
        "user": iam.get("userId"),
        "userAgent": visit.request.headers.get("user-agent"),
        "userArn": iam.get("userArn"),
    }
