"""Handing a request to its integration: a function, an HTTP address, or another service's API."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

import orjson

from serein.base.errors import AwsError
from serein.kernel.operations import Context
from serein.services.apigatewayv2.records import Integration
from serein.services.apigatewayv2.rules.answers import MalformedAnswer, answer_of
from serein.services.apigatewayv2.rules.integrations import SUBTYPES
from serein.services.apigatewayv2.rules.mappings import Changes
from serein.services.apigatewayv2.rules.payloads import Visit, payload_1, payload_2, query_of
from serein.services.apigatewayv2.rules.selections import Response, fill
from serein.services.apigatewayv2.sites.callers import Callers, call_of, whole
from serein.services.apigatewayv2.sites.plans import ServedRoute
from serein.services.apigatewayv2.sites.refusals import broken, unavailable
from serein.wire.http import HeaderList, HttpRequest, HttpResponse

_HOP_BY_HOP = frozenset(
    (
        "connection",
        "keep-alive",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "content-length",
        "expect",
        "host",
    )
)
_VARIABLE = re.compile(r"\{([A-Za-z0-9._\-]+)\+?\}")


async def hand_over(
    cx: Context, visit: Visit, served: ServedRoute, callers: Callers
) -> HttpResponse:
    """The integration's answer. Raises Refused."""
    integration = served.integration
    if integration is None:
        raise broken()
    if served.function is not None:
        return await _to_function(cx, visit, integration, served.function, callers)
    if integration.integration_type == "HTTP_PROXY":
        return await _to_address(cx, visit, integration, served.uri)
    if integration.integration_subtype is not None:
        return await _to_service(cx, visit, integration, callers)
    raise broken()


async def _to_function(
    cx: Context, visit: Visit, integration: Integration, function: str, callers: Callers
) -> HttpResponse:
    version = integration.payload_format_version or "1.0"
    event = payload_2(visit) if version == "2.0" else payload_1(visit)
    if integration.request_parameters:
        _map_event(visit, integration.request_parameters, event)
    result = await callers.invoke(cx, visit, function, event, integration.credentials_arn)
    try:
        response = answer_of(result, version)
    except MalformedAnswer as error:
        raise broken() from error
    return _mapped_answer(visit, integration, response)


def _map_event(visit: Visit, mappings: Mapping[str, str], event: dict[str, Any]) -> None:
    """Parameter mappings for a function: they change the event's headers, query and path."""
    changes = Changes(list(event["headers"].items()), query_of(visit), visit.raw_path)
    changes.apply(visit, mappings)
    event["headers"] = dict(changes.headers)
    query: dict[str, str] = {}
    for name, value in changes.query:
        query[name] = f"{query[name]},{value}" if name in query else value
    if query or event.get("queryStringParameters"):
        event["queryStringParameters"] = query or None
    event["rawPath" if "rawPath" in event else "path"] = changes.path


async def _to_address(
    cx: Context, visit: Visit, integration: Integration, uri: str
) -> HttpResponse:
    """https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-http.html"""
    filled = _VARIABLE.sub(
        lambda name: quote(visit.path_parameters.get(name[1], ""), safe="/"), uri
    )
    parts = urlsplit(filled)
    request = visit.request
    passed = [pair for pair in request.header_list if pair[0].lower() not in _HOP_BY_HOP]
    forwarded = (
        f"by={request.peer};for={request.peer};host={visit.domain_name};proto={request.scheme}"
    )
    passed = [*passed, ("Forwarded", forwarded), ("Via", "HTTP/1.1 AmazonAPIGateway")]
    own_query = [
        pair for pair in (part.partition("=") for part in parts.query.split("&")) if pair[0]
    ]
    changes = Changes(
        passed,
        [*((name, value) for name, _, value in own_query), *query_of(visit)],
        parts.path or "/",
    )
    changes.apply(visit, integration.request_parameters or {})
    method = integration.integration_method or "ANY"
    headers: HeaderList = [("Host", parts.netloc), *changes.headers]
    if visit.body or request.method in ("POST", "PUT", "PATCH"):
        headers.append(("Content-Length", str(len(visit.body))))
    onward = HttpRequest(
        method=request.method if method == "ANY" else method,
        path=changes.path,
        query=urlencode(changes.query),
        headers={name.lower(): value for name, value in headers},
        header_list=headers,
        body=visit.body,
        scheme=parts.scheme,
        peer=request.peer,
    )
    try:
        response = await cx.fetch(onward, secure=parts.scheme == "https")
    except (OSError, AwsError) as error:
        raise unavailable() from error
    kept = [pair for pair in response.headers if pair[0].lower() not in _HOP_BY_HOP]
    return _mapped_answer(
        visit, integration, HttpResponse(response.status, kept, await whole(response.body))
    )


async def _to_service(
    cx: Context, visit: Visit, integration: Integration, callers: Callers
) -> HttpResponse:
    """A first-class integration: the mapped parameters are those of the other service's operation.

    https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-aws-services.html
    """
    service, operation = SUBTYPES[integration.integration_subtype or ""]
    params: dict[str, Any] = {}
    region = ""
    for name, source in (integration.request_parameters or {}).items():
        value = fill(visit, source)
        if name == "Region":
            region = value
        else:
            params[_parameter_name(service, name)] = _parameter(service, name, value)
    if service == "events":
        params = {"Entries": [params]}
    try:
        by = await callers.principal_of(cx, visit, integration.credentials_arn)
        call = call_of(cx, visit, by, service, operation, params)
        if region:
            call = call_of(cx.acting(by, region=region), visit, by, service, operation, params)
        answer = await cx.call(call)
    except AwsError as error:
        body = orjson.dumps({"__type": error.code, "message": error.message})
        return HttpResponse(error.status, [("Content-Type", "application/json")], body)
    answer.pop("ResponseMetadata", None)
    body = orjson.dumps(answer, default=str)
    response = HttpResponse(200, [("Content-Type", "application/json")], body)
    return _mapped_answer(visit, integration, response)


def _parameter_name(service: str, name: str) -> str:
    """Step Functions' members begin with a small letter, in its own model."""
    if service == "stepfunctions":
        return name[:1].lower() + name[1:]
    return name


def _parameter(service: str, name: str, value: str) -> Any:
    """A mapped text as the operation's member: lists and numbers are given as JSON."""
    if name in ("DelaySeconds", "MaxNumberOfMessages", "VisibilityTimeout", "WaitTimeSeconds"):
        return int(value) if value.isdigit() else value
    if name in ("Resources", "MessageAttributes", "AttributeNames", "MessageAttributeNames"):
        try:
            return orjson.loads(value)
        except orjson.JSONDecodeError:
            return value
    if service == "kinesis" and name == "Data":
        return value.encode()
    return value


def _mapped_answer(visit: Visit, integration: Integration, response: HttpResponse) -> HttpResponse:
    """The answer after the integration's response parameters for its status."""
    mappings = (integration.response_parameters or {}).get(str(response.status))
    if not mappings:
        return response
    body = response.body if isinstance(response.body, bytes) else b""
    parts = Response({name.lower(): value for name, value in response.headers}, body)
    changes = Changes(list(response.headers), [], "", response.status)
    changes.apply(visit, mappings, parts)
    return HttpResponse(changes.status, changes.headers, response.body)
