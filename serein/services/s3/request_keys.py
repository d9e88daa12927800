"""S3's condition keys of requests, worked out only when a policy names one; and the further permissions that writes need.

https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazons3.html
https://docs.aws.amazon.com/AmazonS3/latest/API/bucket-policy-s3-sigv4-conditions.html
https://docs.aws.amazon.com/AmazonS3/latest/userguide/using-with-s3-policy-actions.html
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import parse_qsl

from serein.kernel.calls import Call
from serein.kernel.conditions import condition_texts, members_as_keys
from serein.kernel.operations import Conditions, Need, Read
from serein.services.s3.access import bucket_of, object_of
from serein.wire.timestamps import iso8601

Values = Sequence[str] | None
_LISTINGS = frozenset({"ListObjects", "ListObjectsV2", "ListObjectVersions", "HeadBucket"})
_CREATING = {
    "PutObject": "true",
    "CopyObject": "true",
    "CompleteMultipartUpload": "true",
    "CreateMultipartUpload": "false",
    "UploadPart": "false",
    "UploadPartCopy": "false",
}
_MEMBERS = members_as_keys(
    {
        "s3:x-amz-acl": "ACL",
        "s3:x-amz-grant-full-control": "GrantFullControl",
        "s3:x-amz-grant-read": "GrantRead",
        "s3:x-amz-grant-read-acp": "GrantReadACP",
        "s3:x-amz-grant-write": "GrantWrite",
        "s3:x-amz-grant-write-acp": "GrantWriteACP",
        "s3:x-amz-storage-class": "StorageClass",
        "s3:x-amz-server-side-encryption": "ServerSideEncryption",
        "s3:x-amz-server-side-encryption-aws-kms-key-id": "SSEKMSKeyId",
        "s3:x-amz-server-side-encryption-customer-algorithm": "SSECustomerAlgorithm",
        "s3:x-amz-copy-source": "CopySource",
        "s3:x-amz-metadata-directive": "MetadataDirective",
        "s3:x-amz-website-redirect-location": "WebsiteRedirectLocation",
        "s3:x-amz-object-ownership": "ObjectOwnership",
        "s3:if-match": "IfMatch",
        "s3:if-none-match": "IfNoneMatch",
        "s3:versionid": "VersionId",
        "s3:delimiter": "Delimiter",
        "s3:max-keys": "MaxKeys",
        "s3:locationconstraint": "CreateBucketConfiguration.LocationConstraint",
        "s3:inventoryaccessibleoptionalfields": "InventoryConfiguration.OptionalFields",
    }
)
_DAY_S = 86_400


def keys_of(read: Read, call: Call, arn: str) -> Conditions:
    """The condition keys of a request to S3."""
    return _OfRequest(read, call, arn)


class _OfRequest(dict[str, Sequence[str]]):
    """Looks at the request only for the key that a statement names."""

    def __init__(self, read: Read, call: Call, arn: str) -> None:
        super().__init__()
        self._read, self._call, self._arn = read, call, arn
        self._members: Conditions | None = None

    def get(self, key: str, default: Any = None) -> Any:
        answer = _KEYS.get(key)
        found: Values = None
        if answer is not None:
            found = answer(self)
        elif "/" in key:
            found = self._tag(*key.split("/", 1))
        else:
            if self._members is None:
                self._members = _MEMBERS(self._read, self._call, self._arn)
            found = self._members.get(key)
        return default if found is None else found

    def _tag(self, name: str, wanted: str) -> Values:
        tags: Mapping[str, str] = {}
        if name == "s3:requestobjecttag":
            tags = _object_tags(self._call)
        elif name == "s3:buckettag":
            tags = self._read.tags_of(self._arn.partition("/")[0])
        elif name == "aws:requesttag":
            tags = _bucket_tags(self._call)
        elif name == "aws:resourcetag":
            tags = self._read.tags_of(self._arn.partition("/")[0])
        return next(((value,) for key, value in tags.items() if key.lower() == wanted), None)

    def prefix(self) -> Values:
        if self._call.operation not in _LISTINGS:
            return None
        return (str(self._call.params.get("Prefix") or ""),)

    def auth_type(self) -> Values:
        signed = self._call.scope.signed
        return (signed.how,) if signed is not None else None

    def signature_version(self) -> Values:
        signed = self._call.scope.signed
        return (signed.version,) if signed is not None else None

    def signature_age(self) -> Values:
        """Milliseconds since the request was signed; AWS has the key only for what carries a signature."""
        signed = self._call.scope.signed
        if signed is None or signed.at <= 0:
            return None
        return (str(max(0, int((self._read.now - signed.at) * 1000))),)

    def content_sha256(self) -> Values:
        signed = self._call.scope.signed
        return (signed.payload,) if signed is not None and signed.payload else None

    def creates(self) -> Values:
        found = _CREATING.get(self._call.operation)
        return None if found is None else (found,)

    def object_tag_keys(self) -> Values:
        return tuple(_object_tags(self._call)) or None

    def bucket_tag_keys(self) -> Values:
        return tuple(_bucket_tags(self._call)) or None

    def lock_mode(self) -> Values:
        params = self._call.params
        return condition_texts(params.get("ObjectLockMode") or _retention(params).get("Mode"))

    def _until(self) -> float | None:
        params = self._call.params
        until = params.get("ObjectLockRetainUntilDate")
        if until is None:
            until = _retention(params).get("RetainUntilDate")
        return until if isinstance(until, int | float) else None

    def lock_until(self) -> Values:
        until = self._until()
        return None if until is None else (iso8601(until),)

    def lock_days(self) -> Values:
        until = self._until()
        if until is not None:
            return (str(max(0, -int((self._read.now - until) // _DAY_S))),)
        retention = _retention(self._call.params)
        if "Days" in retention:
            return (str(retention["Days"]),)
        return (str(retention["Years"] * 365),) if "Years" in retention else None

    def legal_hold(self) -> Values:
        params = self._call.params
        found = params.get("ObjectLockLegalHoldStatus")
        return condition_texts(found or (params.get("LegalHold") or {}).get("Status"))


_KEYS: Mapping[str, Callable[[_OfRequest], Values]] = {
    "s3:prefix": _OfRequest.prefix,
    "s3:authtype": _OfRequest.auth_type,
    "s3:signatureversion": _OfRequest.signature_version,
    "s3:signatureage": _OfRequest.signature_age,
    "s3:x-amz-content-sha256": _OfRequest.content_sha256,
    "s3:objectcreationoperation": _OfRequest.creates,
    "s3:requestobjecttagkeys": _OfRequest.object_tag_keys,
    "s3:object-lock-mode": _OfRequest.lock_mode,
    "s3:object-lock-retain-until-date": _OfRequest.lock_until,
    "s3:object-lock-remaining-retention-days": _OfRequest.lock_days,
    "s3:object-lock-legal-hold": _OfRequest.legal_hold,
    "aws:tagkeys": _OfRequest.bucket_tag_keys,
}


def _retention(params: Mapping[str, Any]) -> Mapping[str, Any]:
    found = params.get("Retention")
    if not isinstance(found, Mapping):
        rule = (params.get("ObjectLockConfiguration") or {}).get("Rule") or {}
        found = rule.get("DefaultRetention")
    return found if isinstance(found, Mapping) else {}


def _object_tags(call: Call) -> Mapping[str, str]:
    """The tags that a write gives an object, by header or by PutObjectTagging."""
    given = call.params.get("Tagging")
    if isinstance(given, str):
        return dict(parse_qsl(given, keep_blank_values=True))
    return _tag_set(given) if "Key" in call.params else {}


def _bucket_tags(call: Call) -> Mapping[str, str]:
    if "Key" in call.params:
        return {}
    made = call.params.get("CreateBucketConfiguration")
    if isinstance(made, Mapping) and made.get("Tags"):
        return _tag_set({"TagSet": made["Tags"]})
    return _tag_set(call.params.get("Tagging"))


def _tag_set(given: Any) -> Mapping[str, str]:
    entries = given.get("TagSet") or () if isinstance(given, Mapping) else ()
    return {str(tag.get("Key", "")): str(tag.get("Value", "")) for tag in entries if tag}


_GRANTS = ("ACL", "GrantFullControl", "GrantRead", "GrantReadACP", "GrantWrite", "GrantWriteACP")


def write_needs(call: Call) -> Iterator[Need]:
    """What a write of an object needs besides s3:PutObject: for tags, ACLs and locks that it brings along."""
    params = call.params
    if params.get("Tagging"):
        yield Need("s3:PutObjectTagging", object_of(call))
    if any(params.get(member) for member in _GRANTS):
        yield Need("s3:PutObjectAcl", object_of(call))
    if params.get("ObjectLockMode") or params.get("ObjectLockRetainUntilDate"):
        yield Need("s3:PutObjectRetention", object_of(call))
    if params.get("ObjectLockLegalHoldStatus"):
        yield Need("s3:PutObjectLegalHold", object_of(call))


def bucket_needs(call: Call) -> Iterator[Need]:
    """What making a bucket needs besides s3:CreateBucket.

    https://docs.aws.amazon.com/AmazonS3/latest/API/API_CreateBucket.html (Permissions)
    """
    params, bucket = call.params, bucket_of(call)
    if any(params.get(member) for member in _GRANTS):
        yield Need("s3:PutBucketAcl", bucket)
    if params.get("ObjectLockEnabledForBucket"):
        yield Need("s3:PutBucketObjectLockConfiguration", bucket)
        yield Need("s3:PutBucketVersioning", bucket)
    if params.get("ObjectOwnership"):
        yield Need("s3:PutBucketOwnershipControls", bucket)
    configuration = params.get("CreateBucketConfiguration")
    if isinstance(configuration, Mapping) and configuration.get("Tags"):
        yield Need("s3:TagResource", bucket)


def attribute_needs(call: Call) -> Iterator[Need]:
    """GetObjectAttributes needs to read the object, too."""
    version = "Version" if call.params.get("VersionId") else ""
    yield Need(f"s3:GetObject{version}", object_of(call))
