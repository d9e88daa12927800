"""Who may use a route: IAM, JSON web tokens, or a function that says so.

https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-access-control.html
"""

from __future__ import annotations

from typing import Any

import orjson

from serein.base.clock import now_for
from serein.base.errors import AwsError
from serein.engines.policy import MalformedPolicy, Request, decide, parse_policy
from serein.kernel.calls import Principal
from serein.kernel.operations import Context, Need
from serein.services.apigatewayv2.records import Authorizer
from serein.services.apigatewayv2.rules.integrations import function_of
from serein.services.apigatewayv2.rules.payloads import (
    Visit,
    authorizer_payload_1,
    authorizer_payload_2,
)
from serein.services.apigatewayv2.rules.selections import identity_values
from serein.services.apigatewayv2.rules.tokens import (
    InvalidToken,
    check_claims,
    parse_token,
    scopes_of,
    shown_claims,
    verify_signature,
)
from serein.services.apigatewayv2.sites.callers import Callers
from serein.services.apigatewayv2.sites.issuers import Issuers
from serein.services.apigatewayv2.sites.plans import ServedRoute
from serein.services.apigatewayv2.sites.refusals import broken, forbidden, unauthorized

VERDICTS_MAX = 10_000
ACTION = "execute-api:Invoke"


class Authorization:
    """Judges callers; remembers issuers' keys and functions' verdicts for their time."""

    def __init__(self, callers: Callers) -> None:
        self._callers = callers
        self._issuers = Issuers()
        self._verdicts: dict[tuple[str, ...], tuple[float, dict[str, Any]]] = {}

    async def judge(self, cx: Context, visit: Visit, served: ServedRoute) -> dict[str, Any] | None:
        """What `requestContext.authorizer` shows; None for open routes. Raises Refused."""
        kind = served.route.authorization_type
        if kind == "NONE":
            return None
        if kind == "AWS_IAM":
            return self._judge_iam(cx, visit)
        if served.authorizer is None:
            raise broken()
        if kind == "JWT":
            return await self._judge_token(cx, visit, served, served.authorizer)
        return await self._judge_by_function(cx, visit, served.authorizer)

    def _judge_iam(self, cx: Context, visit: Visit) -> dict[str, Any]:
        request = visit.request
        request.body = visit.body
        try:
            principal, _ = cx.door.authenticate(request, "execute-api")
            if principal.kind == "anonymous":
                raise forbidden()
            caller = cx.acting(principal, account=visit.account, region=visit.region)
            caller.judge(Need(ACTION, visit.route_arn))
        except AwsError as error:
            raise forbidden() from error
        return {"iam": _iam_identity(principal)}

    async def _judge_token(
        self, cx: Context, visit: Visit, served: ServedRoute, authorizer: Authorizer
    ) -> dict[str, Any]:
        identity = identity_values(visit, authorizer.identity_source)
        if identity is None:
            raise unauthorized([("www-authenticate", "Bearer")])
        configuration = authorizer.jwt_configuration or {}
        issuer = str(configuration.get("Issuer", ""))
        try:
            token = parse_token(identity[0])
            check_claims(
                token.claims,
                issuer=issuer,
                audience=configuration.get("Audience") or (),
                now=_now_for(cx, token.claims, visit.now),
            )
            verify_signature(
                token, await self._issuers.keys_of(cx, issuer, token.key_id, visit.now)
            )
        except InvalidToken as error:
            challenge = f'Bearer scope="" error="invalid_token" error_description="{error}"'
            raise unauthorized([("www-authenticate", challenge)]) from error
        scopes = scopes_of(token.claims)
        wanted = served.route.authorization_scopes
        if wanted and not set(wanted).intersection(scopes):
            challenge = (
                f'Bearer scope="{" ".join(wanted)}" error="insufficient_scope" '
                'error_description="the token does not have the required scope"'
            )
            raise forbidden([("www-authenticate", challenge)])
        return {"jwt": {"claims": shown_claims(token.claims), "scopes": list(wanted or ()) or None}}

    async def _judge_by_function(
        self, cx: Context, visit: Visit, authorizer: Authorizer
    ) -> dict[str, Any]:
        identity = identity_values(visit, authorizer.identity_source)
        if identity is None and authorizer.identity_source:
            raise unauthorized()
        ttl_s = authorizer.authorizer_result_ttl_in_seconds or 0
        key = (visit.api_id, visit.stage, authorizer.authorizer_id, *(identity or ()))
        verdict = self._remembered(key, visit.now) if ttl_s else None
        if verdict is None:
            verdict = await _ask(cx, visit, authorizer, identity, self._callers)
            if ttl_s:
                self._remember(key, visit.now + ttl_s, verdict)
        if not _allows(verdict, visit, simple=bool(authorizer.enable_simple_responses)):
            raise forbidden()
        context = verdict.get("context")
        return {"lambda": context if isinstance(context, dict) else None}

    def _remembered(self, key: tuple[str, ...], now: float) -> dict[str, Any] | None:
        found = self._verdicts.get(key)
        return found[1] if found is not None and found[0] > now else None

    def _remember(self, key: tuple[str, ...], until: float, verdict: dict[str, Any]) -> None:
        if len(self._verdicts) >= VERDICTS_MAX:
            self._verdicts.clear()
        self._verdicts[key] = (until, verdict)


async def _ask(
    cx: Context,
    visit: Visit,
    authorizer: Authorizer,
    identity: list[str] | None,
    callers: Callers,
) -> dict[str, Any]:
    """The function's verdict."""
    version = authorizer.authorizer_payload_format_version
    make = authorizer_payload_1 if version == "1.0" else authorizer_payload_2
    function = function_of(authorizer.authorizer_uri or "")
    if function is None:
        raise broken()
    event = make(visit, identity)
    # The authorizer's own ARN, not the route's, is what the function's policy names.
    result = await callers.invoke(
        cx,
        visit,
        function,
        event,
        authorizer.authorizer_credentials_arn,
        source=f"authorizers/{authorizer.authorizer_id}",
    )
    try:
        verdict = orjson.loads(result)
    except orjson.JSONDecodeError as error:
        raise broken() from error
    if not isinstance(verdict, dict):
        raise broken()
    return verdict


def _now_for(cx: Context, claims: dict[str, Any], now: float) -> float:
    """The time by which a token may have expired: its issuer dated it by a clock outside the house."""
    issued_at = claims.get("iat")
    if isinstance(issued_at, int | float) and not isinstance(issued_at, bool):
        return now_for(cx.clock, issued_at)
    return now


def _allows(verdict: dict[str, Any], visit: Visit, *, simple: bool) -> bool:
    """Whether the verdict, simple or an IAM policy, lets this request pass. Raises Refused when it is neither."""
    if simple:
        if not isinstance(verdict.get("isAuthorized"), bool):
            raise broken()
        return bool(verdict["isAuthorized"])
    document, name = verdict.get("policyDocument"), verdict.get("principalId")
    if not isinstance(document, dict) or not isinstance(name, str):
        raise broken()
    try:
        policy = parse_policy(orjson.dumps(document).decode(), "identity")
    except MalformedPolicy as error:
        raise broken() from error
    request = Request(
        action=ACTION, resource=visit.route_arn, kind="user", account=visit.account, id=name
    )
    return decide(request, [policy]).allowed


def _iam_identity(principal: Principal) -> dict[str, Any]:
    return {
        "accessKey": principal.access_key,
        "accountId": principal.account,
        "callerId": principal.id,
        "cognitoIdentity": None,
        "principalOrgId": None,
        "userArn": principal.arn,
        "userId": principal.id,
    }
