"""`/_serein/why` and `/_serein/needs`: refusals explained, and what a role or user has needed so far.

POST /_serein/why    {"id": "last" | REQUEST ID, "by": ARN, "count": 1}    {"refusals": […]}, newest first
POST /_serein/needs  {"principal": ARN, or role/NAME, or user/NAME}        {"principal", "needs": […], "policy": {…}}

Both tell what policies say, so they ask for the permissions that AWS asks for such things: sts:DecodeAuthorizationMessage, and
access-analyzer:GetGeneratedPolicy. An account sees what its own callers met and what happened to its own resources, and of the
policies only its own side. In open mode who asks unsigned from this machine is root of the default account, as for the API.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
import orjson

from serein.base.arn import arn_or_none
from serein.base.errors import AwsError
from serein.base.ids import new_uuid
from serein.engines.policy import authorization_message, seen_from
from serein.engines.policy.suggestions import suggested_policy
from serein.front.aws_api import AwsApi
from serein.front.caretakers import SERVICE, Refused, WrongRequest, check_origin, is_near
from serein.kernel.access_log import AccessLog, needs_of, principals_of, refusals_of
from serein.kernel.calls import Principal, Scope, root_of
from serein.kernel.dispatch import Dispatch, as_aws_error
from serein.kernel.operations import Need
from serein.kernel.refusals import REFUSALS_MAX, Refusal
from serein.store.interface import Snapshot
from serein.wire.http import BodyTooLarge, HttpRequest, HttpResponse

BODY_BYTES_MAX = 65_536
COUNT_MAX = 100


class WhyParams(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What `/_serein/why` is asked."""

    id: str = "last"
    by: str = ""
    count: int = 1


class NeedsParams(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What `/_serein/needs` is asked."""

    principal: str = ""


class AccessPages:
    """The pages about who was refused what."""

    def __init__(
        self,
        *,
        api: AwsApi,
        dispatch: Dispatch,
        log: AccessLog,
        account: str,
        region: str,
        is_open: bool,
    ) -> None:
        self._api = api
        self._dispatch = dispatch
        self._log = log
        self._account = account
        self._region = region
        self._is_open = is_open
        self.pages: dict[str, Callable[[HttpRequest], Awaitable[HttpResponse]]] = {
            "/_serein/why": self._why,
            "/_serein/needs": self._needs,
        }

    async def _why(self, request: HttpRequest) -> HttpResponse:
        return await self._answer(request, "sts:DecodeAuthorizationMessage", self._explained)

    async def _needs(self, request: HttpRequest) -> HttpResponse:
        return await self._answer(request, "access-analyzer:GetGeneratedPolicy", self._needed)

    async def _answer(
        self,
        request: HttpRequest,
        action: str,
        work: Callable[[Snapshot, bytes, str], object],
    ) -> HttpResponse:
        try:
            if request.method != "POST":
                raise AwsError("This page answers POST.", code="MethodNotAllowed", status=405)
            body = await request.read(BODY_BYTES_MAX)
            check_origin(request)
            principal = self._asker(request)
            scope = Scope(
                account=principal.account,
                region=self._region,
                request_id=new_uuid(self._dispatch.randomness),
                source_ip=request.peer,
                secure=request.scheme == "https",
            )
            read = self._dispatch.read_now(principal, scope)
            self._dispatch.authorise_need(read, Need(action, "*"))
            return _json(work(await self._log.gather(), body, principal.account), 200)
        except BodyTooLarge:
            return _told(AwsError("The request is too long.", code="TooLarge", status=413))
        except msgspec.MsgspecError as error:
            return _told(WrongRequest(str(error)))
        except AwsError as error:
            return _told(error)

    def _asker(self, request: HttpRequest) -> Principal:
        """Who asks. Raises AwsError."""
        if "authorization" in request.headers:
            principal, _ = self._api.authenticate(request, SERVICE)
            return principal
        if not self._is_open or request.inside or not is_near(request.peer):
            raise Refused(f"Sign the request (service name {SERVICE}).")
        return root_of(self._account)

    def _explained(self, snapshot: Snapshot, body: bytes, account: str) -> object:
        params = msgspec.json.decode(body or b"{}", type=WhyParams)
        found = [
            refusal
            for refusal in refusals_of(snapshot, account)
            if params.id in ("last", refusal.request_id)
            and (not params.by or params.by in _names_of(refusal))
        ]
        if params.id != "last" and not found:
            raise AwsError(
                f"No refusal of request {params.id} is remembered; the latest {REFUSALS_MAX} are.",
                code="NotFound",
                status=404,
            )
        count = min(max(params.count, 1), COUNT_MAX)
        shown = found[:count] if params.id == "last" else found[:COUNT_MAX]
        return {"refusals": [_shown(refusal, account) for refusal in shown]}

    def _needed(self, snapshot: Snapshot, body: bytes, account: str) -> object:
        params = msgspec.json.decode(body or b"{}", type=NeedsParams)
        known = principals_of(snapshot, account)
        arn = _principal_arn(params.principal, account, known)
        found = needs_of(snapshot, arn)
        return {
            "principal": arn,
            "needs": msgspec.to_builtins(found),
            "policy": suggested_policy(found) if found else None,
            "known": known,
        }


def _names_of(refusal: Refusal) -> tuple[str, ...]:
    """What a refused caller may be called: its ARN, its session's role, the plain name of either."""
    arn = refusal.explanation.principal
    parts = arn.rpartition(":")[2].split("/")
    return (arn, *parts[1:])


def _shown(refusal: Refusal, account: str) -> dict[str, Any]:
    is_caller, is_owner = refusal.account == account, refusal.owner == account
    explanation = seen_from(refusal.explanation, caller=is_caller, resource=is_owner)
    shown: dict[str, Any] = msgspec.to_builtins(
        msgspec.structs.replace(refusal, explanation=explanation)
    )
    shown["decoded"] = authorization_message(explanation, principal_id=refusal.principal_id)
    return shown


def _principal_arn(name: str, account: str, known: list[str]) -> str:
    """The ARN of the role or user that is meant. Raises WrongRequest."""
    if name.startswith("arn:"):
        parsed = arn_or_none(name)
        if parsed is None or parsed.account != account:
            raise Refused(f"Only roles and users of account {account} can be asked about.")
        return name
    kind, _, rest = name.rpartition("/")
    if not rest:
        raise WrongRequest("Say which role: an ARN, a role's name, or user/NAME.")
    wanted = (kind or "role") + "/"
    for arn in known:
        resource = arn.rpartition(":")[2]
        if resource.startswith(wanted) and resource.rpartition("/")[2] == rest:
            return arn
    return f"arn:aws:iam::{account}:{wanted}{rest}"


def _told(error: AwsError) -> HttpResponse:
    shown = as_aws_error(error)
    return _json({"code": shown.code, "message": shown.message}, shown.status)


def _json(value: object, status: int) -> HttpResponse:
    return HttpResponse(status, [("content-type", "application/json")], orjson.dumps(value))
