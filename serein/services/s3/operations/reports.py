"""Metrics, analytics, inventory and tiering configurations: kept and given back; no reports are written, and there is one tier.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/storage-inventory.html
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from serein.kernel.operations import Read, Tx, operation
from serein.kernel.pages import InvalidPageToken, decode_token, encode_token
from serein.services.s3.access import bucket_of, find_bucket
from serein.services.s3.records import SETTINGS, Setting
from serein.services.s3.rules.errors import invalid_argument, refusal

Request = Mapping[str, Any]
Answer = dict[str, Any]
PAGE = 100
COUNT_MAX = 1000


def _put(tx: Tx, request: Request, kind: str, own: str) -> None:
    bucket = find_bucket(tx, request)
    value: Any = request.get(kind)
    if not value or value.get("Id") != request["Id"]:
        raise refusal("MalformedXML")
    there = tx.get(SETTINGS, bucket.name, own, request["Id"])
    if there is None and tx.count(SETTINGS, (bucket.name, own)) >= COUNT_MAX:
        raise refusal(
            "TooManyConfigurations",
            "You are attempting to create a new configuration but have already reached the 1,000-configuration limit.",
        )
    tx.put(SETTINGS, Setting(bucket=bucket.name, kind=own, id=request["Id"], value=dict(value)))


def _get(read: Read, request: Request, own: str) -> Any:
    found = read.get(SETTINGS, find_bucket(read, request).name, own, request["Id"])
    if found is None:
        raise refusal("NoSuchConfiguration")
    return found.value


def _delete(tx: Tx, request: Request, own: str) -> None:
    if not tx.delete(SETTINGS, find_bucket(tx, request).name, own, request["Id"]):
        raise refusal("NoSuchConfiguration")


def _list(read: Read, request: Request, kind: str, own: str) -> Answer:
    bucket = find_bucket(read, request)
    token: str | None = request.get("ContinuationToken")
    after: Any = ""
    if token:
        try:
            (after,) = decode_token(f"s3.{bucket.name}.{kind}", token)
        except (InvalidPageToken, ValueError) as error:
            raise invalid_argument(
                "The continuation token provided is incorrect", "continuation-token", token
            ) from error
    all_of = [found for found in read.scan(SETTINGS, (bucket.name, own)) if found.id > after]
    page = all_of[:PAGE]
    more = len(all_of) > PAGE
    return {
        "IsTruncated": more,
        "ContinuationToken": token,
        "NextContinuationToken": (
            encode_token(f"s3.{bucket.name}.{kind}", page[-1].id) if more else None
        ),
        f"{kind}List": [found.value for found in page] or None,
    }


Put = Callable[[Tx, Request], None]
Get = Callable[[Read, Request], Answer]


def _family(name: str, kept_as: str | None = None) -> tuple[Put, Get, Get, Put]:
    """The four operations of one kind of configuration: put, get, list, delete.

    https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutBucketMetricsConfiguration.html and its siblings
    """
    kind = f"{name}Configuration"
    own = kept_as or kind
    write, see = f"s3:Put{kind}", f"s3:Get{kind}"

    @operation(f"PutBucket{kind}", on=bucket_of, action=write, unvalidated=True)
    def put(tx: Tx, request: Request) -> None:
        _put(tx, request, kind, own)

    @operation(f"GetBucket{kind}", on=bucket_of, action=see, unvalidated=True)
    def get(read: Read, request: Request) -> Answer:
        return {kind: _get(read, request, own)}

    @operation(f"ListBucket{kind}s", on=bucket_of, action=see, unvalidated=True)
    def list_all(read: Read, request: Request) -> Answer:
        return _list(read, request, kind, own)

    @operation(f"DeleteBucket{kind}", on=bucket_of, action=write, unvalidated=True)
    def delete(tx: Tx, request: Request) -> None:
        _delete(tx, request, own)

    return put, get, list_all, delete


put_metrics, get_metrics, list_metrics, delete_metrics = _family("Metrics")
put_analytics, get_analytics, list_analytics, delete_analytics = _family("Analytics")
put_inventory, get_inventory, list_inventories, delete_inventory = _family("Inventory")
put_tiering, get_tiering, list_tierings, delete_tiering = _family("IntelligentTiering", "tiering")
