"""Provisioned concurrency: environments that are kept ready.

https://docs.aws.amazon.com/lambda/latest/dg/provisioned-concurrency.html
"""

from __future__ import annotations

import msgspec

from serein.kernel import pages
from serein.kernel.operations import Read, Tx, operation
from serein.services.lambda_.access import (
    alias_or_none,
    find_function,
    find_latest,
    function_of,
    name_of,
    qualified_function_of,
    settings_of,
)
from serein.services.lambda_.concurrency import ACCOUNT_CONCURRENCY, UNRESERVED_MIN
from serein.services.lambda_.model import (
    InvalidParameterValueException,
    ProvisionedConcurrencyConfigNotFoundException,
    ResourceConflictException,
)
from serein.services.lambda_.records import (
    ALIASES,
    PROVISIONED,
    PROVISIONED_DOORBELL,
    SETTINGS,
    Answer,
    ProvisionedConcurrency,
    Request,
)
from serein.services.lambda_.rules.configuration import iso_time, page_start, refuse
from serein.services.lambda_.rules.conflicts import not_there
from serein.services.lambda_.rules.names import FunctionName

_PAGE_SIZE = 50


@operation("PutProvisionedConcurrencyConfig", on=qualified_function_of)
def put_provisioned_concurrency_config(tx: Tx, request: Request) -> Answer:
    """Keep environments of a version ready; the worker makes them and tells the state."""
    name = name_of(tx, request)
    if name.qualifier in ("", "$LATEST"):
        raise refuse(
            "Provisioned Concurrency Configs cannot be applied to unpublished function versions."
        )
    _check_qualifier(tx, name)
    _check_pointers(tx, name)
    wanted = request["ProvisionedConcurrentExecutions"]
    _check_room(tx, name, wanted)
    config = ProvisionedConcurrency(
        account=name.account,
        region=name.region,
        function=name.name,
        qualifier=name.qualifier,
        requested=wanted,
        modified_at=tx.now,
    )
    tx.put(PROVISIONED, config)
    tx.ring(PROVISIONED_DOORBELL)
    return _shown(config)


@operation("GetProvisionedConcurrencyConfig", on=qualified_function_of)
def get_provisioned_concurrency_config(read: Read, request: Request) -> Answer:
    """How far the environments of a version are ready."""
    name = name_of(read, request)
    _check_qualifier(read, name)
    config = read.get(PROVISIONED, name.account, name.region, name.name, name.qualifier)
    if config is None:
        raise ProvisionedConcurrencyConfigNotFoundException(
            "No Provisioned Concurrency Config found for this function", fields={"Type": "User"}
        )
    return _shown(config)


@operation("ListProvisionedConcurrencyConfigs", on=function_of)
def list_provisioned_concurrency_configs(read: Read, request: Request) -> Answer:
    """The configurations of a function's versions and aliases."""
    name = name_of(read, request)
    find_latest(read, name)
    after = page_start(request, "ListProvisionedConcurrencyConfigs")
    key = (name.account, name.region, name.name)
    page, token = pages.take_page(
        read.scan(PROVISIONED, key, start=after, start_after=bool(after)),
        min(request.get("MaxItems", _PAGE_SIZE), _PAGE_SIZE),
        lambda c: pages.encode_token("ListProvisionedConcurrencyConfigs", c.qualifier),
    )
    return {
        "ProvisionedConcurrencyConfigs": [
            {"FunctionArn": f"{name.arn}:{config.qualifier}", **_shown(config)} for config in page
        ],
        "NextMarker": token,
    }


@operation("DeleteProvisionedConcurrencyConfig", on=qualified_function_of)
def delete_provisioned_concurrency_config(tx: Tx, request: Request) -> Answer:
    """Keep nothing ready any more."""
    name = name_of(tx, request)
    _check_qualifier(tx, name)
    tx.delete(PROVISIONED, name.account, name.region, name.name, name.qualifier)
    tx.ring(PROVISIONED_DOORBELL)
    return {}


def _check_qualifier(read: Read, name: FunctionName) -> None:
    """Raises ResourceNotFoundException; an alias has words of its own."""
    if name.qualifier and not name.qualifier.isdigit() and name.qualifier != "$LATEST":
        find_latest(read, name)
        if alias_or_none(read, name) is None:
            raise not_there(f"Cannot find alias arn: {name.qualified_arn}")
    find_function(read, name)


def _check_pointers(read: Read, name: FunctionName) -> None:
    """A version is provisioned by itself or by its aliases, not by both."""
    key = (name.account, name.region, name.name)
    if name.qualifier.isdigit():
        for alias in read.scan(ALIASES, key):
            versions = (alias.version, *alias.weights)
            if name.qualifier in versions and read.get(PROVISIONED, *key, alias.name) is not None:
                raise ResourceConflictException(
                    "Version is pointed by a Provisioned Concurrency alias",
                    fields={"Type": "User"},
                )
        return
    alias_found = alias_or_none(read, name)
    if alias_found and read.get(PROVISIONED, *key, alias_found.version) is not None:
        raise ResourceConflictException(
            "Alias can't be used for Provisioned Concurrency configuration on an already "
            "Provisioned version",
            fields={"Type": "User"},
        )


def _check_room(read: Read, name: FunctionName, wanted: int) -> None:
    own = settings_of(read, name)
    prefix = (name.account, name.region)
    reserved = {
        s.function: s.reserved_concurrency
        for s in read.scan(SETTINGS, prefix)
        if s.reserved_concurrency is not None
    }
    others = [
        p
        for p in read.scan(PROVISIONED, prefix)
        if (p.function, p.qualifier) != (name.name, name.qualifier)
    ]
    if own.reserved_concurrency is not None:
        siblings = sum(p.requested for p in others if p.function == name.name)
        if wanted + siblings > own.reserved_concurrency:
            raise refuse(
                "Requested Provisioned Concurrency should not be greater than the "
                "reservedConcurrentExecution for function"
            )
        return
    unreserved = ACCOUNT_CONCURRENCY - sum(reserved.values())
    unreserved -= sum(p.requested for p in others if p.function not in reserved)
    if wanted > unreserved:
        raise InvalidParameterValueException(
            "Specified ConcurrentExecutions for function is greater than account's unreserved "
            f"concurrency [{unreserved}]."
        )
    if unreserved - wanted < UNRESERVED_MIN:
        raise InvalidParameterValueException(
            "Specified ConcurrentExecutions for function decreases account's "
            f"UnreservedConcurrentExecution below its minimum value of [{UNRESERVED_MIN}]."
        )


def _shown(config: ProvisionedConcurrency) -> Answer:
    shown: Answer = {
        "RequestedProvisionedConcurrentExecutions": config.requested,
        "AvailableProvisionedConcurrentExecutions": config.allocated,
        "AllocatedProvisionedConcurrentExecutions": config.allocated,
        "Status": config.status,
        "LastModified": iso_time(config.modified_at),
    }
    if config.reason:
        shown["StatusReason"] = config.reason
    return shown


def told(
    tx: Tx, config: ProvisionedConcurrency, allocated: int, possible: int, reason: str
) -> None:
    """Keep the state of a configuration, unless it has changed meanwhile; `possible` is what the machine has room for."""
    found = tx.get(PROVISIONED, config.account, config.region, config.function, config.qualifier)
    if found is None or found.modified_at != config.modified_at:
        return
    wanted = min(config.requested, possible)
    status = "FAILED" if reason else "READY" if allocated >= wanted else "IN_PROGRESS"
    changed = msgspec.structs.replace(found, allocated=allocated, status=status, reason=reason)
    if changed != found:
        tx.put(PROVISIONED, changed)
