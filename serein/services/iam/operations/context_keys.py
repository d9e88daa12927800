"""Which condition keys policies ask for, so that a simulation can be given them.

https://docs.aws.amazon.com/IAM/latest/APIReference/API_GetContextKeysForPrincipalPolicy.html
"""

from __future__ import annotations

from collections.abc import Iterable

from serein.engines.policy import MalformedPolicy, parse_policy
from serein.kernel.calls import Call
from serein.kernel.operations import Read, operation
from serein.services.iam.access import Answer, Request
from serein.services.iam.documents_of_entities import entity_of_arn, policies_held
from serein.services.iam.model import InvalidInputException
from serein.services.iam.rules.services import context_keys


def _on_source(call: Call) -> str:
    return str(call.params["PolicySourceArn"])


def _checked(texts: Iterable[str]) -> list[str]:
    kept = []
    for text in texts:
        try:
            parse_policy(text, "identity")
        except MalformedPolicy as error:
            raise InvalidInputException(error.message) from error
        kept.append(text)
    return kept


def _answer(texts: Iterable[str]) -> Answer:
    found: dict[str, str] = {}
    for text in texts:
        for key in context_keys(text):
            found.setdefault(key.lower(), key)
    return {"ContextKeyNames": sorted(found.values())}


@operation("GetContextKeysForCustomPolicy")
def get_context_keys_for_custom_policy(read: Read, request: Request) -> Answer:
    """The keys that these policies ask for."""
    return _answer(_checked(request["PolicyInputList"]))


@operation("GetContextKeysForPrincipalPolicy", on=_on_source)
def get_context_keys_for_principal_policy(read: Read, request: Request) -> Answer:
    """The keys that a user's, group's or role's policies ask for, and further ones."""
    entity = entity_of_arn(read, request["PolicySourceArn"])
    further = _checked(request.get("PolicyInputList") or ())
    return _answer([*(policy.document for policy in policies_held(read, *entity)), *further])
