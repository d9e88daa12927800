"""Metrics, analytics and inventory configurations: kept and given back; no reports are written.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/storage-inventory.html
"""

from __future__ import annotations

from collections.abc import Mapping
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


def _put(tx: Tx, request: Request, kind: str) -> None:
    bucket = find_bucket(tx, request)
    value: Any = request.get(kind)
    if not value or value.get("Id") != request["Id"]:
        raise refusal("MalformedXML")
    there = tx.get(SETTINGS, bucket.name, kind, request["Id"])
    if there is None and tx.count(SETTINGS, (bucket.name, kind)) >= COUNT_MAX:
        raise refusal(
            "TooManyConfigurations",
            "You are attempting to create a new configuration but have already reached the 1,000-configuration limit.",
        )
    tx.put(SETTINGS, Setting(bucket=bucket.name, kind=kind, id=request["Id"], value=dict(value)))


def _get(read: Read, request: Request, kind: str) -> Answer:
    found = read.get(SETTINGS, find_bucket(read, request).name, kind, request["Id"])
    if found is None:
        raise refusal("NoSuchConfiguration")
    return {kind: found.value}


def _delete(tx: Tx, request: Request, kind: str) -> None:
    if not tx.delete(SETTINGS, find_bucket(tx, request).name, kind, request["Id"]):
        raise refusal("NoSuchConfiguration")


def _list(read: Read, request: Request, kind: str) -> Answer:
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
    all_of = [found for found in read.scan(SETTINGS, (bucket.name, kind)) if found.id > after]
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


@operation(
    "PutBucketMetricsConfiguration",
    on=bucket_of,
    action="s3:PutMetricsConfiguration",
    unvalidated=True,
)
def put_bucket_metrics_configuration(tx: Tx, request: Request) -> None:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutBucketMetricsConfiguration.html"""
    _put(tx, request, "MetricsConfiguration")


@operation(
    "GetBucketMetricsConfiguration",
    on=bucket_of,
    action="s3:GetMetricsConfiguration",
    unvalidated=True,
)
def get_bucket_metrics_configuration(read: Read, request: Request) -> Answer:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetBucketMetricsConfiguration.html"""
    return _get(read, request, "MetricsConfiguration")


@operation(
    "ListBucketMetricsConfigurations",
    on=bucket_of,
    action="s3:GetMetricsConfiguration",
    unvalidated=True,
)
def list_bucket_metrics_configurations(read: Read, request: Request) -> Answer:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListBucketMetricsConfigurations.html"""
    return _list(read, request, "MetricsConfiguration")


@operation(
    "DeleteBucketMetricsConfiguration",
    on=bucket_of,
    action="s3:PutMetricsConfiguration",
    unvalidated=True,
)
def delete_bucket_metrics_configuration(tx: Tx, request: Request) -> None:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteBucketMetricsConfiguration.html"""
    _delete(tx, request, "MetricsConfiguration")


@operation(
    "PutBucketAnalyticsConfiguration",
    on=bucket_of,
    action="s3:PutAnalyticsConfiguration",
    unvalidated=True,
)
def put_bucket_analytics_configuration(tx: Tx, request: Request) -> None:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutBucketAnalyticsConfiguration.html"""
    _put(tx, request, "AnalyticsConfiguration")


@operation(
    "GetBucketAnalyticsConfiguration",
    on=bucket_of,
    action="s3:GetAnalyticsConfiguration",
    unvalidated=True,
)
def get_bucket_analytics_configuration(read: Read, request: Request) -> Answer:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetBucketAnalyticsConfiguration.html"""
    return _get(read, request, "AnalyticsConfiguration")


@operation(
    "ListBucketAnalyticsConfigurations",
    on=bucket_of,
    action="s3:GetAnalyticsConfiguration",
    unvalidated=True,
)
def list_bucket_analytics_configurations(read: Read, request: Request) -> Answer:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListBucketAnalyticsConfigurations.html"""
    return _list(read, request, "AnalyticsConfiguration")


@operation(
    "DeleteBucketAnalyticsConfiguration",
    on=bucket_of,
    action="s3:PutAnalyticsConfiguration",
    unvalidated=True,
)
def delete_bucket_analytics_configuration(tx: Tx, request: Request) -> None:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteBucketAnalyticsConfiguration.html"""
    _delete(tx, request, "AnalyticsConfiguration")


@operation(
    "PutBucketInventoryConfiguration",
    on=bucket_of,
    action="s3:PutInventoryConfiguration",
    unvalidated=True,
)
def put_bucket_inventory_configuration(tx: Tx, request: Request) -> None:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutBucketInventoryConfiguration.html"""
    _put(tx, request, "InventoryConfiguration")


@operation(
    "GetBucketInventoryConfiguration",
    on=bucket_of,
    action="s3:GetInventoryConfiguration",
    unvalidated=True,
)
def get_bucket_inventory_configuration(read: Read, request: Request) -> Answer:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetBucketInventoryConfiguration.html"""
    return _get(read, request, "InventoryConfiguration")


@operation(
    "ListBucketInventoryConfigurations",
    on=bucket_of,
    action="s3:GetInventoryConfiguration",
    unvalidated=True,
)
def list_bucket_inventory_configurations(read: Read, request: Request) -> Answer:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListBucketInventoryConfigurations.html"""
    return _list(read, request, "InventoryConfiguration")


@operation(
    "DeleteBucketInventoryConfiguration",
    on=bucket_of,
    action="s3:PutInventoryConfiguration",
    unvalidated=True,
)
def delete_bucket_inventory_configuration(tx: Tx, request: Request) -> None:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteBucketInventoryConfiguration.html"""
    _delete(tx, request, "InventoryConfiguration")
