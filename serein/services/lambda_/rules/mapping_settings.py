"""What an event source mapping may be told, by the kind of its source.

https://docs.aws.amazon.com/lambda/latest/api/API_CreateEventSourceMapping.html
"""

from __future__ import annotations

from typing import Any

from serein.base.arn import Arn, arn_or_none
from serein.base.errors import AwsError
from serein.services.lambda_.records import Mapping, Request
from serein.services.lambda_.rules.configuration import refuse
from serein.services.lambda_.rules.filters import FILTERS_MAX, check_filters

QUEUE_BATCH_MAX = 10_000
QUEUE_BATCH_WITHOUT_WINDOW_MAX = 10
STREAM_BATCH_DEFAULT = 100
QUEUE_BATCH_DEFAULT = 10
_DESTINATIONS = ("sqs", "sns", "s3")
_KINDS = {"sqs": "SQS", "dynamodb": "DYNAMODB", "kinesis": "KINESIS"}

_STREAM_ONLY = (
    "StartingPosition",
    "StartingPositionTimestamp",
    "ParallelizationFactor",
    "BisectBatchOnFunctionError",
    "MaximumRetryAttempts",
    "MaximumRecordAgeInSeconds",
    "TumblingWindowInSeconds",
    "DestinationConfig",
)
_QUEUE_ONLY = ("ScalingConfig",)
_FIELDS = (
    ("BatchSize", "batch_size"),
    ("MaximumBatchingWindowInSeconds", "window_s"),
    ("Enabled", "enabled"),
    ("KMSKeyArn", "kms_key_arn"),
    ("ParallelizationFactor", "parallelization"),
    ("BisectBatchOnFunctionError", "bisects"),
    ("MaximumRetryAttempts", "retries_max"),
    ("MaximumRecordAgeInSeconds", "age_s_max"),
    ("TumblingWindowInSeconds", "tumbling_s"),
)


def source_of(request: Request) -> Arn:
    """The queue or stream that a request names. Raises AwsError for anything else."""
    text = request.get("EventSourceArn")
    if not text:
        raise refuse("Unrecognized event source.")
    arn = arn_or_none(text)
    if arn is None:
        raise refuse("Unrecognized event source, must be kinesis, dynamodb stream or sqs.")
    if arn.service not in _KINDS:
        raise AwsError(
            "Serein has not implemented lambda:CreateEventSourceMapping for sources of "
            f"{arn.service} yet.",
            code="NotImplemented",
            status=501,
        )
    if arn.service == "dynamodb" and "/stream/" not in arn.resource:
        raise refuse("Unrecognized event source, must be kinesis, dynamodb stream or sqs.")
    return arn


def check_members(request: Request, source: Arn) -> None:
    """Raises InvalidParameterValueException for what that kind of source has not."""
    unsupported = _STREAM_ONLY if source.service == "sqs" else _QUEUE_ONLY
    for member in unsupported:
        if member in request and request[member] not in ({}, None):
            raise refuse(
                f"Unsupported parameter for Event source type {_KINDS[source.service]}: "
                f"{member[0].lower()}{member[1:]}."
            )


def check_start(request: Request) -> None:
    """Raises where a stream is to be read from no place, or from a time that was not said."""
    position = request.get("StartingPosition")
    if position is None:
        raise AwsError(
            "1 validation error detected: Value null at 'startingPosition' failed to satisfy "
            "constraint: Member must not be null.",
            code="ValidationException",
        )
    if (position == "AT_TIMESTAMP") != ("StartingPositionTimestamp" in request):
        raise refuse(
            "StartingPositionTimestamp is required with the starting position AT_TIMESTAMP, and "
            "with no other."
        )


def settings_in(request: Request) -> dict[str, Any]:
    """The members of a Mapping that a request sets. Raises InvalidParameterValueException."""
    found: dict[str, Any] = {
        field: request[member] for member, field in _FIELDS if member in request
    }
    if "FunctionResponseTypes" in request:
        found["response_types"] = tuple(request["FunctionResponseTypes"])
    if "ScalingConfig" in request:
        found["concurrency_max"] = request["ScalingConfig"].get("MaximumConcurrency")
    if "MetricsConfig" in request:
        found["metrics"] = tuple(request["MetricsConfig"].get("Metrics") or ())
    if "ProvisionedPollerConfig" in request:
        found["pollers"] = dict(request["ProvisionedPollerConfig"]) or None
    if "DestinationConfig" in request:
        found["on_failure"] = _destination(request["DestinationConfig"])
    if "FilterCriteria" in request:
        patterns = tuple(
            one.get("Pattern", "") for one in request["FilterCriteria"].get("Filters") or ()
        )
        if len(patterns) > FILTERS_MAX:
            raise refuse("Number of filters exceeds the limit.")
        check_filters(patterns)
        found["filters"] = patterns
    return found


def _destination(config: dict[str, Any]) -> str:
    arn = str(config.get("OnFailure", {}).get("Destination") or "")
    parsed = arn_or_none(arn)
    if arn and (parsed is None or parsed.service not in _DESTINATIONS):
        raise refuse(
            "The provided destination config DestinationConfig(onSuccess=null, "
            f"onFailure=OnFailure(destination={arn})) is invalid."
        )
    return arn


def check_batch(mapping: Mapping) -> None:
    """Raises InvalidParameterValueException for a batch that its source cannot give."""
    if ":sqs:" not in mapping.source_arn:
        return
    fifo = mapping.source_arn.endswith(".fifo")
    if fifo and mapping.window_s:
        raise refuse("Batching window is not supported for FIFO queues")
    limit = QUEUE_BATCH_WITHOUT_WINDOW_MAX if fifo else QUEUE_BATCH_MAX
    if mapping.batch_size > limit:
        raise refuse(f"BatchSize must be less than or equal to {limit}")
    if mapping.batch_size > QUEUE_BATCH_WITHOUT_WINDOW_MAX and mapping.window_s < 1:
        raise refuse(
            "Maximum batch window in seconds must be greater than 0 if maximum batch size is "
            "greater than 10"
        )
