"""Event source mappings: which queue or stream feeds which function.

https://docs.aws.amazon.com/lambda/latest/dg/invocation-eventsourcemapping.html
"""

from __future__ import annotations

from typing import Any

import msgspec

from serein.base.arn import Arn, parse_arn
from serein.kernel import pages
from serein.kernel.calls import Call
from serein.kernel.operations import Context, Read, Tx, operation
from serein.services.lambda_.access import find_function, mapping_of, name_of
from serein.services.lambda_.model import ResourceConflictException
from serein.services.lambda_.operations.mapped_sources import check_source
from serein.services.lambda_.records import (
    CHECKPOINTS,
    FUNCTIONS,
    MAPPINGS,
    MAPPINGS_DOORBELL,
    Answer,
    Function,
    Mapping,
    Request,
)
from serein.services.lambda_.rules.configuration import check_tags, page_start
from serein.services.lambda_.rules.conflicts import not_there
from serein.services.lambda_.rules.mapping_settings import (
    QUEUE_BATCH_DEFAULT,
    STREAM_BATCH_DEFAULT,
    check_batch,
    check_members,
    check_start,
    settings_in,
    source_of,
)
from serein.services.lambda_.rules.names import not_found, parse_name


def mapped_function_of(call: Call) -> str:
    """CreateEventSourceMapping is judged on every mapping of the account: it has no id yet."""
    scope = call.scope
    return f"arn:aws:lambda:{scope.region}:{scope.account}:event-source-mapping:*"


@operation(
    "CreateEventSourceMapping",
    on=mapped_function_of,
    ignores=("LoggingConfig",),
)
async def create_event_source_mapping(cx: Context, request: Request) -> Answer:
    """Feed a function from a queue."""
    read = cx.read()
    name = name_of(read, request)
    function = find_function(read, name)
    source = source_of(request)
    check_members(request, source)
    if source.service != "sqs":
        check_start(request)
    mapping = _mapping(cx, request, source, name.qualifier, function)
    await check_source(cx, function, source)
    tags = request.get("Tags") or {}
    check_tags(tags)
    await cx.transact(_store_new, mapping, tags)
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
    after = page_start(request, "ListEventSourceMappings")
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
    ignores=("LoggingConfig",),
)
def update_event_source_mapping(tx: Tx, request: Request) -> Answer:
    """Change a mapping, or switch it on or off."""
    mapping = _find(tx, request["UUID"])
    check_members(request, parse_arn(mapping.source_arn))
    changes: dict[str, Any] = settings_in(request)
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
    check_batch(changed)
    tx.put(MAPPINGS, changed)
    tx.ring(MAPPINGS_DOORBELL)
    state = "Updating" if enabled == before else ("Enabling" if enabled else "Disabling")
    return shown(changed, state=state)


@operation("DeleteEventSourceMapping", on=mapping_of)
def delete_event_source_mapping(tx: Tx, request: Request) -> Answer:
    """Feed the function no longer."""
    mapping = _find(tx, request["UUID"])
    tx.delete(MAPPINGS, mapping.account, mapping.region, mapping.id)
    tx.delete_range(CHECKPOINTS, (mapping.id,))
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
    if mapping.starting_position:
        answer |= _shown_of_stream(mapping)
    if mapping.kms_key_arn:
        answer["KMSKeyArn"] = mapping.kms_key_arn
    if mapping.metrics:
        answer["MetricsConfig"] = {"Metrics": list(mapping.metrics)}
    if mapping.pollers:
        answer["ProvisionedPollerConfig"] = mapping.pollers
    if mapping.filters:
        answer["FilterCriteria"] = {"Filters": [{"Pattern": text} for text in mapping.filters]}
    if mapping.concurrency_max is not None:
        answer["ScalingConfig"] = {"MaximumConcurrency": mapping.concurrency_max}
    return answer


def _shown_of_stream(mapping: Mapping) -> Answer:
    shown: Answer = {
        "StartingPosition": mapping.starting_position,
        "ParallelizationFactor": mapping.parallelization,
        "BisectBatchOnFunctionError": mapping.bisects,
        "MaximumRetryAttempts": mapping.retries_max,
        "MaximumRecordAgeInSeconds": mapping.age_s_max,
        "TumblingWindowInSeconds": mapping.tumbling_s,
        "DestinationConfig": {
            "OnFailure": {"Destination": mapping.on_failure} if mapping.on_failure else {}
        },
        "LastProcessingResult": mapping.result or "No records processed",
    }
    if mapping.starting_at is not None:
        shown["StartingPositionTimestamp"] = mapping.starting_at
    return shown


def _find(read: Read, mapping_id: str) -> Mapping:
    mapping = read.get(MAPPINGS, read.account, read.region, mapping_id)
    if mapping is None:
        raise not_there()
    return mapping


def _mapping(
    cx: Context, request: Request, source: Arn, qualifier: str, function: Function
) -> Mapping:
    enabled = request.get("Enabled", True)
    is_queue = source.service == "sqs"
    settings = {
        "batch_size": QUEUE_BATCH_DEFAULT if is_queue else STREAM_BATCH_DEFAULT,
        "window_s": 0,
        "filters": (),
        "response_types": (),
        "concurrency_max": None,
        **settings_in(request),
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
        created_at=cx.now,
        state="Enabled" if enabled else "Disabled",
        transition_reason="USER_INITIATED" if is_queue else "User action",
        starting_position=request.get("StartingPosition", ""),
        starting_at=request.get("StartingPositionTimestamp"),
        **settings,
    )
    check_batch(mapping)
    return mapping


def _store_new(tx: Tx, mapping: Mapping, tags: dict[str, str]) -> None:
    latest = tx.get(FUNCTIONS, mapping.account, mapping.region, mapping.function, 0)
    if latest is None:
        arn = f"arn:aws:lambda:{mapping.region}:{mapping.account}:function:{mapping.function}"
        raise not_found(arn)
    for other in tx.scan(MAPPINGS, (mapping.account, mapping.region)):
        same = (other.source_arn, other.function, other.qualifier)
        if same == (mapping.source_arn, mapping.function, mapping.qualifier):
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
