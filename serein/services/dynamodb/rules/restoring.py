"""The table that a restore makes: like its source, but for what is not restored and what the request overrides.

https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/CreateBackup.html (what a restored table has and has not)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec.structs import replace

from serein.base.arn import make_arn
from serein.engines.expressions.errors import ValidationException
from serein.kernel.operations import Tx
from serein.services.dynamodb.records import Index, Restored, TableRecord, Throughput
from serein.services.dynamodb.rules.schema import index_throughput, throughput_of

Request = Mapping[str, Any]


def restored_table(
    tx: Tx,
    source: TableRecord,
    name: str,
    request: Request,
    restored: Restored,
    sse_key_arn: str,
) -> TableRecord:
    """The new table, not to be used yet. Streams, time to live, tags, policies and recovery settings are not restored."""
    pay_per_request = _is_on_demand(source, request)
    throughput = source.throughput
    if "ProvisionedThroughputOverride" in request:
        if pay_per_request:
            raise ValidationException(
                "ProvisionedThroughputOverride cannot be specified when BillingModeOverride is PAY_PER_REQUEST"
            )
        throughput = throughput_of(request["ProvisionedThroughputOverride"])
    elif pay_per_request:
        throughput = Throughput()
    elif source.pay_per_request:
        raise ValidationException(
            "ProvisionedThroughputOverride must be specified when BillingModeOverride is PROVISIONED"
        )
    return TableRecord(
        spread=source.spread,
        account=tx.account,
        region=tx.region,
        name=name,
        id=tx.new_id(),
        arn=make_arn("dynamodb", tx.region, tx.account, f"table/{name}"),
        created_at=tx.now,
        hash=source.hash,
        sort=source.sort,
        definitions=source.definitions,
        indexes=_indexes(tx, source, request, pay_per_request),
        pay_per_request=pay_per_request,
        pay_per_request_since=tx.now if pay_per_request else None,
        throughput=replace(throughput, decreases_today=0, increased_at=None, decreased_at=None),
        on_demand=dict(request.get("OnDemandThroughputOverride") or source.on_demand),
        sse_key_arn=sse_key_arn,
        table_class=source.table_class,
        filling=True,
        restored=restored,
    )


def _is_on_demand(source: TableRecord, request: Request) -> bool:
    mode = request.get("BillingModeOverride")
    return source.pay_per_request if mode is None else bool(mode == "PAY_PER_REQUEST")


def _indexes(
    tx: Tx, source: TableRecord, request: Request, pay_per_request: bool
) -> tuple[Index, ...]:
    """The source's indexes, or those of them that the overrides name; each with a new id."""
    kept: list[Index] = []
    for global_, parameter in (
        (False, "LocalSecondaryIndexOverride"),
        (True, "GlobalSecondaryIndexOverride"),
    ):
        present = {index.name: index for index in source.indexes if index.global_ == global_}
        wanted: Sequence[Request] | None = request.get(parameter)
        if wanted is None:
            kept.extend(replace(index, status="ACTIVE") for index in present.values())
            continue
        for given in wanted:
            index = present.get(given["IndexName"])
            if index is None or not _matches(index, given):
                raise ValidationException(
                    "One or more parameter values were invalid: the indexes provided must match the "
                    f"existing secondary indexes of the source table: {given['IndexName']}"
                )
            if global_ and not pay_per_request and given.get("ProvisionedThroughput"):
                index = replace(index, throughput=index_throughput(given, pay_per_request))
            kept.append(replace(index, status="ACTIVE"))
    if pay_per_request:
        kept = [replace(index, throughput=Throughput()) for index in kept]
    return tuple(replace(index, id=tx.new_id()) for index in kept)


def _matches(index: Index, given: Request) -> bool:
    keys = [(key["AttributeName"], key["KeyType"]) for key in given.get("KeySchema") or ()]
    present = [(key.name, "HASH") for key in index.hashes]
    present += [(key.name, "RANGE") for key in index.sorts]
    projection = given.get("Projection") or {}
    return (
        keys == present
        and projection.get("ProjectionType", index.projection) == index.projection
        and set(projection.get("NonKeyAttributes") or ()) == set(index.included)
    )
