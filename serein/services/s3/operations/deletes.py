"""Deleting objects, one or many."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from serein.base.errors import AwsError
from serein.kernel.calls import Call
from serein.kernel.operations import Need, Tx, operation
from serein.services.s3.access import (
    PREFIX,
    bypass,
    check_version_id,
    find_bucket,
    object_of,
    put_conditions,
    versioned,
)
from serein.services.s3.model import (
    DeleteObjectRequest,
    DeleteObjectsRequest,
)
from serein.services.s3.records import NULL_VERSION, OBJECTS, Bucket
from serein.services.s3.rules.conditions import check_write
from serein.services.s3.rules.errors import refusal
from serein.services.s3.versions import delete_latest, delete_version

OBJECTS_MAX = 1000
_DIRECTORY_ONLY = (
    ("IfMatchLastModifiedTime", "x-amz-if-match-last-modified-time"),
    ("IfMatchSize", "x-amz-if-match-size"),
)


@operation(
    "DeleteObject",
    on=object_of,
    action=versioned("DeleteObject"),
    conditions=put_conditions,
    needs=[bypass],
    ignores=("MFA", "RequestPayer"),
    unvalidated=True,
)
def delete_object(tx: Tx, request: DeleteObjectRequest) -> dict[str, Any]:
    """Delete an object, or one version of it. https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteObject.html"""
    bucket = find_bucket(tx, request)
    for member, header in _DIRECTORY_ONLY:
        if request.get(member) is not None:
            raise refusal(
                "NotImplemented",
                "A header you provided implies functionality that is not implemented",
                501,
                Header=header,
            )
    if request.get("IfMatch") is not None:
        check_write(request, tx.get(OBJECTS, bucket.name, request["Key"]), request["Key"])
    bypass = bool(request.get("BypassGovernanceRetention"))
    return _delete(tx, bucket, request["Key"], request.get("VersionId"), bypass)


def _delete(tx: Tx, bucket: Bucket, key: str, version: str | None, bypass: bool) -> dict[str, Any]:
    if version is not None:
        check_version_id(version)
        if not bucket.versioning and version != NULL_VERSION:
            raise refusal("NoSuchVersion", Key=key, VersionId=version)
        gone = delete_version(tx, bucket, key, version, bypass=bypass)
        answer: dict[str, Any] = {"VersionId": version}
        if gone is not None and gone.is_marker:
            answer["DeleteMarker"] = True
        return answer
    marker = delete_latest(tx, bucket, key)
    return {} if marker is None else {"DeleteMarker": True, "VersionId": marker.version}


def _objects_in(call: Call) -> Iterable[str]:
    """Every ARN the request is about, for a single refusal would have to name one anyway."""
    bucket = call.params["Bucket"]
    entries = (call.params.get("Delete") or {}).get("Objects") or ()
    return [f"{PREFIX}{bucket}/{entry.get('Key', '')}" for entry in entries[:OBJECTS_MAX]]


def _needs_in(call: Call) -> Iterable[Need]:
    """Versions need their own permission, and so does going past governance retention."""
    bucket = call.params["Bucket"]
    past = bool(call.params.get("BypassGovernanceRetention"))
    for entry in ((call.params.get("Delete") or {}).get("Objects") or ())[:OBJECTS_MAX]:
        arn = f"{PREFIX}{bucket}/{entry.get('Key', '')}"
        if entry.get("VersionId"):
            yield Need("s3:DeleteObjectVersion", arn)
        if past:
            yield Need("s3:BypassGovernanceRetention", arn)


@operation(
    "DeleteObjects",
    on=lambda call: list(_objects_in(call)),
    action="s3:DeleteObject",
    needs=[_needs_in],
    ignores=("MFA", "RequestPayer", "ChecksumAlgorithm"),
    unvalidated=True,
)
def delete_objects(tx: Tx, request: DeleteObjectsRequest) -> dict[str, Any]:
    """Delete up to 1,000 objects. https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteObjects.html"""
    bucket = find_bucket(tx, request)
    asked: Any = request.get("Delete") or {}
    entries = asked.get("Objects") or []
    if not 1 <= len(entries) <= OBJECTS_MAX or any(not entry.get("Key") for entry in entries):
        raise refusal("MalformedXML")
    bypass = bool(request.get("BypassGovernanceRetention"))
    deleted: list[dict[str, Any]] = []
    errors: list[dict[str, Any]] = []
    for entry in entries:
        key, version = entry["Key"], entry.get("VersionId")
        told: dict[str, Any] = {"Key": key}
        if version is not None:
            told["VersionId"] = version
        try:
            gone = _delete(tx, bucket, key, version, bypass)
        except AwsError as error:
            errors.append({**told, "Code": error.code, "Message": error.message})
            continue
        if gone.get("DeleteMarker"):
            told["DeleteMarker"] = True
            told["DeleteMarkerVersionId"] = gone["VersionId"]
        deleted.append(told)
    answer: dict[str, Any] = {}
    if deleted and not asked.get("Quiet"):
        answer["Deleted"] = deleted
    if errors:
        answer["Errors"] = errors
    return answer
