"""Object Lock: the bucket's default, a version's retention, a version's legal hold.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-lock.html
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from serein.base.errors import AwsError
from serein.kernel.operations import Read, Tx, operation
from serein.services.s3.access import bucket_of, bypass, find_bucket, find_object, object_of
from serein.services.s3.operations.buckets import put_bucket
from serein.services.s3.records import SETTINGS, Bucket, Setting, StoredObject
from serein.services.s3.rules.errors import invalid_argument, refusal
from serein.services.s3.versions import replace_version, setting_or_none

Request = Mapping[str, Any]
Answer = dict[str, Any]
MODES = ("GOVERNANCE", "COMPLIANCE")


@operation(
    "PutObjectLockConfiguration",
    on=bucket_of,
    action="s3:PutBucketObjectLockConfiguration",
    ignores=("RequestPayer", "Token"),
    unvalidated=True,
)
def put_object_lock_configuration(tx: Tx, request: Request) -> Answer:
    """Turn Object Lock on, with or without a default retention.

    https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutObjectLockConfiguration.html
    """
    bucket = find_bucket(tx, request)
    configuration: Any = request.get("ObjectLockConfiguration") or {}
    if configuration.get("ObjectLockEnabled") != "Enabled":
        raise refusal("MalformedXML")
    if "Rule" in configuration:
        _check_default((configuration["Rule"] or {}).get("DefaultRetention") or {})
    if bucket.versioning != "Enabled":
        raise refusal(
            "InvalidBucketState",
            "Versioning must be 'Enabled' on the bucket to apply a Object Lock configuration",
        )
    if not bucket.object_lock:
        put_bucket(tx, msgspec.structs.replace(bucket, object_lock=True))
    tx.put(SETTINGS, Setting(bucket=bucket.name, kind="object_lock", value=dict(configuration)))
    return {}


def _check_default(retention: Mapping[str, Any]) -> None:
    periods = [retention[name] for name in ("Days", "Years") if name in retention]
    if retention.get("Mode") not in MODES or len(periods) != 1:
        raise refusal("MalformedXML")
    if periods[0] <= 0:
        raise invalid_argument(
            "Default retention period must be a positive integer value.", "Days", periods[0]
        )


@operation(
    "GetObjectLockConfiguration",
    on=bucket_of,
    action="s3:GetBucketObjectLockConfiguration",
    unvalidated=True,
)
def get_object_lock_configuration(read: Read, request: Request) -> Answer:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObjectLockConfiguration.html"""
    bucket = find_bucket(read, request)
    if not bucket.object_lock:
        raise refusal("ObjectLockConfigurationNotFoundError", BucketName=bucket.name)
    found = setting_or_none(read, bucket.name, "object_lock")
    return {"ObjectLockConfiguration": found or {"ObjectLockEnabled": "Enabled"}}


def _locked_bucket(read: Read, request: Request) -> Bucket:
    bucket = find_bucket(read, request)
    if not bucket.object_lock:
        raise refusal("InvalidRequest", "Bucket is missing Object Lock Configuration")
    return bucket


def _version(read: Read, request: Request, method: str) -> StoredObject:
    """The version; a delete marker is refused in the words of the request's method."""
    try:
        return find_object(read, request)
    except AwsError as error:
        if error.code == "MethodNotAllowed":
            error.fields = {**error.fields, "Method": method}
        raise


@operation(
    "PutObjectRetention",
    on=object_of,
    needs=[bypass],
    ignores=("RequestPayer",),
    unvalidated=True,
)
def put_object_retention(tx: Tx, request: Request) -> Answer:
    """Set, extend or (in governance mode, with the permission) lift a retention.

    https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutObjectRetention.html
    """
    find_bucket(tx, request)
    found = _version(tx, request, "PUT")
    _locked_bucket(tx, request)
    retention: Any = request.get("Retention")
    if retention is None:
        raise refusal("MalformedXML")
    mode, until = retention.get("Mode") or "", float(retention.get("RetainUntilDate") or 0.0)
    if bool(mode) != bool(until) or mode not in ("", *MODES):
        raise refusal("MalformedXML")
    if mode and until <= tx.now:
        raise invalid_argument(
            "The retain until date must be in the future!", "RetainUntilDate", until
        )
    _check_change(tx, found, mode, until, bool(request.get("BypassGovernanceRetention")))
    replace_version(tx, msgspec.structs.replace(found, lock_mode=mode, lock_until=until))
    return {}


def _check_change(tx: Tx, found: StoredObject, mode: str, until: float, is_bypassed: bool) -> None:
    """A retention in force may be made stricter; anything else needs governance mode and the permission."""
    if not found.lock_mode or found.lock_until <= tx.now:
        return
    stricter = until >= found.lock_until and (
        mode == found.lock_mode or (mode == "COMPLIANCE" and found.lock_mode == "GOVERNANCE")
    )
    if stricter or (found.lock_mode == "GOVERNANCE" and is_bypassed):
        return
    raise refusal("AccessDenied", "Access Denied because object protected by object lock.")


@operation("GetObjectRetention", on=object_of, ignores=("RequestPayer",), unvalidated=True)
def get_object_retention(read: Read, request: Request) -> Answer:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObjectRetention.html"""
    _locked_bucket(read, request)
    found = _version(read, request, "GET")
    if not found.lock_mode:
        raise refusal("NoSuchObjectLockConfiguration")
    return {"Retention": {"Mode": found.lock_mode, "RetainUntilDate": found.lock_until}}


@operation("PutObjectLegalHold", on=object_of, ignores=("RequestPayer",), unvalidated=True)
def put_object_legal_hold(tx: Tx, request: Request) -> Answer:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutObjectLegalHold.html"""
    find_bucket(tx, request)
    found = _version(tx, request, "PUT")
    _locked_bucket(tx, request)
    status = (request.get("LegalHold") or {}).get("Status")
    if status not in ("ON", "OFF"):
        raise refusal("MalformedXML")
    replace_version(tx, msgspec.structs.replace(found, legal_hold=status))
    return {}


@operation("GetObjectLegalHold", on=object_of, ignores=("RequestPayer",), unvalidated=True)
def get_object_legal_hold(read: Read, request: Request) -> Answer:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObjectLegalHold.html"""
    _locked_bucket(read, request)
    found = _version(read, request, "GET")
    if not found.legal_hold:
        raise refusal("NoSuchObjectLockConfiguration")
    return {"LegalHold": {"Status": found.legal_hold}}
