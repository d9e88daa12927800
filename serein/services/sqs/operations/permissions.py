"""AddPermission and RemovePermission: statements of the queue's policy by label.

https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_AddPermission.html
"""

from __future__ import annotations

import re
from typing import Any

import msgspec
import orjson

from serein.kernel.operations import Tx, operation
from serein.services.sqs.access import find_queue, queue_of
from serein.services.sqs.model import (
    AddPermissionRequest,
    OverLimit,
    RemovePermissionRequest,
)
from serein.services.sqs.records import QUEUES, Queue
from serein.services.sqs.rules.refusals import InvalidParameterValue, invalid_value, missing

_LABEL = re.compile(r"[A-Za-z0-9_-]{1,80}")
_ACCOUNT = re.compile(r"\d{12}")
_ACTIONS = frozenset(
    {
        "*",
        "ChangeMessageVisibility",
        "DeleteMessage",
        "GetQueueAttributes",
        "GetQueueUrl",
        "ListDeadLetterSourceQueues",
        "PurgeQueue",
        "ReceiveMessage",
        "SendMessage",
    }
)
_ACTIONS_MAX = 7
_STATEMENTS_MAX = 20


@operation("AddPermission", on=queue_of)
def add_permission(tx: Tx, request: AddPermissionRequest) -> None:
    """Let accounts do actions on the queue."""
    queue = find_queue(tx, request["QueueUrl"])
    label, actions, accounts = request["Label"], request["Actions"], request["AWSAccountIds"]
    _check(label, actions, accounts)
    policy = _policy_of(queue)
    statements: list[dict[str, Any]] = policy["Statement"]
    if any(statement.get("Sid") == label for statement in statements):
        raise invalid_value(label, "Label", "Already exists.")
    if len(statements) >= _STATEMENTS_MAX:
        raise OverLimit(
            f"{len(statements) + 1} policy statements were found, {_STATEMENTS_MAX} is the maximum allowed."
        )
    principals = [f"arn:aws:iam::{account}:root" for account in accounts]
    named = [f"SQS:{action}" for action in actions]
    statements.append(
        {
            "Sid": label,
            "Effect": "Allow",
            "Principal": {"AWS": principals[0] if len(principals) == 1 else principals},
            "Action": named[0] if len(named) == 1 else named,
            "Resource": queue.arn,
        }
    )
    _keep(tx, queue, policy)


@operation("RemovePermission", on=queue_of)
def remove_permission(tx: Tx, request: RemovePermissionRequest) -> None:
    """Take a label's statement out of the policy; the last one takes the policy with it."""
    queue = find_queue(tx, request["QueueUrl"])
    label = request["Label"]
    policy = _policy_of(queue)
    left = [s for s in policy["Statement"] if s.get("Sid") != label]
    if len(left) == len(policy["Statement"]):
        raise invalid_value(label, "Label", "can't find label.")
    _keep(tx, queue, {**policy, "Statement": left} if left else None)


def _check(label: str, actions: list[str], accounts: list[str]) -> None:
    if _LABEL.fullmatch(label) is None:
        raise invalid_value(
            label,
            "Label",
            "Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length.",
        )
    if not accounts:
        raise missing("PrincipalId")
    if not actions:
        raise missing("Actions")
    if len(actions) > _ACTIONS_MAX:
        raise OverLimit(f"{len(actions)} Actions were found, maximum allowed is {_ACTIONS_MAX}.")
    for action in actions:
        if action not in _ACTIONS:
            allowed = ", ".join(sorted(_ACTIONS - {"*"}))
            raise InvalidParameterValue(
                f"Value SQS:{action} for parameter ActionName is invalid. Reason: Only the queue "
                f"owner is allowed to invoke this action. Valid: {allowed}."
            )
    for account in accounts:
        if _ACCOUNT.fullmatch(account) is None:
            raise invalid_value(f"[{account}]", "PrincipalId", "Unable to verify.")


def _policy_of(queue: Queue) -> dict[str, Any]:
    if not queue.policy:
        return {
            "Version": "2008-10-17",
            "Id": f"{queue.arn}/SQSDefaultPolicy",
            "Statement": [],
        }
    policy: dict[str, Any] = orjson.loads(queue.policy)
    if isinstance(policy.get("Statement"), dict):
        policy["Statement"] = [policy["Statement"]]
    return policy


def _keep(tx: Tx, queue: Queue, policy: dict[str, Any] | None) -> None:
    text = orjson.dumps(policy).decode() if policy is not None else ""
    tx.put(QUEUES, msgspec.structs.replace(queue, policy=text, modified_at=tx.now))
