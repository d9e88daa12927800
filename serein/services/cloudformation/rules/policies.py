"""Stack policies.

https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/protect-stack-resources.html
"""

from __future__ import annotations

import orjson

from serein.services.cloudformation.rules.naming import Invalid

_EFFECTS = frozenset({"Allow", "Deny"})


def check_policy(body: str) -> None:
    """Raise unless `body` is a stack policy."""
    try:
        policy = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise _invalid("Invalid stack policy") from None
    statements = policy.get("Statement") if isinstance(policy, dict) else None
    if isinstance(statements, dict):
        statements = [statements]
    if not isinstance(statements, list) or not statements:
        raise _invalid("Invalid stack policy")
    for statement in statements:
        if not isinstance(statement, dict) or statement.get("Effect") not in _EFFECTS:
            raise _invalid("Invalid stack policy")
        if not ({"Action", "NotAction"} & statement.keys()) or not (
            {"Resource", "NotResource"} & statement.keys()
        ):
            raise _invalid("Invalid stack policy")


def _invalid(words: str) -> Invalid:
    return Invalid(f"Error validating stack policy: {words}")
