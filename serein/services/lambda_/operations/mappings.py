"""Event source mappings: which queue feeds which function.

https://docs.aws.amazon.com/lambda/latest/dg/invocation-eventsourcemapping.html
"""

from __future__ import annotations

from typing import Any

import msgspec

from serein.base.arn import Arn, arn_or_none
from serein.base.errors import AwsError
from serein.kernel import pages
from serein.kernel.calls import Call
from serein.kernel.operations import Context, Read, Tx, operation
from serein.services.lambda_.access import find_function, mapping_of, name_of
from serein.services.lambda_.functions import role_session
from serein.services.lambda_.model import ResourceConflictException, ResourceNotFoundException
from serein.services.lambda_.records import (
    FUNCTIONS,
    MAPPINGS,
    MAPPINGS_DOORBELL,
    Answer,
    Function,
    Mapping,
    Request,
)
from serein.services.lambda_.rules.configuration import refuse
from serein.services.lambda_.rules.filters import FILTERS_MAX, check_filters
from serein.services.lambda_.rules.names import parse_name

_QUEUE_BATCH_MAX = 10_000
_QUEUE_BATCH_WITHOUT_WINDOW_MAX = 10
_STREAM_ONLY = (
    "StartingPosition",
    "StartingPositionTimestamp",
    "ParallelizationFactor",
    "BisectBatchOnFunctionError",
    "MaximumRetryAttempts",
    "MaximumRecordAgeInSeconds",
    "TumblingWindowInSeconds",
)


def mapped_function_of(call: Call) -> str:
    """CreateEventSourceMapping is judged on every mapping of the account: it has no id yet."""
    scope = call.scope
    return f"arn:aws:lambda:{scope.region}:{scope.account}:event-source-mapping:*"


@operation(
    "CreateEventSourceMapping",
    on=mapped_function_of,
    ignores=("KMSKeyArn", "MetricsConfig", "ProvisionedPollerConfig", "LoggingConfig"),
)
async def create_event_source_mapping(cx: Context, request: Request) -> Answer:
    """Feed a function from a queue."""
    read = cx.read()
    name = name_of(read, request)
    function = find_function(read, name)
    source = _queue_arn(request)
    mapping = _mapping(cx, request, source, name.qualifier, function)
    await _check_queue(cx, function, source)
    await cx.transact(_store_new, mapping, request.get("Tags") or {})
    return shown(mapping, state="Creating")


@operation("GetEventSourceMapping", on=mapping_of)
def get_event_source_mapping(read: Read, request: Request) -> Answer:
    """A mapping and its state."""
    return shown(_find(read, request["UUID"]))


@operation("ListEventSourceMappings")
def list_event_source_mappings(read: Read, request: Request) -> Answer:
    """Mappings, of a function or of a source if one is named."""
    wanted_function = None
    if "FunctionName" in request:
        wanted = parse_name(request["FunctionName"], None, read.account, read.region)
        wanted_function = (wanted.name, wanted.qualifier)
    wanted_source = request.get("EventSourceArn")
    after: tuple[Any, ...] = ()
    if marker := request.get("Marker"):
        try:
            after = tuple(pages.decode_token("ListEventSourceMappings", marker))
        except pages.InvalidPageToken as error:
            raise refuse("Invalid marker") from error
    mappings = (
        mapping
        for mapping in read.scan(
            MAPPINGS, (read.account, read.region), start=after, start_after=bool(after)
        )
        if wanted_function in (None, (mapping.function, mapping.qualifier))
        and wanted_source in (None, mapping.source_arn)
    )
    size = min(request.get("MaxItems", 100), 100)
    page, token = pages.take_page(
        mappings, size, lambda m: pages.encode_token("ListEventSourceMappings", m.id)
    )
    return {"EventSourceMappings": [shown(mapping) for mapping in page], "NextMarker": token}


@operation(
    "UpdateEventSourceMapping",
    on=mapping_of,
    ignores=("KMSKeyArn", "MetricsConfig", "ProvisionedPollerConfig", "LoggingConfig"),
)
def update_event_source_mapping(tx: Tx, request: Request) -> Answer:
    """Change a mapping, or switch it on or off."""
    mapping = _find(tx, request["UUID"])
    changes: dict[str, Any] = _settings_in(request)
    if "FunctionName" in request:
        name = parse_name(request["FunctionName"], None, tx.account, tx.region)
        find_function(tx, name)
        changes |= {"function": name.name, "qualifier": name.qualifier}
    before = mapping.enabled
    enabled = changes.get("enabled", before)
    changed = msgspec.structs.replace(
        mapping,
        **changes,
        modified_at=tx.now,
        state="Enabled" if enabled else "Disabled",
    )
    _check_batch(changed)
    tx.put(MAPPINGS, changed)
    tx.ring(MAPPINGS_DOORBELL)
    state = "Updating" if enabled == before else ("Enabling" if enabled else "Disabling")
    return shown(changed, state=state)


@operation("DeleteEventSourceMapping", on=mapping_of)
def delete_event_source_mapping(tx: Tx, request: Request) -> Answer:
    """Feed the function no longer."""
    mapping = _find(tx, request["UUID"])
    tx.delete(MAPPINGS, mapping.account, mapping.region, mapping.id)
    tx.untag(mapping.arn)
    tx.ring(MAPPINGS_DOORBELL)
    return shown(mapping, state="Deleting")


def shown(mapping: Mapping, *, state: str = "") -> Answer:
    """A mapping as AWS shows it."""
    arn = f"arn:aws:lambda:{mapping.region}:{mapping.account}:function:{mapping.function}"
    answer: Answer = {
        "UUID": mapping.id,
        "BatchSize": mapping.batch_size,
        "MaximumBatchingWindowInSeconds": mapping.window_s,
        "EventSourceArn": mapping.source_arn,
        "FunctionArn": f"{arn}:{mapping.qualifier}" if mapping.qualifier else arn,
        "LastModified": mapping.modified_at,
        "State": state or mapping.state,
        "StateTransitionReason": mapping.transition_reason,
        "FunctionResponseTypes": list(mapping.response_types),
        "EventSourceMappingArn": mapping.arn,
    }
    if mapping.filters:
        answer["FilterCriteria"] = {"Filters": [{"Pattern": text} for text in mapping.filters]}
    if mapping.concurrency_max is not None:
        answer["ScalingConfig"] = {"MaximumConcurrency": mapping.concurrency_max}
    return answer


def _find(read: Read, mapping_id: str) -> Mapping:
    mapping = read.get(MAPPINGS, read.account, read.region, mapping_id)
    if mapping is None:
        raise ResourceNotFoundException(
            "The resource you requested does not exist.", fields={"Type": "User"}
        )
    return mapping


def _queue_arn(request: Request) -> Arn:
    text = request.get("EventSourceArn")
    if not text:
        raise refuse("Unrecognized event source.")
    arn = arn_or_none(text)
    if arn is None:
        raise refuse("Unrecognized event source, must be kinesis, dynamodb stream or sqs.")
    if arn.service != "sqs":
        raise AwsError(
            "Serein has not implemented lambda:CreateEventSourceMapping for sources of "
            f"{arn.service} yet.",
            code="NotImplemented",
            status=501,
        )
    for member in _STREAM_ONLY:
        if member in request:
            raise refuse(
                f"Unsupported parameter for Event source type SQS: {member[0].lower()}{member[1:]}."
            )
    return arn


def _mapping(
    cx: Context, request: Request, source: Arn, qualifier: str, function: Function
) -> Mapping:
    enabled = request.get("Enabled", True)
    settings = {
        "batch_size": 10,
        "window_s": 0,
        "filters": (),
        "response_types": (),
        "concurrency_max": None,
        **_settings_in(request),
    }
    settings.pop("enabled", None)
    mapping = Mapping(
        account=cx.account,
        region=cx.region,
        id=cx.new_id(),
        function=function.name,
        qualifier=qualifier,
        source_arn=str(source),
        enabled=enabled,
        modified_at=cx.now,
        state="Enabled" if enabled else "Disabled",
        **settings,
    )
    _check_batch(mapping)
    return mapping


def _settings_in(request: Request) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if "BatchSize" in request:
        found["batch_size"] = request["BatchSize"]
    if "MaximumBatchingWindowInSeconds" in request:
        found["window_s"] = request["MaximumBatchingWindowInSeconds"]
    if "Enabled" in request:
        found["enabled"] = request["Enabled"]
    if "FunctionResponseTypes" in request:
        found["response_types"] = tuple(request["FunctionResponseTypes"])
    if "ScalingConfig" in request:
        found["concurrency_max"] = request["ScalingConfig"].get("MaximumConcurrency")
    if "FilterCriteria" in request:
        patterns = tuple(
            one.get("Pattern", "") for one in request["FilterCriteria"].get("Filters") or ()
        )
        if len(patterns) > FILTERS_MAX:
            raise refuse("Number of filters exceeds the limit.")
        check_filters(patterns)
        found["filters"] = patterns
    return found


def _check_batch(mapping: Mapping) -> None:
    fifo = mapping.source_arn.endswith(".fifo")
    if fifo and mapping.window_s:
        raise refuse("Batching window is not supported for FIFO queues")
    limit = _QUEUE_BATCH_WITHOUT_WINDOW_MAX if fifo else _QUEUE_BATCH_MAX
    if mapping.batch_size > limit:
        raise refuse(f"BatchSize must be less than or equal to {limit}")
    if mapping.batch_size > _QUEUE_BATCH_WITHOUT_WINDOW_MAX and mapping.window_s < 1:
        raise refuse(
            "Maximum batch window in seconds must be greater than 0 if maximum batch size is "
            "greater than 10"
        )


async def _check_queue(cx: Context, function: Function, source: Arn) -> None:
    """Raises InvalidParameterValueException unless the function's role can receive from the queue."""
    try:
        principal = await role_session(cx, function.role, function.name)
    except AwsError as error:
        raise refuse("The role defined for the function cannot be assumed by Lambda.") from error
    acting = cx.acting(principal, account=source.account, region=source.region)
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


def _store_new(tx: Tx, mapping: Mapping, tags: dict[str, str]) -> None:
    latest = tx.get(FUNCTIONS, mapping.account, mapping.region, mapping.function, 0)
    if latest is None:
        raise ResourceNotFoundException(
            f"Function not found: {mapping.function}", fields={"Type": "User"}
        )
    for other in tx.scan(MAPPINGS, (mapping.account, mapping.region)):
        if other.source_arn == mapping.source_arn and other.function == mapping.function:
            raise ResourceConflictException(
                f'The event source arn (" {mapping.source_arn} ") and function (" '
                f'{mapping.function} ") provided mapping already exists. Please update or delete '
                f"the existing mapping with UUID {other.id}",
                fields={"Type": "User"},
            )
    tx.put(MAPPINGS, mapping)
    if tags:
        tx.tag(mapping.arn, tags)
    tx.ring(MAPPINGS_DOORBELL)
