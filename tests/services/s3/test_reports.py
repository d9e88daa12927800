"""Metrics, analytics and inventory configurations. Answers as recorded: TestS3MetricsConfiguration and its neighbours."""

from __future__ import annotations

from typing import Any

import pytest

from tests.services.s3.words import BUCKET, refused

EXPORT = {"Bucket": "arn:aws:s3:::reports", "Format": "CSV"}
INVENTORY = {
    "Destination": {"S3BucketDestination": EXPORT},
    "IsEnabled": True,
    "IncludedObjectVersions": "All",
    "Schedule": {"Frequency": "Daily"},
}
ANALYTICS = {"Filter": {"Prefix": "a"}, "StorageClassAnalysis": {}}
METRICS = {"Filter": {"Prefix": "logs/"}}


@pytest.mark.parametrize(
    ("kind", "value"),
    [("metrics", METRICS), ("analytics", ANALYTICS), ("inventory", INVENTORY)],
)
def test_kept(s3: Any, bucket: str, kind: str, value: dict[str, Any]) -> None:
    """put_/get_/delete_bucket_metrics_configuration, …_analytics_…, …_inventory_…, and the lists."""
    member = f"{kind.capitalize()}Configuration"

    def call(verb: str, ending: str = "", **params: Any) -> Any:
        return getattr(s3, f"{verb}_bucket_{kind}_configuration{ending}")(Bucket=BUCKET, **params)

    for id in ("b", "a"):
        call("put", Id=id, **{member: {"Id": id, **value}})
    assert call("get", Id="a")[member] == {"Id": "a", **value}
    listed = call("list", "s")
    assert [entry["Id"] for entry in listed[f"{member}List"]] == ["a", "b"]
    assert listed["IsTruncated"] is False
    wrong = {member: {"Id": "other", **value}}
    assert refused(call, "put", Id="a", **wrong)["Code"] == "MalformedXML"
    call("delete", Id="a")
    for verb in ("get", "delete"):
        error = refused(call, verb, Id="a")
        assert (error["Code"], error["Status"]) == ("NoSuchConfiguration", 404)


NAMES = """
PutBucketMetricsConfiguration GetBucketMetricsConfiguration ListBucketMetricsConfigurations DeleteBucketMetricsConfiguration
PutBucketAnalyticsConfiguration GetBucketAnalyticsConfiguration ListBucketAnalyticsConfigurations
DeleteBucketAnalyticsConfiguration PutBucketInventoryConfiguration GetBucketInventoryConfiguration
ListBucketInventoryConfigurations DeleteBucketInventoryConfiguration
"""


def test_all_are_built(cloud: Any) -> None:
    built = {name for service, name in cloud.house.registry.operations if service == "s3"}
    assert built.issuperset(NAMES.split())
