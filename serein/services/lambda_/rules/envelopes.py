"""What destinations and dead-letter queues are told of an asynchronous invocation.

https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-retain-records.html
"""

from __future__ import annotations

import time
from typing import Any

import orjson

from serein.runtimes.payloads import timestamp
from serein.services.lambda_.records import AsyncEvent


def destination_record(
    event: AsyncEvent,
    function_arn: str,
    condition: str,
    now: float,
    *,
    version: str | None,
    answer: bytes | None,
    failed: bool,
) -> str:
    """The JSON record for a destination; without `answer` the function never ran."""
    record: dict[str, Any] = {
        "version": "1.0",
        "timestamp": timestamp(now),
        "requestContext": {
            "requestId": event.id,
            "functionArn": function_arn,
            "condition": condition,
            "approximateInvokeCount": event.attempts,
        },
        "requestPayload": _value(event.payload),
    }
    if version is not None:
        context: dict[str, Any] = {"statusCode": 200, "executedVersion": version}
        if failed:
            context["functionError"] = "Unhandled"
        record["responseContext"] = context
        record["responsePayload"] = _value(answer or b"null")
    return orjson.dumps(record).decode()


def bus_entry(record: str, function_arn: str, bus_arn: str, *, failed: bool) -> dict[str, Any]:
    """The entry that an event bus as destination gets.

    https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-retain-records.html
    """
    outcome = "Failure" if failed else "Success"
    return {
        "Source": "lambda",
        "DetailType": f"Lambda Function Invocation Result - {outcome}",
        "Resources": [bus_arn, function_arn],
        "Detail": record,
        "EventBusName": bus_arn,
    }


def object_key(function: str, now: float, unique: str) -> str:
    """Where a bucket as destination gets a record."""
    day = time.strftime("%Y/%m/%d", time.gmtime(now))
    moment = time.strftime("%Y-%m-%dT%H.%M.%S", time.gmtime(now))
    return f"aws/lambda/async/{function}/{day}/{moment}-{unique}"


def dead_letter_attributes(event: AsyncEvent, answer: bytes) -> dict[str, dict[str, str]]:
    """The message attributes of a dead letter.

    https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-retain-records.html#invocation-dlq
    """
    value = _value(answer)
    message = value.get("errorMessage", "") if isinstance(value, dict) else ""
    return {
        "RequestID": {"DataType": "String", "StringValue": event.id},
        "ErrorCode": {"DataType": "Number", "StringValue": "200"},
        "ErrorMessage": {"DataType": "String", "StringValue": str(message)[:1024] or "unknown"},
    }


def _value(text: bytes) -> Any:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return text.decode("utf-8", "replace")
