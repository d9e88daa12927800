"""Any ARN as the target of an event: which operation delivers to it, as data."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from serein.base.arn import Arn, arn_or_none
from serein.kernel.calls import Call, Principal
from serein.kernel.operations import Position

Params = dict[str, Any]


def queue_url(arn: Arn) -> str:
    """A queue's URL as far as the seam needs it: SQS finds queues by the last two path parts."""
    return f"https://sqs.{arn.region}.amazonaws.com/{arn.account}/{arn.resource}"


def _to_queue(arn: Arn, payload: str) -> Params:
    return {"QueueUrl": queue_url(arn), "MessageBody": payload}


def _to_topic(arn: Arn, payload: str) -> Params:
    return {"TopicArn": str(arn), "Message": payload}


def _to_function(arn: Arn, payload: str) -> Params:
    return {"FunctionName": str(arn), "InvocationType": "Event", "Payload": payload.encode()}


def _to_execution(arn: Arn, payload: str) -> Params:
    return {"stateMachineArn": str(arn), "input": payload}


def _to_delivery_stream(arn: Arn, payload: str) -> Params:
    name = arn.resource.partition("/")[2]
    return {"DeliveryStreamName": name, "Record": {"Data": payload.encode()}}


DELIVERIES: dict[str, tuple[str, str, Callable[[Arn, str], Params]]] = {
    "sqs": ("sqs", "SendMessage", _to_queue),
    "sns": ("sns", "Publish", _to_topic),
    "lambda": ("lambda", "Invoke", _to_function),
    "states": ("stepfunctions", "StartExecution", _to_execution),
    "firehose": ("firehose", "PutRecord", _to_delivery_stream),
}


def deliver(
    position: Position, target: str, payload: str, *, by: Principal, source_arn: str
) -> Call | None:
    """The call that brings `payload` to the ARN `target`; None when that kind of ARN takes no events."""
    arn = arn_or_none(target)
    found = DELIVERIES.get(arn.service) if arn else None
    if arn is None or found is None:
        return None
    service, operation, params_of = found
    return position.make_call(
        service,
        operation,
        params_of(arn, payload),
        by=by,
        source_arn=source_arn,
        account=arn.account or position.account,
        region=arn.region or position.region,
    )
