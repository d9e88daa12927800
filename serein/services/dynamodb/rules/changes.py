"""Changes of items as stream records, written in the change's own transaction.

https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_streams_Record.html
"""

from __future__ import annotations

from typing import Any

import orjson

from serein.contracts.change_streams import (
    STREAM_COUNTERS,
    STREAM_RECORDS,
    StreamCounter,
    sequence_text,
)
from serein.engines.expressions.values import Item, item_size
from serein.kernel.operations import Tx
from serein.services.dynamodb.records import TableRecord
from serein.services.dynamodb.rules.keys import key_of


def stream_id(table: TableRecord) -> str:
    """What the records of a table's present stream are kept under."""
    return f"{table.id}/{table.stream_label}"


def stream_arn(table: TableRecord) -> str:
    """The ARN of a table's present stream."""
    return f"{table.arn}/stream/{table.stream_label}"


def note_change(
    tx: Tx, table: TableRecord, old: Item | None, new: Item | None, *, expired: bool = False
) -> None:
    """Append a record of one item's change to the table's stream and ring its bell."""
    stream = stream_id(table)
    counter = tx.get(STREAM_COUNTERS, stream)
    number = (counter.last if counter is not None else 0) + 1
    tx.put(STREAM_COUNTERS, StreamCounter(stream=stream, last=number))
    present = new if new is not None else old
    assert present is not None
    keys = key_of(table, present)
    size = item_size(keys)
    change: dict[str, Any] = {
        "ApproximateCreationDateTime": int(tx.now),
        "Keys": keys,
        "SequenceNumber": sequence_text(number),
        "StreamViewType": table.stream_view,
    }
    if new is not None and table.stream_view in ("NEW_IMAGE", "NEW_AND_OLD_IMAGES"):
        change["NewImage"] = new
        size += item_size(new)
    if old is not None and table.stream_view in ("OLD_IMAGE", "NEW_AND_OLD_IMAGES"):
        change["OldImage"] = old
        size += item_size(old)
    change["SizeBytes"] = size
    record: dict[str, Any] = {
        "eventID": tx.new_id().replace("-", ""),
        "eventName": "INSERT" if old is None else "REMOVE" if new is None else "MODIFY",
        "eventVersion": "1.1",
        "eventSource": "aws:dynamodb",
        "awsRegion": table.region,
        "dynamodb": change,
    }
    if expired:
        record["userIdentity"] = {"Type": "Service", "PrincipalId": "dynamodb.amazonaws.com"}
    row = int(tx.now * 1000).to_bytes(8, "big") + orjson.dumps(record)
    tx.put_bytes(STREAM_RECORDS, (stream, number), row)
    tx.ring(stream_arn(table))
