"""Calls that the data plane makes: of functions, as API Gateway itself or as a role."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import orjson

from serein.base.errors import AwsError
from serein.kernel.calls import Call, Principal, Scope, service_principal
from serein.kernel.operations import Context
from serein.services.apigatewayv2.rules.payloads import Visit
from serein.services.apigatewayv2.sites.refusals import broken, unavailable

SERVICE = "apigateway.amazonaws.com"
ROLE_KEPT_S = 900.0
ROLES_MAX = 1000
THROTTLED = frozenset(("TooManyRequestsException", "ThrottlingException", "ServiceException"))


def call_of(
    cx: Context,
    visit: Visit,
    by: Principal,
    service: str,
    operation: str,
    params: dict[str, Any],
    source_arn: str = "",
) -> Call:
    """A call on behalf of the route that `visit` has found (or of `source_arn`)."""
    scope = cx.scope
    made = Scope(
        account=visit.account,
        region=visit.region,
        request_id=cx.new_id(),
        source_ip=scope.source_ip,
        secure=scope.secure,
        user_agent=scope.user_agent,
        host=scope.host,
        source_arn=source_arn or visit.source_arn,
        source_account=visit.account,
        trace=visit.trace_id,
    )
    return Call(service, operation, params, by, made)


class Callers:
    """Who API Gateway calls others as; a role that it has taken is kept for a while."""

    def __init__(self) -> None:
        self._taken: dict[tuple[str, str], tuple[float, Principal]] = {}

    async def principal_of(self, cx: Context, visit: Visit, role_arn: str | None) -> Principal:
        """API Gateway itself, or the role it is told to take. Raises AwsError when it may not."""
        gateway = service_principal(SERVICE, visit.account)
        if role_arn is None:
            return gateway
        key = (visit.account, role_arn)
        found = self._taken.get(key)
        if found is not None and found[0] > visit.now:
            return found[1]
        params = {"RoleArn": role_arn, "RoleSessionName": "BackplaneAssumeRoleSession"}
        taken = await cx.call(call_of(cx, visit, gateway, "sts", "AssumeRole", params))
        user, credentials = taken["AssumedRoleUser"], taken["Credentials"]
        principal = Principal(
            kind="role",
            account=role_arn.split(":")[4],
            arn=user["Arn"],
            id=user["AssumedRoleId"],
            access_key=credentials["AccessKeyId"],
            role_arn=role_arn,
        )
        if len(self._taken) >= ROLES_MAX:
            self._taken.clear()
        self._taken[key] = (visit.now + ROLE_KEPT_S, principal)
        return principal

    async def invoke(
        self,
        cx: Context,
        visit: Visit,
        function: str,
        event: dict[str, Any],
        role_arn: str | None,
        source: str = "",
    ) -> bytes:
        """The function's result. Raises Refused when it cannot be called, or failed.

        `source` is the part of the API on whose behalf it is called, where that is not the route.
        """
        source_arn = ""
        if source:
            root = f"arn:aws:execute-api:{visit.region}:{visit.account}:{visit.api_id}"
            source_arn = f"{root}/{source}"
        params = {
            "FunctionName": function,
            "InvocationType": "RequestResponse",
            "Payload": orjson.dumps(event),
        }
        try:
            by = await self.principal_of(cx, visit, role_arn)
            call = call_of(cx, visit, by, "lambda", "Invoke", params, source_arn)
            answer = await cx.call(call)
        except AwsError as error:
            if error.code in THROTTLED or error.status == 429:
                raise unavailable() from error
            raise broken() from error
        if answer.get("FunctionError"):
            raise broken()
        return await whole(answer.get("Payload", b""))


async def whole(body: bytes | AsyncIterator[bytes]) -> bytes:
    """A body that may come in pieces."""
    if isinstance(body, bytes):
        return body
    return b"".join([part async for part in body])
