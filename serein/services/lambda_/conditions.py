"""Lambda's condition keys of requests, worked out only when a policy names one.

https://docs.aws.amazon.com/service-authorization/latest/reference/list_awslambda.html
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from serein.base.arn import arn_or_none
from serein.kernel.calls import Call
from serein.kernel.conditions import members_as_keys
from serein.kernel.operations import Conditions, Read
from serein.services.lambda_.model import InvalidParameterValueException
from serein.services.lambda_.records import MAPPINGS, POLICIES, URLS
from serein.services.lambda_.rules.names import parse_name

Values = Sequence[str] | None
_MEMBERS = members_as_keys(
    {
        "lambda:layer": "Layers",
        "lambda:subnetids": "VpcConfig.SubnetIds",
        "lambda:securitygroupids": "VpcConfig.SecurityGroupIds",
        "lambda:codesigningconfigarn": "CodeSigningConfigArn",
        "lambda:eventsourcetoken": "EventSourceToken",
        "lambda:invokedviafunctionurl": "InvokedViaFunctionUrl",
    }
)


def conditions_of(read: Read, call: Call, arn: str) -> Conditions:
    """The condition keys of a request to Lambda."""
    return _OfRequest(read, call, arn)


class _OfRequest(dict[str, Sequence[str]]):
    """Looks at the request, and at what it is about, only for the key that a statement names."""

    def __init__(self, read: Read, call: Call, arn: str) -> None:
        super().__init__()
        self._read, self._call, self._arn = read, call, arn

    def get(self, key: str, default: Any = None) -> Any:
        answer = _KEYS.get(key)
        if answer is not None:
            found = answer(self)
        else:
            found = _MEMBERS(self._read, self._call, self._arn).get(key)
        return default if found is None else found

    def principal(self) -> Values:
        params = self._call.params
        if "Principal" in params:
            return (str(params["Principal"]),)
        place = self._place()
        policy = self._read.get(POLICIES, *place) if place is not None else None
        wanted = params.get("StatementId")
        for statement in policy.statements if policy is not None else ():
            named = statement.get("Principal")
            if wanted and statement.get("Sid") == wanted:
                one = next(iter(named.values()), "") if isinstance(named, dict) else named
                return (str(one),)
        return None

    def function_url_auth_type(self) -> Values:
        params = self._call.params
        given = params.get("FunctionUrlAuthType") or params.get("AuthType")
        if given:
            return (str(given),)
        place = self._place()
        config = self._read.get(URLS, *place) if place is not None else None
        return (config.auth_type,) if config is not None else None

    def function_arn(self) -> Values:
        """The function that an event source mapping feeds."""
        call = self._call
        name = call.params.get("FunctionName")
        if name:
            try:
                return (parse_name(name, None, call.scope.account, call.scope.region).arn,)
            except InvalidParameterValueException:
                return None
        parsed = arn_or_none(self._arn)
        kind, _, number = parsed.resource.partition(":") if parsed is not None else ("", "", "")
        if parsed is None or kind != "event-source-mapping":
            return None
        mapping = self._read.get(MAPPINGS, parsed.account, parsed.region, number)
        if mapping is None:
            return None
        return (f"arn:aws:lambda:{mapping.region}:{mapping.account}:function:{mapping.function}",)

    def _place(self) -> tuple[str, str, str, str] | None:
        """Account, region, name and qualifier of the function that the request is about."""
        parsed = arn_or_none(self._arn)
        parts = parsed.resource.split(":") if parsed is not None else []
        if parsed is None or len(parts) < 2 or parts[0] != "function":
            return None
        qualifier = parts[2] if len(parts) > 2 else str(self._call.params.get("Qualifier") or "")
        return parsed.account, parsed.region, parts[1], qualifier


_KEYS: dict[str, Callable[[_OfRequest], Values]] = {
    "lambda:principal": _OfRequest.principal,
    "lambda:functionurlauthtype": _OfRequest.function_url_auth_type,
    "lambda:functionarn": _OfRequest.function_arn,
}
