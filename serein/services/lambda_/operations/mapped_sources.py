"""Whether a function's role can read what a mapping is to feed it from."""

from __future__ import annotations

from typing import Any

from serein.base.arn import Arn
from serein.base.errors import AwsError
from serein.kernel.operations import Context
from serein.services.lambda_.records import Function
from serein.services.lambda_.roles import role_session
from serein.services.lambda_.rules.configuration import refuse


async def check_source(cx: Context, function: Function, source: Arn) -> None:
    """Raises InvalidParameterValueException unless the function's role can read from the queue or stream."""
    try:
        principal = await role_session(cx, function.role, function.name)
    except AwsError as error:
        raise refuse("The role defined for the function cannot be assumed by Lambda.") from error
    acting = cx.acting(principal, account=source.account, region=source.region)
    if source.service == "sqs":
        await _check_queue(acting, function, source)
    else:
        await _check_stream(acting, source)


async def _check_queue(acting: Context, function: Function, source: Arn) -> None:
    url = f"https://sqs.{source.region}.amazonaws.com/{source.account}/{source.resource}"
    ask = {"QueueUrl": url, "AttributeNames": ["VisibilityTimeout"]}
    try:
        answer = await acting.call(acting.make_call("sqs", "GetQueueAttributes", ask))
    except AwsError as error:
        if error.status >= 500:
            raise
        if "NonExistentQueue" in error.code or "QueueDoesNotExist" in error.code:
            raise refuse(
                "Error occurred while ReceiveMessage. SQS Error Code: "
                "AWS.SimpleQueueService.NonExistentQueue. SQS Error Message: The specified queue "
                "does not exist."
            ) from error
        raise refuse(
            "The provided execution role does not have permissions to call ReceiveMessage on SQS"
        ) from error
    visibility_s = int(answer.get("Attributes", {}).get("VisibilityTimeout", 30))
    if visibility_s < function.timeout_s:
        raise refuse(
            f"Queue visibility timeout: {visibility_s} seconds is less than Function timeout: "
            f"{function.timeout_s} seconds"
        )


async def _check_stream(acting: Context, source: Arn) -> None:
    is_kinesis = source.service == "kinesis"
    service = "kinesis" if is_kinesis else "dynamodbstreams"
    params: dict[str, Any] = {"StreamARN" if is_kinesis else "StreamArn": str(source)}
    try:
        await acting.call(acting.make_call(service, "DescribeStream", params))
    except AwsError as error:
        if error.status >= 500 and error.code != "NotImplemented":
            raise
        if "AccessDenied" in error.code:
            raise refuse(
                f"Cannot access stream {source}. Please ensure the role can perform the "
                "GetRecords, GetShardIterator, DescribeStream, and ListStreams Actions on your "
                "stream in IAM."
            ) from error
        raise refuse(f"Stream not found: {source}") from error
