"""The statement that AddPermission writes, in AWS's exact form."""

from __future__ import annotations

import re
from typing import Any

import orjson

from serein.services.lambda_.model import PolicyLengthExceededException
from serein.services.lambda_.records import Request
from serein.services.lambda_.rules.configuration import refuse

POLICY_BYTES_MAX = 20_480  # https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
_ACCOUNT = re.compile(r"\d{12}\Z")
_SERVICE = re.compile(r"[a-z0-9.-]+\.(amazonaws|amazon)\.com(\.cn)?\Z")


def statement_of(request: Request, resource: str) -> dict[str, Any]:
    """The policy statement for an AddPermission request. Raises InvalidParameterValueException."""
    statement: dict[str, Any] = {
        "Sid": request["StatementId"],
        "Effect": "Allow",
        "Principal": principal_of(request["Principal"]),
        "Action": request["Action"],
        "Resource": resource,
    }
    equal: dict[str, Any] = {}
    if "SourceAccount" in request:
        equal["AWS:SourceAccount"] = request["SourceAccount"]
    if "EventSourceToken" in request:
        equal["lambda:EventSourceToken"] = request["EventSourceToken"]
    if "FunctionUrlAuthType" in request:
        equal["lambda:FunctionUrlAuthType"] = request["FunctionUrlAuthType"]
    if "PrincipalOrgID" in request:
        equal["aws:PrincipalOrgID"] = request["PrincipalOrgID"]
    conditions: dict[str, Any] = {}
    if equal:
        conditions["StringEquals"] = equal
    if "SourceArn" in request:
        conditions["ArnLike"] = {"AWS:SourceArn": request["SourceArn"]}
    if "InvokedViaFunctionUrl" in request:
        invoked = str(request["InvokedViaFunctionUrl"]).lower()
        conditions["Bool"] = {"lambda:InvokedViaFunctionUrl": invoked}
    if conditions:
        statement["Condition"] = conditions
    return statement


def check_policy_size(text: str) -> None:
    """Raises PolicyLengthExceededException for a policy that has become too long."""
    size = len(text.encode())
    if size > POLICY_BYTES_MAX:
        raise PolicyLengthExceededException(
            f"The final policy size ({size}) is bigger than the limit ({POLICY_BYTES_MAX}).",
            fields={"Type": "User"},
        )


def statements_in(document: str, resource: str) -> tuple[dict[str, Any], ...]:
    """The statements of a whole policy document for `resource`. Raises InvalidParameterValueException."""
    try:
        policy = orjson.loads(document)
    except orjson.JSONDecodeError as error:
        raise refuse("The resource policy is not valid JSON.") from error
    statements = policy.get("Statement") if isinstance(policy, dict) else None
    if isinstance(statements, dict):
        statements = [statements]
    if not isinstance(statements, list) or not statements:
        raise refuse("The resource policy must have at least one statement.")
    for statement in statements:
        if not isinstance(statement, dict) or statement.get("Effect") not in ("Allow", "Deny"):
            raise refuse("The resource policy has a statement without a valid Effect.")
        if not ("Action" in statement and "Principal" in statement):
            raise refuse("A statement of the resource policy lacks its Action or Principal.")
        statement.setdefault("Resource", resource)
    return tuple(statements)


def principal_of(text: str) -> str | dict[str, str]:
    """The Principal element for what the caller named."""
    if text == "*":
        return "*"
    if _ACCOUNT.match(text):
        return {"AWS": f"arn:aws:iam::{text}:root"}
    if text.startswith("arn:"):
        return {"AWS": text}
    if _SERVICE.match(text):
        return {"Service": text}
    raise refuse("The provided principal was invalid. Please check the principal and try again.")
