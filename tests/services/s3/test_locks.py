"""Object Lock. Answers as recorded: TestS3ObjectLock, TestS3ObjectLockRetention, TestS3ObjectLockLegalHold."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.cloud import Cloud
from tests.services.s3.words import put, refused

LOCKED = "a-locked-bucket"
PROTECTED = "Access Denied because object protected by object lock."


@pytest.fixture
def locked(s3: Any) -> Any:
    s3.create_bucket(Bucket=LOCKED, ObjectLockEnabledForBucket=True)
    return s3


def in_days(days: float) -> datetime:
    return datetime.now(UTC).replace(microsecond=0) + timedelta(days=days)


def test_configuration(locked: Any, bucket: str) -> None:
    s3 = locked
    start = s3.get_object_lock_configuration(Bucket=LOCKED)
    assert start["ObjectLockConfiguration"] == {"ObjectLockEnabled": "Enabled"}
    rule = {"DefaultRetention": {"Mode": "GOVERNANCE", "Days": 1}}
    configuration = {"ObjectLockEnabled": "Enabled", "Rule": rule}
    s3.put_object_lock_configuration(Bucket=LOCKED, ObjectLockConfiguration=configuration)
    got = s3.get_object_lock_configuration(Bucket=LOCKED)
    assert got["ObjectLockConfiguration"] == configuration
    s3.put_object(Bucket=LOCKED, Key="k", Body=b"x")
    assert s3.head_object(Bucket=LOCKED, Key="k")["ObjectLockMode"] == "GOVERNANCE"
    none = refused(s3.get_object_lock_configuration, Bucket=bucket)
    assert none["Code"] == "ObjectLockConfigurationNotFoundError"
    plain = refused(
        s3.put_object_lock_configuration, Bucket=bucket, ObjectLockConfiguration=configuration
    )
    assert (plain["Code"], plain["Status"]) == ("InvalidBucketState", 409)


@pytest.mark.parametrize(
    "rule",
    [
        {},
        {"DefaultRetention": {}},
        {"DefaultRetention": {"Mode": "GOVERNANCE"}},
        {"DefaultRetention": {"Mode": "BAD", "Days": 1}},
        {"DefaultRetention": {"Mode": "COMPLIANCE", "Days": 1, "Years": 1}},
    ],
)
def test_malformed_configurations(locked: Any, rule: dict[str, Any]) -> None:
    error = refused(
        locked.put_object_lock_configuration,
        Bucket=LOCKED,
        ObjectLockConfiguration={"ObjectLockEnabled": "Enabled", "Rule": rule},
    )
    assert error["Code"] == "MalformedXML"


def test_governance(locked: Any) -> None:
    s3 = locked
    named = {"Bucket": LOCKED, "Key": "k"}
    version = s3.put_object(**named, Body=b"test")["VersionId"]
    assert refused(s3.get_object_retention, **named)["Code"] == "NoSuchObjectLockConfiguration"
    retention = {"Mode": "GOVERNANCE", "RetainUntilDate": in_days(1)}
    s3.put_object_retention(**named, Retention=retention)
    assert s3.get_object_retention(**named)["Retention"] == retention
    denied = refused(s3.delete_object, **named, VersionId=version)
    assert (denied["Code"], denied["Message"], denied["Status"]) == ("AccessDenied", PROTECTED, 403)
    many = s3.delete_objects(
        Bucket=LOCKED, Delete={"Objects": [{"Key": "k", "VersionId": version}]}
    )
    assert many["Errors"][0]["Message"] == PROTECTED
    shorter = {"Mode": "GOVERNANCE", "RetainUntilDate": in_days(0.5)}
    assert refused(s3.put_object_retention, **named, Retention=shorter)["Message"] == PROTECTED
    longer = {"Mode": "GOVERNANCE", "RetainUntilDate": in_days(2)}
    s3.put_object_retention(**named, Retention=longer)
    s3.put_object_retention(**named, Retention={}, BypassGovernanceRetention=True)
    assert "ObjectLockMode" not in s3.head_object(**named)
    s3.put_object_retention(**named, Retention=longer)
    s3.delete_object(**named, VersionId=version, BypassGovernanceRetention=True)
    assert refused(s3.head_object, **named)["Status"] == 404


def test_compliance_ends_with_time(cloud: Cloud, locked: Any) -> None:
    s3 = locked
    until = in_days(1)
    version = s3.put_object(
        Bucket=LOCKED,
        Key="k",
        Body=b"x",
        ObjectLockMode="COMPLIANCE",
        ObjectLockRetainUntilDate=until,
    )["VersionId"]
    named = {"Bucket": LOCKED, "Key": "k", "VersionId": version}
    assert s3.delete_object(Bucket=LOCKED, Key="k")["DeleteMarker"] is True
    error = refused(s3.delete_object, **named, BypassGovernanceRetention=True)
    assert error["Message"] == PROTECTED
    weaker = {"Mode": "GOVERNANCE", "RetainUntilDate": in_days(3)}
    assert refused(s3.put_object_retention, **named, Retention=weaker)["Message"] == PROTECTED
    # The client's signatures carry wall-clock time, so who moves the house's clock calls from inside.
    cloud.advance(86_401)
    cx = cloud.context()
    cloud.run(cx.call(cx.make_call("s3", "DeleteObject", dict(named))))
    left = cloud.run(cx.call(cx.make_call("s3", "ListObjectVersions", {"Bucket": LOCKED})))
    assert "Versions" not in left


def test_legal_hold(locked: Any, bucket: str) -> None:
    s3 = locked
    named = {"Bucket": LOCKED, "Key": "k"}
    version = s3.put_object(**named, Body=b"test")["VersionId"]
    assert refused(s3.get_object_legal_hold, **named)["Code"] == "NoSuchObjectLockConfiguration"
    s3.put_object_legal_hold(**named, LegalHold={"Status": "ON"})
    assert s3.get_object_legal_hold(**named)["LegalHold"] == {"Status": "ON"}
    assert refused(s3.delete_object, **named, VersionId=version)["Message"] == PROTECTED
    s3.put_object_legal_hold(**named, LegalHold={"Status": "OFF"})
    assert s3.head_object(**named)["ObjectLockLegalHoldStatus"] == "OFF"
    s3.delete_object(**named, VersionId=version)
    put(s3, "k")
    plain = refused(s3.put_object_legal_hold, Bucket=bucket, Key="k", LegalHold={"Status": "ON"})
    assert plain["Message"] == "Bucket is missing Object Lock Configuration"
    missing = refused(s3.put_object_legal_hold, Bucket=bucket, Key="none", LegalHold={})
    assert (missing["Code"], missing["Key"]) == ("NoSuchKey", "none")


def test_markers_have_no_locks(locked: Any) -> None:
    s3 = locked
    s3.put_object(Bucket=LOCKED, Key="k", Body=b"x")
    marker = s3.delete_object(Bucket=LOCKED, Key="k")["VersionId"]
    named = {"Bucket": LOCKED, "Key": "k", "VersionId": marker}
    wrote = refused(
        s3.put_object_retention,
        **named,
        Retention={"Mode": "GOVERNANCE", "RetainUntilDate": in_days(1)},
    )
    assert (wrote["Code"], wrote["Method"], wrote["Status"]) == ("MethodNotAllowed", "PUT", 405)
    assert refused(s3.get_object_retention, **named)["Method"] == "GET"


def test_lock_headers(locked: Any) -> None:
    s3 = locked
    named = {"Bucket": LOCKED, "Key": "k", "Body": b"x"}
    no_date = refused(s3.put_object, **named, ObjectLockMode="GOVERNANCE")
    assert no_date["ArgumentName"] == "x-amz-object-lock-retain-until-date"
    assert "ArgumentValue" not in no_date
    no_mode = refused(s3.put_object, **named, ObjectLockRetainUntilDate=in_days(1))
    assert no_mode["ArgumentName"] == "x-amz-object-lock-mode"
    bad = refused(
        s3.put_object, **named, ObjectLockMode="BAD-VALUE", ObjectLockRetainUntilDate=in_days(1)
    )
    assert (bad["Message"], bad["ArgumentValue"]) == ("Unknown wormMode directive.", "BAD-VALUE")
