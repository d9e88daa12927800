"""Which integrations can be: their types, methods and URIs.

https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations.html
"""

from __future__ import annotations

import re

from serein.services.apigatewayv2.model import BadRequestException
from serein.services.apigatewayv2.records import Integration
from serein.services.apigatewayv2.rules.mappings import check_mapping

SUBTYPES = {
    "EventBridge-PutEvents": ("events", "PutEvents"),
    "SQS-SendMessage": ("sqs", "SendMessage"),
    "SQS-ReceiveMessage": ("sqs", "ReceiveMessage"),
    "SQS-DeleteMessage": ("sqs", "DeleteMessage"),
    "SQS-PurgeQueue": ("sqs", "PurgeQueue"),
    "AppConfig-GetConfiguration": ("appconfig", "GetConfiguration"),
    "Kinesis-PutRecord": ("kinesis", "PutRecord"),
    "StepFunctions-StartExecution": ("stepfunctions", "StartExecution"),
    "StepFunctions-StartSyncExecution": ("stepfunctions", "StartSyncExecution"),
    "StepFunctions-StopExecution": ("stepfunctions", "StopExecution"),
}
"""https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-aws-services-reference.html"""
TIMEOUT_MIN_MS, TIMEOUT_MAX_MS = 50, 30_000
METHODS = frozenset(("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "ANY"))
_INVOCATION = re.compile(
    r"arn:[^:]+:apigateway:[^:]*:lambda:path/[0-9-]+/functions/(.+)/invocations"
)
_FUNCTION = re.compile(r"arn:[^:]+:lambda:[^:]*:[^:]*:function:\S+")
_ROLE = re.compile(r"arn:[^:]+:iam::(\d{12}|\*):(role|user)/\S+")


def function_of(uri: str) -> str | None:
    """The function's ARN in an integration or authorizer URI, plain or in the "path/2015-03-31/functions" form."""
    found = _INVOCATION.fullmatch(uri)
    if found is not None:
        return found[1]
    return uri if _FUNCTION.fullmatch(uri) else None


def check_integration(integration: Integration) -> None:
    """Raises BadRequestException for what an HTTP API cannot have."""
    kind = integration.integration_type
    if kind not in ("AWS_PROXY", "HTTP_PROXY"):
        raise BadRequestException(
            "HTTP APIs support only AWS_PROXY and HTTP_PROXY integrations. Invalid integration type "
            f"specified: {kind}"
        )
    if not TIMEOUT_MIN_MS <= integration.timeout_in_millis <= TIMEOUT_MAX_MS:
        raise BadRequestException(
            f"Timeout should be between {TIMEOUT_MIN_MS} ms and {TIMEOUT_MAX_MS} ms"
        )
    role = integration.credentials_arn
    if role is not None and _ROLE.fullmatch(role) is None:
        raise BadRequestException("Invalid credentials ARN specified")
    if kind == "HTTP_PROXY":
        _check_http(integration)
    elif integration.integration_subtype is not None:
        _check_subtype(integration)
    else:
        _check_function(integration)
    for target in integration.request_parameters or {}:
        if integration.integration_subtype is None and not check_mapping(target):
            raise BadRequestException(f"Invalid mapping expression specified: {target}")
    for status, mappings in (integration.response_parameters or {}).items():
        if not re.fullmatch(r"[2-5]\d\d", status):
            raise BadRequestException(f"Invalid status code specified: {status}")
        for target in mappings:
            if not check_mapping(target):
                raise BadRequestException(f"Invalid mapping expression specified: {target}")


def _check_http(integration: Integration) -> None:
    uri = integration.integration_uri or ""
    if integration.connection_type == "VPC_LINK":
        return
    if not uri.startswith(("http://", "https://")):
        raise BadRequestException("Invalid HTTP endpoint specified for URI")
    if integration.integration_method not in METHODS:
        raise BadRequestException("HttpMethod must be a valid HTTP method or ANY")
    if integration.payload_format_version not in (None, "1.0"):
        raise BadRequestException("PayloadFormatVersion must be 1.0 for HTTP_PROXY integrations")


def _check_subtype(integration: Integration) -> None:
    if integration.integration_subtype not in SUBTYPES:
        raise BadRequestException("Invalid integration subtype specified")
    if integration.credentials_arn is None:
        raise BadRequestException("CredentialsArn is required for AWS service integrations")


def _check_function(integration: Integration) -> None:
    uri = integration.integration_uri or ""
    if "${stageVariables." not in uri and function_of(uri) is None:
        raise BadRequestException("Invalid function ARN or invalid uri")
    if integration.payload_format_version not in ("1.0", "2.0"):
        raise BadRequestException("PayloadFormatVersion must be 1.0 or 2.0 for Lambda integrations")
