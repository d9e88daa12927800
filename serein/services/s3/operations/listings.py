"""Listing objects and versions."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from serein.kernel.operations import Read, operation
from serein.kernel.pages import InvalidPageToken, decode_token, encode_token
from serein.services.s3.access import bucket_of, find_bucket
from serein.services.s3.model import (
    ListObjectsRequest,
    ListObjectsV2Request,
    ListObjectVersionsRequest,
)
from serein.services.s3.records import HISTORY, OBJECTS, SEQUENCE_MAX, StoredObject
from serein.services.s3.rules import listing
from serein.services.s3.rules.errors import invalid_argument
from serein.services.s3.rules.owners import owner


def _walk(read: Read, bucket: str) -> listing.Walk[StoredObject]:
    def walk(start: str, beyond: bool) -> Iterator[StoredObject]:
        first = start + listing.AFTER_ALL if beyond else start
        return read.scan(OBJECTS, (bucket,), start=(first,) if first else ())

    return walk


def _is_there(found: StoredObject) -> bool:
    return not found.is_marker


def _page(read: Read, request: Mapping[str, Any], after: str) -> listing.Page[StoredObject]:
    most = listing.page_size(request.get("MaxKeys"))
    if most == 0:
        return listing.Page([], [], "", False)
    return listing.take(
        _walk(read, request["Bucket"]),
        lambda found: found.key,
        prefix=request.get("Prefix") or "",
        delimiter=request.get("Delimiter") or "",
        after=after,
        most=most,
        visible=_is_there,
    )


def _entry(found: StoredObject, encode: Callable[[str], str], with_owner: bool) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "Key": encode(found.key),
        "LastModified": found.modified_at,
        "ETag": f'"{found.etag}"',
        "ChecksumAlgorithm": list(found.checksums),
        "ChecksumType": found.checksum_type or None,
        "Size": found.size,
        "StorageClass": found.storage_class,
    }
    if with_owner:
        entry["Owner"] = owner(found.owner)
    return entry


def _common(request: Mapping[str, Any], encode: Callable[[str], str]) -> dict[str, Any]:
    answer: dict[str, Any] = {
        "Name": request["Bucket"],
        "Prefix": encode(request.get("Prefix") or ""),
        "MaxKeys": listing.page_size(request.get("MaxKeys")),
        "EncodingType": request.get("EncodingType"),
    }
    if request.get("Delimiter"):
        answer["Delimiter"] = encode(request["Delimiter"])
    return answer


def _prefixes(prefixes: list[str], encode: Callable[[str], str]) -> list[dict[str, str]]:
    return [{"Prefix": encode(prefix)} for prefix in prefixes]


@operation(
    "ListObjectsV2",
    on=bucket_of,
    action="s3:ListBucket",
    ignores=("RequestPayer", "OptionalObjectAttributes"),
    unvalidated=True,
)
def list_objects_v2(read: Read, request: ListObjectsV2Request) -> dict[str, Any]:
    """The keys of a bucket in order. https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectsV2.html"""
    bucket = find_bucket(read, request)
    encode = listing.encoder(request.get("EncodingType"))
    token = request.get("ContinuationToken")
    after = _after(bucket.name, token) if token is not None else request.get("StartAfter") or ""
    page = _page(read, request, after)
    with_owner = bool(request.get("FetchOwner"))
    answer: dict[str, Any] = {
        **_common(request, encode),
        "IsTruncated": page.is_truncated,
        "KeyCount": len(page.entries) + len(page.prefixes),
    }
    if request.get("StartAfter"):
        answer["StartAfter"] = encode(request["StartAfter"])
    if token is not None:
        answer["ContinuationToken"] = token
    if page.entries:
        answer["Contents"] = [_entry(found, encode, with_owner) for found in page.entries]
    if page.prefixes:
        answer["CommonPrefixes"] = _prefixes(page.prefixes, encode)
    if page.is_truncated:
        answer["NextContinuationToken"] = encode_token(f"s3.{bucket.name}", page.last)
    return answer


def _after(bucket: str, token: str) -> str:
    if not token:
        raise invalid_argument(
            "The continuation token provided is incorrect", "continuation-token", token
        )
    try:
        (last,) = decode_token(f"s3.{bucket}", token)
    except (InvalidPageToken, ValueError) as error:
        raise invalid_argument(
            "The continuation token provided is incorrect", "continuation-token", token
        ) from error
    return str(last)


@operation(
    "ListObjects",
    on=bucket_of,
    action="s3:ListBucket",
    ignores=("RequestPayer", "OptionalObjectAttributes"),
    unvalidated=True,
)
def list_objects(read: Read, request: ListObjectsRequest) -> dict[str, Any]:
    """The first version of the listing. https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjects.html"""
    find_bucket(read, request)
    encode = listing.encoder(request.get("EncodingType"))
    marker = request.get("Marker") or ""
    page = _page(read, request, marker)
    answer: dict[str, Any] = {
        **_common(request, encode),
        "Marker": encode(marker),
        "IsTruncated": page.is_truncated,
    }
    if page.entries:
        answer["Contents"] = [_entry(found, encode, True) for found in page.entries]
    if page.prefixes:
        answer["CommonPrefixes"] = _prefixes(page.prefixes, encode)
    if page.is_truncated and request.get("Delimiter"):
        answer["NextMarker"] = encode(page.last)
    return answer


@operation(
    "ListObjectVersions",
    on=bucket_of,
    action="s3:ListBucketVersions",
    ignores=("RequestPayer", "OptionalObjectAttributes"),
    unvalidated=True,
)
def list_object_versions(read: Read, request: ListObjectVersionsRequest) -> dict[str, Any]:
    """All versions, newest first within a key. https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectVersions.html"""
    find_bucket(read, request)
    encode = listing.encoder(request.get("EncodingType"))
    key_marker, version_marker = request.get("KeyMarker") or "", request.get("VersionIdMarker")
    if version_marker is not None and not key_marker:
        raise invalid_argument(
            "A version-id marker cannot be specified without a key marker.",
            "version-id-marker",
            version_marker,
        )
    most = listing.page_size(request.get("MaxKeys"))
    walk = _VersionWalk(read, request, key_marker, version_marker or "")
    versions, markers, prefixes, last = walk.take(most)
    answer: dict[str, Any] = {
        **_common(request, encode),
        "KeyMarker": encode(key_marker),
        "VersionIdMarker": version_marker or "",
        "IsTruncated": walk.is_truncated,
    }
    if versions:
        answer["Versions"] = [
            {
                **_entry(found, encode, True),
                "VersionId": found.version,
                "IsLatest": latest,
            }
            for found, latest in versions
        ]
    if markers:
        answer["DeleteMarkers"] = [
            {
                "Owner": owner(found.owner),
                "Key": encode(found.key),
                "VersionId": found.version,
                "IsLatest": latest,
                "LastModified": found.modified_at,
            }
            for found, latest in markers
        ]
    if prefixes:
        answer["CommonPrefixes"] = _prefixes(prefixes, encode)
    if walk.is_truncated:
        answer["NextKeyMarker"] = encode(last[0])
        if last[1]:
            answer["NextVersionIdMarker"] = last[1]
    return answer


Versions = list[tuple[StoredObject, bool]]


class _VersionWalk:
    """All versions of a bucket's keys behind a marker, a page of them."""

    def __init__(
        self, read: Read, request: Mapping[str, Any], key_marker: str, version_marker: str
    ) -> None:
        self._read = read
        self._bucket: str = request["Bucket"]
        self._prefix: str = request.get("Prefix") or ""
        self._delimiter: str = request.get("Delimiter") or ""
        self._key_marker = key_marker
        self._version_marker = version_marker
        self.is_truncated = False

    def take(self, most: int) -> tuple[Versions, Versions, list[str], tuple[str, str]]:
        """Versions, delete markers, common prefixes, and where the page ended."""
        versions: Versions = []
        markers: Versions = []
        prefixes: list[str] = []
        last = ("", "")
        if most == 0:
            return versions, markers, prefixes, last
        count = 0
        for found, latest, rolled in self._entries():
            if count == most:
                self.is_truncated = True
                break
            count += 1
            if rolled:
                prefixes.append(rolled)
                last = (rolled, "")
                continue
            last = (found.key, found.version)
            (markers if found.is_marker else versions).append((found, latest))
        return versions, markers, prefixes, last

    def _entries(self) -> Iterator[tuple[StoredObject, bool, str]]:
        start = max(self._prefix, self._key_marker)
        seen_prefix = ""
        for current in self._read.scan(OBJECTS, (self._bucket,), start=(start,) if start else ()):
            key = current.key
            if not key.startswith(self._prefix):
                return
            at = key.find(self._delimiter, len(self._prefix)) if self._delimiter else -1
            if at >= 0:
                rolled = key[: at + len(self._delimiter)]
                if rolled != seen_prefix and rolled > self._key_marker:
                    seen_prefix = rolled
                    yield current, False, rolled
                continue
            yield from self._versions_of(current)

    def _versions_of(self, current: StoredObject) -> Iterator[tuple[StoredObject, bool, str]]:
        """The versions of one key that stand behind the marker."""
        if current.key < self._key_marker:
            return
        behind = current.key != self._key_marker
        if not behind and not self._version_marker:
            return
        if behind:
            yield current, True, ""
        elif current.version == self._version_marker:
            behind = True
        for older in self._read.scan(
            HISTORY, (self._bucket, current.key), stop=(SEQUENCE_MAX + 1,)
        ):
            if behind:
                yield older, False, ""
            elif older.version == self._version_marker:
                behind = True
