"""What requests to API Gateway's own API are about, for the policies.

Its actions are HTTP verbs on paths: https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonapigatewaymanagementv2.html
"""

from __future__ import annotations

import re
from collections.abc import Callable

from serein.kernel.calls import Call

GET = "apigateway:GET"
POST = "apigateway:POST"
PATCH = "apigateway:PATCH"
PUT = "apigateway:PUT"
DELETE = "apigateway:DELETE"

_MEMBER = re.compile(r"\{(\w+)\}")


def arn_of(region: str, path: str) -> str:
    """The ARN of a resource of the management API."""
    return f"arn:aws:apigateway:{region}::{path}"


def path(template: str) -> Callable[[Call], str]:
    """The ARN builder for `template`, in which `{ApiId}` stands for that parameter of the request."""

    def build(call: Call) -> str:
        params = call.params
        filled = _MEMBER.sub(lambda member: str(params.get(member[1], "")), template)
        return arn_of(call.scope.region, filled)

    return build


def of_tagged(call: Call) -> str:
    """The ARN that a tagging request names."""
    return str(call.params.get("ResourceArn", ""))


def api_path(api_id: str) -> str:
    """The path of an API."""
    return f"/apis/{api_id}"


def stage_path(api_id: str, stage: str) -> str:
    """The path of a stage."""
    return f"/apis/{api_id}/stages/{stage}"
