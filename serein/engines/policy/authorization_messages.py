"""A refusal as AWS's decoded authorization message tells it.

https://docs.aws.amazon.com/STS/latest/APIReference/API_DecodeAuthorizationMessage.html
https://docs.aws.amazon.com/IAM/latest/UserGuide/sts_example_sts_DecodeAuthorizationMessage_section.html (the form)
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from serein.engines.policy.explanations import Considered, Explanation


def authorization_message(
    explanation: Explanation, *, principal_id: str = "", principal_name: str = ""
) -> dict[str, Any]:
    """What DecodeAuthorizationMessage gives (as JSON) for this refusal."""
    denials = [e for e in explanation.considered if e.effect == "Deny" and not e.failures]
    principal = {"id": principal_id, "name": principal_name, "arn": explanation.principal}
    return {
        "allowed": False,
        "explicitDeny": explanation.outcome == "explicit_deny",
        "matchedStatements": {"items": [_statement(each, principal_id) for each in denials]},
        "failures": {"items": []},
        "context": {
            "principal": {key: value for key, value in principal.items() if value},
            "action": explanation.action,
            "resource": explanation.resource,
            "conditions": {
                "items": [
                    {"key": key, "values": _items(values)}
                    for key, values in sorted(explanation.conditions.items())
                    if values is not None
                ]
            },
        },
    }


def _items(values: Iterable[str]) -> dict[str, Any]:
    return {"items": [{"value": value} for value in values]}


def _listed(value: Any) -> list[str]:
    return [str(each) for each in value] if isinstance(value, list | tuple) else [str(value)]


def _statement(each: Considered, principal_id: str) -> dict[str, Any]:
    source = each.source
    conditions = [
        {"key": key, "values": _items(_listed(values))}
        for keys in (source.get("Condition") or {}).values()
        for key, values in keys.items()
    ]
    return {
        "statementId": each.sid,
        "effect": "DENY",
        "principals": _items([principal_id] if principal_id else []),
        "principalGroups": {"items": []},
        "actions": _items(_listed(source.get("Action", source.get("NotAction", [])))),
        "resources": _items(_listed(source.get("Resource", source.get("NotResource", [])))),
        "conditions": {"items": conditions},
    }
