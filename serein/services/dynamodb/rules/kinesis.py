"""Changes of items as records in a Kinesis data stream: sent in the change's own transaction, delivered after it.

https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/kds.html
"""

from __future__ import annotations

import hashlib
from typing import Any

import orjson

from serein.base.arn import arn_or_none
from serein.engines.expressions.values import Item, item_size
from serein.kernel.calls import root_of
from serein.kernel.operations import Tx
from serein.services.dynamodb.records import KinesisDestination, TableRecord
from serein.services.dynamodb.rules.keys import key_of


def send_change(
    tx: Tx, table: TableRecord, old: Item | None, new: Item | None, *, expired: bool = False
) -> None:
    """Have the change of one item put into the table's Kinesis streams: at least once, as AWS does it."""
    present = new if new is not None else old
    assert present is not None
    keys = key_of(table, present)
    images = {"NewImage": new, "OldImage": old}
    size = sum(item_size(item) for item in (keys, old, new) if item is not None)
    for destination in table.kinesis:
        if not destination.active:
            continue
        change: dict[str, Any] = {
            **_moment(tx.now, destination),
            "Keys": keys,
            **{name: image for name, image in images.items() if image is not None},
            "SizeBytes": size,
        }
        record = {
            "awsRegion": table.region,
            "eventID": tx.new_id(),
            "eventName": "INSERT" if old is None else "REMOVE" if new is None else "MODIFY",
            "userIdentity": {"type": "Service", "principalId": "dynamodb.amazonaws.com"}
            if expired
            else None,
            "recordFormat": "application/json",
            "tableName": table.name,
            "dynamodb": change,
            "eventSource": "aws:dynamodb",
        }
        params = {
            "StreamARN": destination.arn,
            "Data": orjson.dumps(record),
            "PartitionKey": hashlib.md5(
                orjson.dumps(keys, option=orjson.OPT_SORT_KEYS), usedforsecurity=False
            ).hexdigest(),
        }
        parsed = arn_or_none(destination.arn)
        region = parsed.region if parsed is not None else table.region
        tx.send(
            tx.make_call("kinesis", "PutRecord", params, by=root_of(table.account), region=region)
        )


def _moment(now: float, destination: KinesisDestination) -> dict[str, Any]:
    """The time of a change, in the precision that the destination asks for."""
    if destination.precision == "MICROSECOND":
        return {
            "ApproximateCreationDateTime": int(now * 1_000_000),
            "ApproximateCreationDateTimePrecision": "MICROSECOND",
        }
    return {"ApproximateCreationDateTime": int(now * 1000)}
