"""Lifecycle rules at work on the virtual clock.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/intro-lifecycle-rules.html
"""

from __future__ import annotations

from typing import Any

import pytest

from serein.services.s3.records import StoredObject
from serein.services.s3.rules import lifecycle
from tests.cloud import Cloud
from tests.services.s3.words import BUCKET, put, refused

DAY_S = 86_400


def set_rules(s3: Any, *rules: dict[str, Any]) -> None:
    named = [{"ID": f"rule-{n}", "Status": "Enabled", **rule} for n, rule in enumerate(rules)]
    s3.put_bucket_lifecycle_configuration(Bucket=BUCKET, LifecycleConfiguration={"Rules": named})


def call(cloud: Cloud, operation: str, **params: Any) -> dict[str, Any]:
    """From inside: a client's signature carries wall-clock time, and the house's clock has moved on."""
    cx = cloud.context()
    return cloud.run(cx.call(cx.make_call("s3", operation, {"Bucket": BUCKET, **params})))


def keys(cloud: Cloud) -> list[str]:
    return [entry["Key"] for entry in call(cloud, "ListObjectsV2").get("Contents", [])]


def versions(cloud: Cloud) -> tuple[int, int]:
    """How many versions and how many delete markers there are."""
    listed = call(cloud, "ListObjectVersions")
    return len(listed.get("Versions", [])), len(listed.get("DeleteMarkers", []))


def test_expiration_by_days(cloud: Cloud, s3: Any, bucket: str) -> None:
    put(s3, "logs/a", b"long enough")
    put(s3, "logs/b", b"")
    put(s3, "keep")
    chosen = {"And": {"Prefix": "logs/", "ObjectSizeGreaterThan": 5}}
    set_rules(s3, {"Filter": chosen, "Expiration": {"Days": 2}})
    cloud.advance(1.9 * DAY_S)
    assert keys(cloud) == ["keep", "logs/a", "logs/b"]
    cloud.advance(1.2 * DAY_S)
    assert keys(cloud) == ["keep", "logs/b"]


def test_expiration_by_tag_and_disabled_rules(cloud: Cloud, s3: Any, bucket: str) -> None:
    put(s3, "a", Tagging="kind=temporary")
    put(s3, "b")
    set_rules(
        s3,
        {"Filter": {"Tag": {"Key": "kind", "Value": "temporary"}}, "Expiration": {"Days": 1}},
        {"Filter": {}, "Expiration": {"Days": 1}, "Status": "Disabled"},
    )
    cloud.advance(3 * DAY_S)
    assert keys(cloud) == ["b"]


def test_versions(cloud: Cloud, s3: Any, versioned: str) -> None:
    for content in (b"1", b"2", b"3"):
        put(s3, "k", content)
    set_rules(
        s3,
        {"Filter": {}, "Expiration": {"Days": 10}},
        {"Filter": {}, "NoncurrentVersionExpiration": {"NoncurrentDays": 1}},
    )
    cloud.advance(3 * DAY_S)
    assert versions(cloud) == (1, 0)
    cloud.advance(8 * DAY_S)
    assert versions(cloud) == (1, 1)
    cloud.advance(4 * DAY_S)
    assert versions(cloud)[0] == 0


def test_newer_noncurrent_versions_are_kept(cloud: Cloud, s3: Any, versioned: str) -> None:
    for content in (b"1", b"2", b"3", b"4"):
        put(s3, "k", content)
    expiration = {"NoncurrentDays": 1, "NewerNoncurrentVersions": 2}
    set_rules(s3, {"Filter": {}, "NoncurrentVersionExpiration": expiration})
    cloud.advance(3 * DAY_S)
    assert versions(cloud) == (3, 0)


def test_lone_delete_markers(cloud: Cloud, s3: Any, versioned: str) -> None:
    made = put(s3, "k")["VersionId"]
    s3.delete_object(Bucket=BUCKET, Key="k")
    put(s3, "covered")
    s3.delete_object(Bucket=BUCKET, Key="covered")
    s3.delete_object(Bucket=BUCKET, Key="k", VersionId=made)
    set_rules(s3, {"Filter": {}, "Expiration": {"ExpiredObjectDeleteMarker": True}})
    cloud.advance(2 * DAY_S)
    assert versions(cloud) == (1, 1)


def test_stale_uploads(cloud: Cloud, s3: Any, bucket: str) -> None:
    stale = s3.create_multipart_upload(Bucket=BUCKET, Key="k")["UploadId"]
    s3.upload_part(Bucket=BUCKET, Key="k", UploadId=stale, PartNumber=1, Body=b"x")
    set_rules(s3, {"Filter": {}, "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 1}})
    cloud.advance(3 * DAY_S)
    assert "Uploads" not in call(cloud, "ListMultipartUploads")


def test_locked_versions_stay(cloud: Cloud, s3: Any) -> None:
    s3.create_bucket(Bucket=BUCKET, ObjectLockEnabledForBucket=True)
    put(s3, "k", ObjectLockLegalHoldStatus="ON")
    put(s3, "k")
    set_rules(s3, {"Filter": {}, "NoncurrentVersionExpiration": {"NoncurrentDays": 1}})
    cloud.advance(3 * DAY_S)
    assert versions(cloud) == (2, 0)


def test_the_expiration_header(s3: Any, bucket: str) -> None:
    """As recorded: test_bucket_lifecycle_configuration_object_expiry_versioned."""
    set_rules(s3, {"Filter": {"Prefix": "x"}, "Expiration": {"Days": 1}})
    told = put(s3, "x")["Expiration"]
    assert told.startswith('expiry-date="')
    assert told.endswith(' 00:00:00 GMT", rule-id="rule-0"')
    assert s3.head_object(Bucket=BUCKET, Key="x")["Expiration"] == told
    assert "Expiration" not in put(s3, "y")


def test_configurations(s3: Any, bucket: str) -> None:
    none = refused(s3.get_bucket_lifecycle_configuration, Bucket=BUCKET)
    assert none["Code"] == "NoSuchLifecycleConfiguration"
    set_rules(s3, {"Filter": {}, "Expiration": {"Days": 1}})
    got = s3.get_bucket_lifecycle_configuration(Bucket=BUCKET)
    assert got["TransitionDefaultMinimumObjectSize"] == "all_storage_classes_128K"
    rule = {"ID": "rule-0", "Status": "Enabled", "Filter": {}, "Expiration": {"Days": 1}}
    assert got["Rules"] == [rule]
    s3.delete_bucket_lifecycle(Bucket=BUCKET)
    assert refused(s3.get_bucket_lifecycle_configuration, Bucket=BUCKET)["Status"] == 404


@pytest.mark.parametrize(("since", "due"), [(0.0, 1.0), (1.0, 2.0), (DAY_S - 1.0, 2.0)])
def test_days_are_rounded_up_to_midnight(since: float, due: float) -> None:
    assert lifecycle.days_after(since, 1) == due * DAY_S


def test_the_earliest_rule_is_told() -> None:
    found = StoredObject(bucket="b", key="k", sequence=1, modified_at=0.0, owner="1")
    rules = [
        {"ID": "late", "Filter": {}, "Expiration": {"Days": 5}},
        {"ID": "first one", "Filter": {}, "Expiration": {"Date": 86400.0}},
    ]
    told = lifecycle.expiration_header(rules, found)
    assert told == 'expiry-date="Fri, 02 Jan 1970 00:00:00 GMT", rule-id="first%20one"'
