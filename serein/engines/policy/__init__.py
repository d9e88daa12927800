"""IAM policies: parsed once, compiled to matchers, and judged as AWS documents it. Knows no clock and no store.

    policy = parse_policy(text, "identity")
    decision = decide(request, [policy], None, same_account=True)
    if not decision.allowed:
        raise AccessDenied(refusal_message(request, decision))

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html
"""

from serein.engines.policy.authorization_messages import authorization_message
from serein.engines.policy.decision import Decision, decide
from serein.engines.policy.documents import MalformedPolicy, parse_policy
from serein.engines.policy.explanations import Explanation, explain, seen_from
from serein.engines.policy.messages import refusal_message
from serein.engines.policy.request import ContextLookup, PrincipalKind, Request
from serein.engines.policy.statements import Policy, PolicyKind, PolicySet, Statement

__all__ = [
    "ContextLookup",
    "Decision",
    "Explanation",
    "MalformedPolicy",
    "Policy",
    "PolicyKind",
    "PolicySet",
    "PrincipalKind",
    "Request",
    "Statement",
    "authorization_message",
    "decide",
    "explain",
    "parse_policy",
    "refusal_message",
    "seen_from",
]
