"""Deleting objects, one or many."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from serein.base.errors import AwsError
from serein.kernel.operations import Context, Need, Tx, operation
from serein.services.s3.access import (
    PREFIX,
    bypass,
    check_version_id,
    find_bucket,
    object_of,
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


def _needs_of(request: Mapping[str, Any], entry: Mapping[str, Any]) -> Iterable[Need]:
    """What deleting one of the listed objects asks for."""
    arn = f"{PREFIX}{request['Bucket']}/{entry['Key']}"
    version = entry.get("VersionId")
    yield Need("s3:DeleteObjectVersion" if version else "s3:DeleteObject", arn)
    if request.get("BypassGovernanceRetention"):
        yield Need("s3:BypassGovernanceRetention", arn)


def _refused(cx: Context, request: Mapping[str, Any], entry: Mapping[str, Any]) -> AwsError | None:
    try:
        for need in _needs_of(request, entry):
            cx.judge(need)
    except AwsError as error:
        return error
    return None


# Not judged as one request: S3 answers for each object by itself whether the caller may delete it.
@operation(
    "DeleteObjects",
    action="s3:DeleteObject",
    ignores=("MFA", "RequestPayer", "ChecksumAlgorithm"),
    unsigned=True,
    unvalidated=True,
)
async def delete_objects(cx: Context, request: DeleteObjectsRequest) -> dict[str, Any]:
    """Delete up to 1,000 objects. https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteObjects.html"""
    find_bucket(cx.read(), request)
    asked: Any = request.get("Delete") or {}
    entries = asked.get("Objects") or []
    if not 1 <= len(entries) <= OBJECTS_MAX or any(not entry.get("Key") for entry in entries):
        raise refusal("MalformedXML")
    refused = [_refused(cx, request, entry) for entry in entries]
    if cx.principal.kind == "anonymous" and all(error is not None for error in refused):
        raise refusal("AccessDenied")
    return await cx.transact(_delete_many, request, entries, refused)


def _delete_many(
    tx: Tx,
    request: Mapping[str, Any],
    entries: Sequence[Mapping[str, Any]],
    refused: Sequence[AwsError | None],
) -> dict[str, Any]:
    bucket = find_bucket(tx, request)
    bypass = bool(request.get("BypassGovernanceRetention"))
    deleted: list[dict[str, Any]] = []
    errors: list[dict[str, Any]] = []
    for entry, error in zip(entries, refused, strict=True):
        key, version = entry["Key"], entry.get("VersionId")
        told: dict[str, Any] = {"Key": key}
        if version is not None:
            told["VersionId"] = version
        try:
            if error is not None:
                raise error
            gone = _delete(tx, bucket, key, version, bypass)
        except AwsError as failure:
            errors.append({**told, "Code": failure.code, "Message": failure.message})
            continue
        if gone.get("DeleteMarker"):
            told["DeleteMarker"] = True
            told["DeleteMarkerVersionId"] = gone["VersionId"]
        deleted.append(told)
    answer: dict[str, Any] = {}
    if deleted and not (request.get("Delete") or {}).get("Quiet"):
        answer["Deleted"] = deleted
    if errors:
        answer["Errors"] = errors
    return answer
