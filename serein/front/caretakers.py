"""Who may look after the house itself: move its clock, set faults, keep and restore what it holds.

In open mode who sends a request from this machine, as for the API; but no function, and no web page of another site (a browser
would send its requests too). A signature, where there is one, is checked. In strict mode only the signed request of a principal
of the house's own account who is allowed the action (`serein:MoveClock` …) on everything: its root user, or an administrator.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from ipaddress import ip_address
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import msgspec
import orjson

from serein.base.errors import AwsError
from serein.base.ids import new_uuid
from serein.front.aws_api import AwsApi
from serein.kernel.calls import Scope
from serein.kernel.dispatch import Dispatch, as_aws_error
from serein.kernel.operations import Need
from serein.wire.browsers import asks_for_another_host
from serein.wire.http import BodyTooLarge, HttpRequest, HttpResponse

SERVICE = "serein"
"""The service that a request to the house is signed for, and the prefix of its actions."""
BODY_BYTES_MAX = 1024 * 1024

Params = dict[str, Any]
Work = Callable[[Params], Awaitable[object]]


class Refused(AwsError):
    """Not for this caller, or not in this mode."""

    code = "AccessDenied"
    status = 403


class WrongRequest(AwsError):
    """The request's body says nothing that the room understands."""

    code = "ValidationError"
    status = 400


class Room(msgspec.Struct, frozen=True, kw_only=True):
    """What is behind one path of the house: by HTTP method, the action that is asked for and what then is done."""

    works: Mapping[str, tuple[str, Work]]


class Caretakers:
    """The door to the house's rooms."""

    def __init__(self, *, api: AwsApi, dispatch: Dispatch, account: str, is_open: bool) -> None:
        self._api = api
        self._dispatch = dispatch
        self._account = account
        self._is_open = is_open

    async def visit(self, room: Room, request: HttpRequest) -> HttpResponse:
        """The room's answer as JSON; refusals and failures as {"code", "message"}."""
        try:
            found = room.works.get(request.method)
            if found is None:
                allowed = ", ".join(room.works)
                raise AwsError(f"This page answers {allowed}.", code="MethodNotAllowed", status=405)
            action, work = found
            body = await request.read(BODY_BYTES_MAX)
            self.admit(request, f"{SERVICE}:{action}")
            params = _params(body)
            if request.method == "GET" and request.query and not body:
                params = dict(parse_qsl(request.query))
            return _json(await work(params), 200)
        except BodyTooLarge:
            return _told(AwsError("The request is too long.", code="TooLarge", status=413))
        except AwsError as error:
            return _told(error)
        except (ValueError, msgspec.ValidationError) as error:
            return _told(WrongRequest(str(error)))

    def admit(self, request: HttpRequest, action: str) -> None:
        """Return when who sent `request`, whose body has been read, may do `action`. Raises AwsError."""
        check_origin(request)
        if self._is_open:
            if request.inside:
                raise Refused("Functions cannot change the house they run in.")
            if not is_near(request.peer):
                raise Refused("In open mode only this machine may do this.")
        presented = "authorization" in request.headers
        if not presented:
            if self._is_open:
                return
            raise Refused(
                "Sign the request (service name serein): with --auth strict only the root user or an administrator "
                f"of account {self._account} may do this."
            )
        principal, _ = self._api.authenticate(request, SERVICE)
        if self._is_open and principal.kind == "root":
            return
        if principal.account != self._account:
            raise Refused(f"Only principals of account {self._account} may do this.")
        dispatch = self._dispatch
        scope = Scope(
            account=self._account,
            region="us-east-1",
            request_id=new_uuid(dispatch.randomness),
            source_ip=request.peer,
            secure=request.scheme == "https",
        )
        dispatch.authorise_need(dispatch.read_now(principal, scope), Need(action, "*"))


def check_origin(request: HttpRequest) -> None:
    """A page of another site cannot set off anything here by its visitors' browsers."""
    headers = request.headers
    if asks_for_another_host(request):
        raise Refused(f"Ask this machine by its own name, not as {request.host}.")
    origin = headers.get("origin")
    if origin is not None and urlsplit(origin).netloc != headers.get("host"):
        raise Refused("Pages of other sites cannot do this.")
    if headers.get("sec-fetch-site", "none") not in ("none", "same-origin"):
        raise Refused("Pages of other sites cannot do this.")


def is_near(peer: str) -> bool:
    """Whether a peer is this machine."""
    try:
        return ip_address(peer.partition("%")[0]).is_loopback
    except ValueError:
        return peer == ""  # a Unix socket


def _params(body: bytes) -> Params:
    if not body:
        return {}
    try:
        params = orjson.loads(body)
    except ValueError as error:
        raise WrongRequest("The body is no JSON.") from error
    if not isinstance(params, dict):
        raise WrongRequest("The body is no JSON object.")
    return params


def _told(error: AwsError) -> HttpResponse:
    shown = as_aws_error(error)
    return _json({"code": shown.code, "message": shown.message}, shown.status)


def _json(value: object, status: int) -> HttpResponse:
    return HttpResponse(status, [("content-type", "application/json")], orjson.dumps(value))
