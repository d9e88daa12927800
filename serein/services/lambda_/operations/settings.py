"""What is set for a function as a whole: concurrency, asynchronous invocation, and what Terraform asks for."""

from __future__ import annotations

from typing import Any

import msgspec

from serein.base.arn import arn_or_none
from serein.kernel import pages
from serein.kernel.operations import Read, Tx, operation
from serein.services.lambda_.access import (
    find_function,
    find_latest,
    function_of,
    name_of,
    qualified_function_of,
    settings_of,
    stored_bytes,
)
from serein.services.lambda_.concurrency import ACCOUNT_CONCURRENCY, UNRESERVED_MIN
from serein.services.lambda_.model import (
    InvalidParameterValueException,
    ResourceNotFoundException,
)
from serein.services.lambda_.records import (
    EVENT_CONFIGS,
    FUNCTIONS,
    LATEST,
    SETTINGS,
    Answer,
    EventInvokeConfig,
    Function,
    Request,
)
from serein.services.lambda_.rules.configuration import CODE_BYTES_MAX, page_start, refuse
from serein.services.lambda_.rules.conflicts import not_there
from serein.services.lambda_.rules.names import FunctionName

_PAGE_SIZE = 50
_DESTINATIONS = ("sqs", "sns", "lambda", "events", "s3")


@operation("GetAccountSettings")
def get_accountsettings_of(read: Read, request: Request) -> Answer:
    """The account's limits in the region, and how much of them is used."""
    prefix = (read.account, read.region)
    reserved = sum(s.reserved_concurrency or 0 for s in read.scan(SETTINGS, prefix))
    return {
        "AccountLimit": {
            "TotalCodeSize": CODE_BYTES_MAX,
            "CodeSizeUnzipped": 262_144_000,
            "CodeSizeZipped": 52_428_800,
            "ConcurrentExecutions": ACCOUNT_CONCURRENCY,
            "UnreservedConcurrentExecutions": ACCOUNT_CONCURRENCY - reserved,
        },
        "AccountUsage": {
            "TotalCodeSize": stored_bytes(read, *prefix),
            "FunctionCount": sum(1 for f in read.scan(FUNCTIONS, prefix) if f.version == LATEST),
        },
    }


@operation("PutFunctionConcurrency", on=function_of)
def put_function_concurrency(tx: Tx, request: Request) -> Answer:
    """Reserve concurrency for a function; 0 stops it."""
    name = name_of(tx, request)
    find_latest(tx, name)
    wanted = request["ReservedConcurrentExecutions"]
    others = sum(
        s.reserved_concurrency or 0
        for s in tx.scan(SETTINGS, (name.account, name.region))
        if s.function != name.name
    )
    if ACCOUNT_CONCURRENCY - others - wanted < UNRESERVED_MIN:
        raise InvalidParameterValueException(
            "Specified ReservedConcurrentExecutions for function decreases account's "
            f"UnreservedConcurrentExecution below its minimum value of [{UNRESERVED_MIN}]."
        )
    tx.put(SETTINGS, msgspec.structs.replace(settings_of(tx, name), reserved_concurrency=wanted))
    return {"ReservedConcurrentExecutions": wanted}


@operation("GetFunctionConcurrency", on=function_of)
def get_function_concurrency(read: Read, request: Request) -> Answer:
    """The concurrency reserved for a function, if any is."""
    name = name_of(read, request)
    find_latest(read, name)
    reserved = settings_of(read, name).reserved_concurrency
    return {} if reserved is None else {"ReservedConcurrentExecutions": reserved}


@operation("DeleteFunctionConcurrency", on=function_of)
def delete_function_concurrency(tx: Tx, request: Request) -> Answer:
    """Give the reserved concurrency back."""
    name = name_of(tx, request)
    find_latest(tx, name)
    tx.put(SETTINGS, msgspec.structs.replace(settings_of(tx, name), reserved_concurrency=None))
    return {}


@operation("GetRuntimeManagementConfig", on=qualified_function_of)
def get_runtime_management_config(read: Read, request: Request) -> Answer:
    """When the runtime of a version is updated."""
    name = name_of(read, request)
    return _runtime_shown(name, find_function(read, name))


@operation("PutRuntimeManagementConfig", on=qualified_function_of)
def put_runtime_management_config(tx: Tx, request: Request) -> Answer:
    """Keep when the runtime should be updated; the runtime is the machine's, whichever is said."""
    name = name_of(tx, request)
    function = find_function(tx, name)
    wanted = request["UpdateRuntimeOn"]
    arn = request.get("RuntimeVersionArn", "")
    if wanted == "Manual" and not arn:
        raise refuse("RuntimeVersionArn is required when UpdateRuntimeOn is set to Manual.")
    if wanted != "Manual" and arn:
        raise refuse("RuntimeVersionArn is only supported when UpdateRuntimeOn is set to Manual.")
    changed = msgspec.structs.replace(
        function, update_runtime_on=wanted, runtime_version_arn=arn, revision=tx.new_id()
    )
    tx.put(FUNCTIONS, changed)
    return _runtime_shown(name, changed)


def _runtime_shown(name: FunctionName, function: Function) -> Answer:
    qualifier = name.qualifier or "$LATEST"
    shown: Answer = {
        "UpdateRuntimeOn": function.update_runtime_on,
        "FunctionArn": f"{name.arn}:{qualifier}",
    }
    if function.runtime_version_arn:
        shown["RuntimeVersionArn"] = function.runtime_version_arn
    return shown


@operation("GetFunctionRecursionConfig", on=function_of)
def get_function_recursion_config(read: Read, request: Request) -> Answer:
    """What happens to a function that calls itself in a loop."""
    name = name_of(read, request)
    find_latest(read, name)
    return {"RecursiveLoop": settings_of(read, name).recursive_loop}


@operation("PutFunctionRecursionConfig", on=function_of)
def put_function_recursion_config(tx: Tx, request: Request) -> Answer:
    """Say what should happen to a function that calls itself in a loop."""
    name = name_of(tx, request)
    find_latest(tx, name)
    wanted = request["RecursiveLoop"]
    tx.put(SETTINGS, msgspec.structs.replace(settings_of(tx, name), recursive_loop=wanted))
    return {"RecursiveLoop": wanted}


@operation("PutFunctionEventInvokeConfig", on=qualified_function_of)
def put_function_event_invoke_config(tx: Tx, request: Request) -> Answer:
    """Set how asynchronous invocations are retried and where their outcomes go."""
    return _store_event_config(tx, request, keep=False)


@operation("UpdateFunctionEventInvokeConfig", on=qualified_function_of)
def update_function_event_invoke_config(tx: Tx, request: Request) -> Answer:
    """Change only what is given."""
    return _store_event_config(tx, request, keep=True)


@operation("GetFunctionEventInvokeConfig", on=qualified_function_of)
def get_function_event_invoke_config(read: Read, request: Request) -> Answer:
    """How asynchronous invocations of a qualifier are treated."""
    name = name_of(read, request)
    return _shown(name, _find_event_config(read, name))


@operation("ListFunctionEventInvokeConfigs", on=function_of)
def list_function_event_invoke_configs(read: Read, request: Request) -> Answer:
    """The configurations of all qualifiers."""
    name = name_of(read, request)
    if read.get(FUNCTIONS, name.account, name.region, name.name, LATEST) is None:
        raise not_there("The function doesn't exist.")
    after = page_start(request, "ListFunctionEventInvokeConfigs")
    key = (name.account, name.region, name.name)
    page, token = pages.take_page(
        read.scan(EVENT_CONFIGS, key, start=after, start_after=bool(after)),
        min(request.get("MaxItems", _PAGE_SIZE), _PAGE_SIZE),
        lambda c: pages.encode_token("ListFunctionEventInvokeConfigs", c.qualifier),
    )
    shown = [_shown(name._replace(qualifier=c.qualifier), c) for c in page]
    return {"FunctionEventInvokeConfigs": shown, "NextMarker": token}


@operation("DeleteFunctionEventInvokeConfig", on=qualified_function_of)
def delete_function_event_invoke_config(tx: Tx, request: Request) -> Answer:
    """Back to the defaults."""
    name = name_of(tx, request)
    config = _find_event_config(tx, name)
    tx.delete(EVENT_CONFIGS, config.account, config.region, config.function, config.qualifier)
    return {}


def _qualifier(name: FunctionName) -> str:
    return name.qualifier or "$LATEST"


def _find_event_config(read: Read, name: FunctionName) -> EventInvokeConfig:
    qualifier = _qualifier(name)
    config = read.get(EVENT_CONFIGS, name.account, name.region, name.name, qualifier)
    if config is None:
        raise ResourceNotFoundException(
            f"The function {name.arn}:{qualifier} doesn't have an EventInvokeConfig",
            fields={"Type": "User"},
        )
    return config


def _store_event_config(tx: Tx, request: Request, *, keep: bool) -> Answer:
    name = name_of(tx, request)
    given = ("MaximumRetryAttempts", "MaximumEventAgeInSeconds", "DestinationConfig")
    if not any(member in request for member in given):
        raise refuse("You must specify at least one of error handling or destination setting.")
    try:
        find_function(tx, name)
    except ResourceNotFoundException as error:
        raise not_there("The function doesn't exist.") from error
    before = _find_event_config(tx, name) if keep else None
    destinations = request.get("DestinationConfig", {})
    on_success = _destination(tx, name, destinations, "OnSuccess")
    on_failure = _destination(tx, name, destinations, "OnFailure")
    config = EventInvokeConfig(
        account=name.account,
        region=name.region,
        function=name.name,
        qualifier=_qualifier(name),
        retries_max=request.get("MaximumRetryAttempts", before.retries_max if before else None),
        age_s_max=request.get("MaximumEventAgeInSeconds", before.age_s_max if before else None),
        on_success=on_success or (before.on_success if before else None),
        on_failure=on_failure or (before.on_failure if before else None),
        modified_at=tx.now,
    )
    tx.put(EVENT_CONFIGS, config)
    return _shown(name, config)


def _destination(read: Read, name: FunctionName, given: dict[str, Any], member: str) -> str | None:
    arn = given.get(member, {}).get("Destination")
    if not arn:
        return None
    parsed = arn_or_none(arn)
    if parsed is None or parsed.service not in _DESTINATIONS:
        success = f"OnSuccess(destination={arn})" if member == "OnSuccess" else "null"
        failure = f"OnFailure(destination={arn})" if member == "OnFailure" else "null"
        raise refuse(
            f"The provided destination config DestinationConfig(onSuccess={success}, "
            f"onFailure={failure}) is invalid."
        )
    if parsed.service == "lambda":
        if arn in (name.arn, name.qualified_arn):
            raise refuse("You can't specify the function as a destination for itself.")
        function = parsed.resource.split(":")[1] if ":" in parsed.resource else ""
        if read.get(FUNCTIONS, parsed.account, parsed.region, function, LATEST) is None:
            raise refuse(f"The destination ARN {arn} is invalid.")
    return str(arn)


def _shown(name: FunctionName, config: EventInvokeConfig) -> Answer:
    shown: Answer = {
        "FunctionArn": f"{name.arn}:{config.qualifier}",
        "LastModified": config.modified_at,
        "DestinationConfig": {
            "OnSuccess": {"Destination": config.on_success} if config.on_success else {},
            "OnFailure": {"Destination": config.on_failure} if config.on_failure else {},
        },
    }
    if config.retries_max is not None:
        shown["MaximumRetryAttempts"] = config.retries_max
    if config.age_s_max is not None:
        shown["MaximumEventAgeInSeconds"] = config.age_s_max
    return shown
