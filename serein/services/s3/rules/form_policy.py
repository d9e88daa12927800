"""The policy document of a browser's upload: what its form may say.

https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-HTTPPOSTConstructPolicy.html
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec
import orjson

from serein.base.errors import AwsError
from serein.services.s3.rules.errors import refusal

_NEED_NO_CONDITION = frozenset({"x-amz-signature", "signature", "awsaccesskeyid", "policy", "file"})


class Allowed(msgspec.Struct, frozen=True):
    """How long the file may be."""

    bytes_min: int = 0
    bytes_max: int = 5 * 1024**3


def check(policy: str, fields: Mapping[str, str], bucket: str, now: float) -> Allowed:
    """Raises AccessDenied or InvalidPolicyDocument unless the base64 `policy` allows the form's fields (lower-case names)."""
    document = _parsed(policy)
    if _expiration(document) <= now:
        raise _denied("Policy expired.")
    allowed = Allowed()
    named: set[str] = set()
    values = {**fields, "bucket": bucket}
    for condition in document["conditions"]:
        operator, name, value = _understood(condition)
        if operator == "content-length-range":
            allowed = Allowed(int(name), int(value))
            continue
        if not _holds(operator, name, str(value), values):
            raise _denied(f"Policy Condition failed: {_shown(operator, name, value)}")
        named.add(name[1:].lower())
    for name in fields:
        if name not in named | _NEED_NO_CONDITION and not name.startswith("x-ignore-"):
            raise _denied(f"Extra input fields: {name}")
    return allowed


def _parsed(policy: str) -> dict[str, Any]:
    try:
        document = orjson.loads(base64.b64decode(policy, validate=False))
    except ValueError as error:
        raise _invalid("Invalid JSON.") from error
    if not isinstance(document, dict) or not isinstance(document.get("conditions"), list):
        raise _invalid("Policy missing conditions.")
    return document


def _expiration(document: Mapping[str, Any]) -> float:
    text = document.get("expiration")
    if not isinstance(text, str):
        raise _invalid("Policy missing expiration.")
    try:
        at = datetime.fromisoformat(text)
    except ValueError as error:
        raise _invalid(f"Invalid 'expiration' value: '{text}'") from error
    return (at if at.tzinfo is not None else at.replace(tzinfo=UTC)).timestamp()


def _understood(condition: Any) -> tuple[str, Any, Any]:
    """Operator, `$name` and value of either form of condition."""
    if isinstance(condition, dict):
        if len(condition) != 1:
            raise _invalid(
                "Invalid Simple-Condition: Simple-Conditions must have exactly one property specified."
            )
        ((name, value),) = condition.items()
        return "eq", f"${name}", value
    if not isinstance(condition, list) or len(condition) != 3:
        raise _invalid("Invalid Condition: Conditions must have exactly 3 items.")
    operator = str(condition[0]).lower()
    if operator not in ("eq", "starts-with", "content-length-range"):
        raise _invalid(f"Invalid Condition: unknown operation '{condition[0]}'.")
    if operator == "content-length-range":
        try:
            return operator, int(condition[1]), int(condition[2])
        except (TypeError, ValueError) as error:
            raise _invalid("Invalid content-length-range: bounds must be numbers.") from error
    return operator, str(condition[1]), condition[2]


def _holds(operator: str, name: str, value: str, values: Mapping[str, str]) -> bool:
    if not name.startswith("$"):
        return False
    given = values.get(name[1:].lower(), "")
    return given == value if operator == "eq" else given.startswith(value)


def _shown(operator: str, name: str, value: Any) -> str:
    return "[" + ", ".join(orjson.dumps(item).decode() for item in (operator, name, value)) + "]"


def _denied(why: str) -> AwsError:
    return refusal("AccessDenied", f"Invalid according to Policy: {why}")


def _invalid(why: str) -> AwsError:
    return refusal("InvalidPolicyDocument", f"Invalid Policy: {why}")
