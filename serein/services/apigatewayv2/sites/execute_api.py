"""What answers under `<api>.execute-api.…`: finds API, stage and route, judges the caller, hands the request over.

Also by path, for clients that cannot resolve such names: `/restapis/<api>/<stage>/_user_request_/…` and
`/_aws/execute-api/<api>/<stage>/…`.
https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api.html
"""

from __future__ import annotations

import asyncio
import base64
from urllib.parse import unquote

import msgspec

from serein.kernel.operations import Context
from serein.services.apigatewayv2.rules.cors import (
    answer_headers,
    is_preflight,
    preflight_headers,
    without_cors,
)
from serein.services.apigatewayv2.rules.payloads import Visit, format_time
from serein.services.apigatewayv2.rules.route_keys import DEFAULT
from serein.services.apigatewayv2.sites.authorization import Authorization
from serein.services.apigatewayv2.sites.callers import Callers
from serein.services.apigatewayv2.sites.integrations import hand_over
from serein.services.apigatewayv2.sites.plans import Plan, Plans, ServedStage
from serein.services.apigatewayv2.sites.refusals import (
    Refused,
    not_built,
    not_found,
    too_large,
    unavailable,
)
from serein.wire.http import BodyTooLarge, HttpRequest, HttpResponse

PATH_PREFIXES = ("/restapis/", "/_aws/execute-api/")
USER_REQUEST = "_user_request_"
BODY_BYTES_MAX = 10 * 1024 * 1024
"""https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-quotas.html"""


class Address(msgspec.Struct, frozen=True):
    """Which API a URL is about."""

    api_id: str
    stage: str | None
    """Named by a path form; host forms name it in the path, or mean `$default`."""
    path: str
    """Still encoded, begins with "/"."""


def address_of(request: HttpRequest, name: str) -> Address | None:
    """The API that a request is for; `name` is the label before "execute-api", "" for path forms."""
    if name:
        return Address(name.rpartition(".")[2], None, request.path)
    parts = request.path.split("/", 5)
    if parts[1] == "restapis":
        if len(parts) < 5 or parts[4] != USER_REQUEST:
            return None
        return Address(parts[2], unquote(parts[3]), "/" + (parts[5] if len(parts) > 5 else ""))
    parts = request.path.split("/", 5)
    if len(parts) < 5:
        return None
    return Address(parts[3], unquote(parts[4]), "/" + (parts[5] if len(parts) > 5 else ""))


class ExecuteApi:
    """The data plane of HTTP APIs."""

    def __init__(self) -> None:
        self._plans = Plans()
        self._callers = Callers()
        self._time = (-1, "")
        self._authorization = Authorization(self._callers)

    async def handle(self, cx: Context, request: HttpRequest, name: str) -> HttpResponse:
        """The answer to one request; refusals are answers too."""
        request_id = base64.b64encode(cx.randomness.token(11)).decode()
        stage: ServedStage | None = None
        try:
            address = address_of(request, name)
            if address is None and request.path.startswith(PATH_PREFIXES[0]):
                raise not_built()  # The management API of REST APIs has such paths.
            plan = address and self._plans.plan_of(cx.read(), address.api_id)
            if not plan or plan.disabled:
                raise not_found()
            assert address is not None
            stage, path, raw_path = _stage_of(plan, address)
            if stage is None:
                raise not_found()
            if stage.cors is not None and is_preflight(request.method, request.headers):
                headers = preflight_headers(stage.cors, request.headers)
                return HttpResponse(204, [*headers, ("Apigw-Requestid", request_id)])
            response = await self._answer(cx, request, plan, stage, path, raw_path, request_id)
        except Refused as refused:
            response = refused.response()
        if stage is not None and stage.cors is not None:
            headers = without_cors(response.headers)
            if origin := request.headers.get("origin"):
                headers += answer_headers(stage.cors, origin)
            response.headers = headers
        response.headers = [*response.headers, ("Apigw-Requestid", request_id)]
        return response

    async def _answer(
        self,
        cx: Context,
        request: HttpRequest,
        plan: Plan,
        stage: ServedStage,
        path: str,
        raw_path: str,
        request_id: str,
    ) -> HttpResponse:
        found = stage.tree.match(request.method, path)
        if found is None:
            raise not_found()
        served, variables = found
        try:
            body = request.body
            if not isinstance(body, bytes):
                body = await request.read(BODY_BYTES_MAX)
        except BodyTooLarge as error:
            raise too_large() from error
        host = request.host
        visit = Visit(
            request=request,
            body=body,
            api_id=plan.api_id,
            account=plan.account,
            region=plan.region,
            stage=stage.name,
            route_key=served.route.route_key,
            raw_path=raw_path,
            path=path,
            path_parameters=variables,
            stage_variables=stage.variables,
            domain_name=host
            if host.startswith(plan.api_id)
            else f"{plan.api_id}.execute-api.{plan.region}.amazonaws.com",
            request_id=request_id,
            trace_id=_trace_of(cx, request),
            now=cx.now,
            time_text=self._time_of(cx.now),
        )
        if served.route.authorization_type != "NONE":
            visit.authorizer = await self._authorization.judge(cx, visit, served)
        timeout_ms = served.integration.timeout_in_millis if served.integration else 30_000
        try:
            async with asyncio.timeout(timeout_ms / 1000):
                return await hand_over(cx, visit, served, self._callers)
        except TimeoutError as error:
            raise unavailable() from error

    def _time_of(self, now: float) -> str:
        """The text of a time; formatted once in a second."""
        if self._time[0] != int(now):
            self._time = (int(now), format_time(now))
        return self._time[1]


def _stage_of(plan: Plan, address: Address) -> tuple[ServedStage | None, str, str]:
    """The stage, the decoded path within it, and the decoded path that functions are shown."""
    decoded = unquote(address.path)
    if address.stage is not None:
        stage = plan.stages.get(address.stage)
        raw = decoded if address.stage == DEFAULT else f"/{address.stage}{decoded}"
        return stage, decoded, raw
    first, slash, rest = decoded[1:].partition("/")
    stage = plan.stages.get(first) if first != DEFAULT else None
    if stage is not None:
        return stage, f"/{rest}" if slash else "/", decoded
    return plan.stages.get(DEFAULT), decoded, decoded


def _trace_of(cx: Context, request: HttpRequest) -> str:
    """The client's trace header, or the root of a new trace.

    https://docs.aws.amazon.com/xray/latest/devguide/xray-concepts.html#xray-concepts-tracingheader
    """
    given = request.headers.get("x-amzn-trace-id")
    if given:
        return given
    return f"Root=1-{int(cx.now):08x}-{cx.randomness.token(12).hex()}"
