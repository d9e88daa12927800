"""Resource policies of tables and streams: GetResourcePolicy, PutResourcePolicy, DeleteResourcePolicy.

https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/access-control-resource-based.html
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec.structs import replace

from serein.contracts.change_streams import STREAMS, Stream
from serein.kernel.operations import Read, Tx, operation
from serein.services.dynamodb.access import find_table_by_arn, resource_of, stream_or_none
from serein.services.dynamodb.model import (
    DeleteResourcePolicyInput,
    GetResourcePolicyInput,
    PolicyNotFoundException,
    PutResourcePolicyInput,
    ResourceNotFoundException,
)
from serein.services.dynamodb.records import TABLES, TableRecord
from serein.services.dynamodb.rules.policies import checked_policy

Answer = dict[str, Any]
Holder = TableRecord | Stream


@operation("GetResourcePolicy", on=resource_of)
def get_resource_policy(read: Read, request: GetResourcePolicyInput) -> Answer:
    """The policy attached to a table or stream."""
    holder = _find_holder(read, request["ResourceArn"])
    text, revision = _policy(holder)
    if not text:
        raise _no_policy(holder)
    return {"Policy": text, "RevisionId": revision}


@operation("PutResourcePolicy", on=resource_of, ignores=("ConfirmRemoveSelfResourceAccess",))
def put_resource_policy(tx: Tx, request: PutResourcePolicyInput) -> Answer:
    """Attach a policy to a table or stream, in place of the one it has."""
    holder = _find_holder(tx, request["ResourceArn"])
    present, revision = _policy(holder)
    _check_revision(holder, request, revision or "NO_POLICY")
    text = checked_policy(request["Policy"])
    if text == present:
        return {"RevisionId": revision}
    revision = tx.new_id()
    _attach(tx, holder, text, revision)
    return {"RevisionId": revision}


@operation("DeleteResourcePolicy", on=resource_of)
def delete_resource_policy(tx: Tx, request: DeleteResourcePolicyInput) -> Answer:
    """Detach the policy of a table or stream."""
    holder = _find_holder(tx, request["ResourceArn"])
    text, revision = _policy(holder)
    _check_revision(holder, request, revision)
    if not text:
        return {}
    _attach(tx, holder, "", "")
    return {"RevisionId": revision}


def _find_holder(read: Read, arn: str) -> Holder:
    """The table or stream of an ARN. Raises ValidationException, ResourceNotFoundException."""
    if "/stream/" not in arn:
        return find_table_by_arn(read, arn)
    stream = stream_or_none(read, arn)
    if stream is None:
        raise ResourceNotFoundException(f"Requested resource not found: Stream: {arn} not found")
    return stream


def _policy(holder: Holder) -> tuple[str, str]:
    """A policy's text and revision."""
    if isinstance(holder, Stream):
        return holder.policy, holder.policy_revision
    return holder.resource_policy, holder.resource_policy_revision


def _attach(tx: Tx, holder: Holder, text: str, revision: str) -> None:
    if isinstance(holder, Stream):
        tx.put(STREAMS, replace(holder, policy=text, policy_revision=revision))
    else:
        tx.put(TABLES, replace(holder, resource_policy=text, resource_policy_revision=revision))


def _check_revision(holder: Holder, request: Mapping[str, Any], revision: str) -> None:
    expected = request.get("ExpectedRevisionId")
    if expected is not None and expected != revision:
        raise _no_policy(holder)


def _no_policy(holder: Holder) -> PolicyNotFoundException:
    return PolicyNotFoundException(
        f"Resource-based policy not found for the provided ResourceArn: {holder.arn}"
    )
