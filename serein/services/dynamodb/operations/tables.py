"""Tables: CreateTable, DescribeTable, DeleteTable, ListTables, DescribeLimits, DescribeEndpoints."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import NAMESPACE_OID, uuid5

from msgspec.structs import replace

from serein.contracts.change_streams import STREAMS, Stream
from serein.engines.expressions.errors import ValidationException, parameter_invalid
from serein.kernel.operations import Read, Tx, operation
from serein.services.dynamodb.access import (
    find_described_table,
    new_table_arn,
    table_of,
)
from serein.services.dynamodb.model import (
    CreateTableInput,
    DeleteTableInput,
    DescribeEndpointsRequest,
    DescribeLimitsInput,
    DescribeTableInput,
    ListTablesInput,
    ResourceInUseException,
)
from serein.services.dynamodb.operations.backups import keep_deleted_table
from serein.services.dynamodb.records import (
    BACKFILLS,
    EXPIRY_FILLS,
    FIGURES,
    PURGES,
    TABLES,
    Index,
    Purge,
    TableRecord,
)
from serein.services.dynamodb.rules.changes import stream_arn, stream_id
from serein.services.dynamodb.rules.descriptions import deleted_description, table_description
from serein.services.dynamodb.rules.names import check_name
from serein.services.dynamodb.rules.nulls import refuse_nulls
from serein.services.dynamodb.rules.policies import checked_policy
from serein.services.dynamodb.rules.replication import leave_group
from serein.services.dynamodb.rules.schema import (
    check_definitions,
    check_index_lists,
    definitions_of,
    indexed_names,
    key_attributes,
    key_names,
    make_index,
    stream_view,
    table_throughput,
)
from serein.services.dynamodb.rules.tags import check_tags
from serein.services.dynamodb.rules.throughput import (
    WARM_ON_DEMAND,
    checked_on_demand,
    checked_warm,
)

Request = Mapping[str, Any]
Answer = dict[str, Any]

PURGE_BELL = "serein:dynamodb:purge"
_REFUSED = {
    "VectorIndexes": "Vector indexes are not supported",
    "GlobalTableSourceArn": "Global tables are not supported",
}


@operation("CreateTable", on=table_of, ignores=("SSESpecification", "TableClass"))
def create_table(tx: Tx, request: CreateTableInput) -> Answer:
    """A new table, ready with the next request."""
    refuse_nulls(request, "")
    for parameter, text in _REFUSED.items():
        if parameter in request:
            raise ValidationException(text)
    name = request["TableName"]
    if name[:4] == "arn:":
        name = name.rpartition("/")[2]
    check_name(name)
    table = new_table(tx, request, name)
    tags = request.get("Tags")
    if tags:
        check_tags({}, tags)
    if tx.get(TABLES, tx.account, tx.region, name) is not None:
        raise ResourceInUseException(f"Table already exists: {name}")
    if table.stream_view:
        tx.put(STREAMS, new_stream(table, tx.now))
    tx.put(TABLES, table)
    if tags:
        tx.tag(table.arn, {tag["Key"]: tag["Value"] for tag in tags})
    return {"TableDescription": table_description(tx, table, "CREATING")}


def new_table(tx: Tx, request: Request, name: str) -> TableRecord:
    """The table that a request describes. Raises ValidationException."""
    if not request.get("KeySchema"):
        raise parameter_invalid("KeySchema must be specified")
    throughput = table_throughput(request)
    definitions = definitions_of(request)
    names = key_names(request["KeySchema"])
    has_indexes = bool(
        request.get("LocalSecondaryIndexes") or request.get("GlobalSecondaryIndexes")
    )
    check_index_lists(request, names)
    check_definitions(definitions, names, indexed_names(request), has_indexes=has_indexes)
    pay_per_request = request.get("BillingMode") == "PAY_PER_REQUEST"
    indexes: list[Index] = []
    for parameter, global_ in (("LocalSecondaryIndexes", False), ("GlobalSecondaryIndexes", True)):
        for given in request.get(parameter) or []:
            indexes.append(
                make_index(
                    given,
                    definitions,
                    id=tx.new_id(),
                    global_=global_,
                    pay_per_request=pay_per_request,
                )
            )
    view = stream_view(request.get("StreamSpecification"))
    if request.get("OnDemandThroughput"):
        checked_on_demand(request["OnDemandThroughput"], pay_per_request)
    if request.get("WarmThroughput"):
        least = {"ReadUnitsPerSecond": throughput.read, "WriteUnitsPerSecond": throughput.write}
        checked_warm(
            request["WarmThroughput"], WARM_ON_DEMAND if pay_per_request else least, "table"
        )
    if request.get("ResourcePolicy"):
        checked_policy(request["ResourcePolicy"])
    hash_key, sort_key = key_attributes(names, definitions)
    return TableRecord(
        spread=True,
        account=tx.account,
        region=tx.region,
        name=name,
        id=tx.new_id(),
        arn=new_table_arn(tx, name),
        created_at=tx.now,
        hash=hash_key,
        sort=sort_key,
        definitions=tuple(definitions.values()),
        indexes=tuple(indexes),
        pay_per_request=pay_per_request,
        pay_per_request_since=tx.now if pay_per_request else None,
        throughput=throughput,
        on_demand=dict(request.get("OnDemandThroughput") or {}),
        warm=dict(request.get("WarmThroughput") or {}),
        stream_view=view,
        stream_label=stream_label(tx.now) if view else "",
        sse_key_arn=sse_key_arn(tx, request.get("SSESpecification")),
        table_class=request.get("TableClass", ""),
        deletion_protection=request.get("DeletionProtectionEnabled", False),
        resource_policy=request.get("ResourcePolicy", ""),
        resource_policy_revision=tx.new_id() if request.get("ResourcePolicy") else "",
    )


def stream_label(now: float) -> str:
    """A stream's label: its time of birth."""
    return datetime.fromtimestamp(now, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3]


def new_stream(table: TableRecord, now: float) -> Stream:
    """The stream that a table's label and view describe."""
    return Stream(
        account=table.account,
        region=table.region,
        arn=stream_arn(table),
        id=stream_id(table),
        label=table.stream_label,
        table=table.name,
        view=table.stream_view,
        hash=table.hash.name,
        sort=table.sort.name if table.sort is not None else "",
        created_at=now,
    )


def sse_key_arn(tx: Tx, specification: Any) -> str:
    """The ARN of the key that an SSESpecification asks for; "" for the owned default key. Raises."""
    if not specification:
        return ""
    key = specification.get("KMSMasterKeyId", "")
    if not specification.get("Enabled"):
        if key or specification.get("SSEType"):
            raise parameter_invalid(
                "SSEType and KMSMasterKeyId can only be specified when SSE is enabled"
            )
        return ""
    if specification.get("SSEType") == "AES256":
        raise parameter_invalid("SSEType AES256 is not supported")
    if key[:4] == "arn:":
        return str(key)
    if key[:6] == "alias/":
        return f"arn:aws:kms:{tx.region}:{tx.account}:{key}"
    return f"arn:aws:kms:{tx.region}:{tx.account}:key/{key or default_key_id(tx)}"


def default_key_id(tx: Tx) -> str:
    """The id of the account's key `alias/aws/dynamodb`: always the same one in an account and region."""
    name = f"aws/dynamodb {tx.account} {tx.region}"
    return str(uuid5(NAMESPACE_OID, name))


@operation("DescribeTable", on=table_of)
def describe_table(read: Read, request: DescribeTableInput) -> Answer:
    """What a table is."""
    table = find_described_table(read, request["TableName"])
    return {"Table": table_description(read, table)}


@operation("DeleteTable", on=table_of)
def delete_table(tx: Tx, request: DeleteTableInput) -> Answer:
    """Remove a table at once; its rows are cleared away afterwards."""
    table = find_described_table(tx, request["TableName"])
    if table.deletion_protection:
        raise ValidationException(
            "Resource cannot be deleted as it is currently protected against deletion. "
            "Disable deletion protection first."
        )
    if table.filling or table.copies:
        what = "being created" if table.filling else "being backed up or restored from"
        raise ResourceInUseException(
            f"Attempt to change a resource which is still in use: Table is {what}: {table.name}"
        )
    remove_table(tx, table)
    leave_group(tx, table, table.region)
    return {"TableDescription": deleted_description(tx, table)}


def remove_table(tx: Tx, table: TableRecord) -> None:
    """Remove a table and what belongs to it, and have its rows cleared away."""
    tx.delete(TABLES, table.account, table.region, table.name)
    has_backup = keep_deleted_table(tx, table)
    tx.put(PURGES, Purge(id=table.id, indexed=False, journal=has_backup))
    for index in table.indexes:
        drop_index_rows(tx, index)
    if table.stream_view:
        disable_stream(tx, table)
    drop_expiries(tx, table)
    tx.delete(FIGURES, table.id)
    tx.untag(table.arn)
    tx.ring(PURGE_BELL)


def drop_index_rows(tx: Tx, index: Index) -> None:
    """Have the rows of an index cleared away, and its filling stopped."""
    tx.delete(BACKFILLS, index.id)
    tx.delete(FIGURES, index.id)
    tx.put(PURGES, Purge(id=index.id, indexed=True))
    tx.ring(PURGE_BELL)


def drop_expiries(tx: Tx, table: TableRecord) -> None:
    """Have the expiry rows of a table cleared away."""
    if table.ttl_id:
        tx.delete(EXPIRY_FILLS, table.ttl_id)
        tx.put(PURGES, Purge(id=table.ttl_id, indexed=False, expiries=True))
        tx.ring(PURGE_BELL)


def disable_stream(tx: Tx, table: TableRecord) -> None:
    """Close a table's stream; what is in it can be read for another day."""
    tx.put(STREAMS, _closed(new_stream(table, tx.now), tx))


def _closed(stream: Stream, tx: Tx) -> Stream:
    present = tx.get(STREAMS, stream.account, stream.region, stream.table, stream.label)
    return replace(present or stream, disabled_at=tx.now)


@operation("ListTables")
def list_tables(read: Read, request: ListTablesInput) -> Answer:
    """The names of the tables, in order."""
    limit = request.get("Limit", 100)
    start = request.get("ExclusiveStartTableName")
    names = [
        table.name
        for table in read.scan(
            TABLES,
            (read.account, read.region),
            start=(start,) if start else (),
            start_after=start is not None,
            limit=limit + 1,
        )
    ]
    answer: Answer = {"TableNames": names[:limit]}
    if len(names) > limit:
        answer["LastEvaluatedTableName"] = names[limit - 1]
    return answer


@operation("DescribeLimits")
def describe_limits(read: Read, request: DescribeLimitsInput) -> Answer:
    """AWS's default quotas of an account; Serein limits no throughput."""
    return {
        "AccountMaxReadCapacityUnits": 80000,
        "AccountMaxWriteCapacityUnits": 80000,
        "TableMaxReadCapacityUnits": 40000,
        "TableMaxWriteCapacityUnits": 40000,
    }


@operation("DescribeEndpoints", unauthorised=True)
def describe_endpoints(read: Read, request: DescribeEndpointsRequest) -> Answer:
    """Where to send requests: here."""
    address = read.scope.host or f"dynamodb.{read.region}.amazonaws.com"
    return {"Endpoints": [{"Address": address, "CachePeriodInMinutes": 1440}]}
