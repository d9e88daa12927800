"""Where a request goes first: Serein's own pages, a site, or the AWS API."""

from __future__ import annotations

import logging
from collections.abc import Awaitable
from time import perf_counter

from serein.base.ids import new_uuid
from serein.base.traces import continued_in
from serein.front.aws_api import AwsApi
from serein.front.hosts import Hosts
from serein.front.house_pages import HousePages, json_response
from serein.kernel.calls import ANONYMOUS, Scope
from serein.kernel.dispatch import Dispatch
from serein.kernel.operations import Context
from serein.kernel.services import Site
from serein.kernel.spans import TEXT_CHARS_MAX, flags_of
from serein.wire.http import HttpRequest, HttpResponse

log = logging.getLogger(__name__)


class Front:
    """The handler of every listener."""

    def __init__(
        self,
        *,
        hosts: Hosts,
        pages: HousePages,
        api: AwsApi,
        dispatch: Dispatch,
        account: str,
        region: str,
    ) -> None:
        self._hosts = hosts
        self._pages = pages
        self._api = api
        self._dispatch = dispatch
        self._account = account
        self._region = region

    def handle(self, request: HttpRequest) -> HttpResponse | Awaitable[HttpResponse]:
        """The answer to a request, at once where nothing has to be waited for."""
        found = self._hosts.site_of(request)
        if found is not None:
            return self._visit(found[0], found[1], request)
        if request.path.startswith("/_"):
            page = self._pages.answer(request)
            if page is not None:
                return page
        return self._api.handle(request)

    def unavailable(self, request: HttpRequest) -> HttpResponse:
        """The refusal of a request for which there is no house at the moment: clients come again."""
        if self._hosts.site_of(request) is not None:
            return json_response({"message": "Service Unavailable"}, 503)
        if request.path.startswith("/_serein/"):
            return json_response({"message": "The house is being restored."}, 503)
        return self._api.unavailable(request)

    async def _visit(self, site: Site, name: str, request: HttpRequest) -> HttpResponse:
        trace = request.headers.get("x-amzn-trace-id")
        if trace is None:
            return await self._answer(site, name, request)
        dispatch = self._dispatch
        within = dispatch.spans.enter(trace, None, dispatch.clock.now(), dispatch.randomness)
        if within is None:
            return await self._answer(site, name, request)
        started = perf_counter()
        # As API Gateway does: what it calls goes on within its own span.
        request.headers["x-amzn-trace-id"] = continued_in(trace, within.id)
        response = await self._answer(site, name, request)
        dispatch.spans.leave(
            within,
            dispatch.clock.now(),
            perf_counter() - started,
            name=name or site.name,
            origin=f"site:{site.name}",
            flags=flags_of(response.status),
            annotations={
                "method": request.method,
                "path": request.path[:TEXT_CHARS_MAX],
                "status": response.status,
            },
        )
        return response

    async def _answer(self, site: Site, name: str, request: HttpRequest) -> HttpResponse:
        cx = self.context_of(request)
        try:
            return await site.handle(cx, request, name)
        except Exception:
            log.exception("site %s (request %s) failed", site.name, cx.scope.request_id)
            return json_response({"message": "Internal Server Error"}, 500)

    def context_of(self, request: HttpRequest) -> Context:
        """A context for a site's handler: nobody, from where the request came."""
        dispatch = self._dispatch
        scope = Scope(
            account=self._account,
            region=self._region,
            request_id=new_uuid(dispatch.randomness),
            source_ip=request.peer,
            secure=request.scheme == "https",
            user_agent=request.headers.get("user-agent", ""),
            host=request.headers.get("host", ""),
            trace=request.headers.get("x-amzn-trace-id", ""),
        )
        return Context(dispatch, ANONYMOUS, scope)
