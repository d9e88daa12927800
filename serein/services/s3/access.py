"""What a request is about: ARNs, buckets and objects; the bucket's policy; condition keys.

https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazons3.html
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import unquote

import orjson

from serein.base.errors import AwsError
from serein.kernel.calls import Call
from serein.kernel.operations import Conditions, Need, Read
from serein.services.s3.records import BUCKETS, HISTORY, OBJECTS, SETTINGS, Bucket, StoredObject
from serein.services.s3.rules.acls import is_public
from serein.services.s3.rules.errors import invalid_argument, refusal

PREFIX = "arn:aws:s3:::"
_NO_CONDITIONS: Conditions = {}


def bucket_of(call: Call) -> str:
    """The ARN of the request's bucket."""
    return PREFIX + str(call.params["Bucket"])


def object_of(call: Call) -> str:
    """The ARN of the request's object."""
    return f"{PREFIX}{call.params['Bucket']}/{call.params['Key']}"


def versioned(action: str) -> Callable[[Call], str]:
    """`s3:GetObject`, or `s3:GetObjectVersion` when the request names a version."""
    plain = f"s3:{action}"
    by_version = plain.replace("Object", "ObjectVersion", 1)

    def choose(call: Call) -> str:
        return by_version if call.params.get("VersionId") else plain

    return choose


def bucket_in(arn: str) -> str:
    """The bucket's name in the ARN of a bucket or an object."""
    return arn[len(PREFIX) :].partition("/")[0]


def owner_of(read: Read, arn: str) -> str | None:
    """The account that owns the bucket; ARNs of S3 do not tell it."""
    bucket = read.get(BUCKETS, bucket_in(arn))
    return bucket.account if bucket is not None else None


def policy_of(read: Read, arn: str) -> str | None:
    """The bucket's policy, with what its (public) ACLs grant."""
    name = bucket_in(arn)
    policy = read.get(SETTINGS, name, "policy", "")
    text: str | None = policy.value["Policy"] if policy is not None else None
    if text is not None:
        blocked = read.get(SETTINGS, name, "public_access", "")
        if blocked is not None and blocked.value.get("RestrictPublicBuckets"):
            text = _restricted(read, name, text)
    acl = read.get(SETTINGS, name, "acl_policy", "")
    if acl is None:
        return text
    blocked = read.get(SETTINGS, name, "public_access", "")
    if blocked is not None and blocked.value.get("IgnorePublicAcls"):
        return text
    # A public ACL is kept as the policy it amounts to, so there is one judge.
    granted: str = acl.value["Policy"]
    if text is None:
        return granted
    return _joined(text, granted)


def _restricted(read: Read, name: str, text: str) -> str:
    """Under RestrictPublicBuckets a public policy lets in only the bucket's own account and AWS services.

    https://docs.aws.amazon.com/AmazonS3/latest/userguide/access-control-block-public-access.html
    """
    bucket = read.get(BUCKETS, name)
    if bucket is None or not is_public(orjson.loads(text)):
        return text
    outside = {
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:*",
        "Resource": "*",
        "Condition": {
            "StringNotEquals": {"aws:PrincipalAccount": bucket.account},
            "BoolIfExists": {"aws:PrincipalIsAWSService": "false"},
        },
    }
    return _joined(text, orjson.dumps({"Statement": [outside]}).decode())


def _joined(text: str, more: str) -> str:
    first, second = orjson.loads(text), orjson.loads(more)
    own = first["Statement"]
    statements = [*(own if isinstance(own, list) else [own]), *second["Statement"]]
    return orjson.dumps({**first, "Statement": statements}).decode()


def existing_conditions(read: Read, arn: str) -> Conditions:
    """s3:ExistingObjectTag/… of the object that an ARN names."""
    name, slash, key = arn[len(PREFIX) :].partition("/")
    if not slash:
        return _NO_CONDITIONS
    return _ExistingTags(read, name, key)


class _ExistingTags(dict[str, Any]):
    """Looks the object up only when a policy asks for one of its tags."""

    def __init__(self, read: Read, bucket: str, key: str) -> None:
        super().__init__()
        self._read = read
        self._place = (bucket, key)

    def get(self, key: str, default: Any = None) -> Any:
        if not key.startswith("s3:existingobjecttag/"):
            return default
        found = self._read.get(OBJECTS, *self._place)
        wanted = key.partition("/")[2]
        tags: Mapping[str, str] = found.tags if found is not None else {}
        return next(((v,) for k, v in tags.items() if k.lower() == wanted), default)


def find_bucket(read: Read, request: Mapping[str, Any]) -> Bucket:
    """The request's bucket. Raises NoSuchBucket, or AccessDenied when ExpectedBucketOwner does not own it."""
    name = request["Bucket"]
    bucket = read.get(BUCKETS, name)
    if bucket is None:
        raise refusal("NoSuchBucket", BucketName=name)
    expected = request.get("ExpectedBucketOwner")
    if expected is not None:
        check_expected_owner(expected, bucket)
    return bucket


def check_expected_owner(expected: str, bucket: Bucket) -> None:
    """https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucket-owner-condition.html"""
    if len(expected) != 12 or not expected.isdigit():
        raise refusal(
            "InvalidBucketOwnerAWSAccountID",
            "The value of the expected bucket owner parameter must be an AWS Account ID... "
            f"[{expected}]",
        )
    if expected != bucket.account:
        raise refusal("AccessDenied")


def version_or_none(read: Read, bucket: str, key: str, version: str) -> StoredObject | None:
    """That version of an object, a delete marker too."""
    current = read.get(OBJECTS, bucket, key)
    if current is not None and current.version == version:
        return current
    for older in read.scan(HISTORY, (bucket, key)):
        if older.version == version:
            return older
    return None


def find_object(read: Read, request: Mapping[str, Any]) -> StoredObject:
    """The object (that version, if one is named). Raises NoSuchKey, NoSuchVersion, MethodNotAllowed (a marker)."""
    bucket, key, version = request["Bucket"], request["Key"], request.get("VersionId")
    if version is None:
        found = read.get(OBJECTS, bucket, key)
        if found is None or found.is_marker:
            error = (
                refusal("NoSuchKey", Key=key)
                if found is None
                else marked(found, "NoSuchKey", Key=key)
            )
            # https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html (Permissions)
            error.hidden_without = Need("s3:ListBucket", PREFIX + bucket)
            raise error
        return found
    check_version_id(version)
    found = version_or_none(read, bucket, key, version)
    if found is None:
        raise refusal("NoSuchVersion", Key=key, VersionId=version)
    if found.is_marker:
        raise marked(found, "MethodNotAllowed", Method="GET", ResourceType="DeleteMarker")
    return found


def check_version_id(version: str) -> None:
    """Raises for what can be no version id."""
    if not version:
        raise invalid_argument("Version id cannot be the empty string", "versionId", version)
    if version != "null" and (
        len(version) != 32 or not version.replace("_", "").replace(".", "").isalnum()
    ):
        raise invalid_argument("Invalid version id specified", "versionId", version)


def marked(found: StoredObject, code: str, **fields: Any) -> AwsError:
    """The refusal of a read that met a delete marker, with its headers."""
    error = refusal(code, **fields)
    error.headers = {"x-amz-delete-marker": "true", "x-amz-version-id": found.version}
    return error


def split_copy_source(source: Any) -> tuple[str, str, str | None]:
    """Bucket, key and version of x-amz-copy-source. Raises InvalidArgument."""
    text = str(source)
    path, mark, version = text.partition("?versionId=")
    bucket, slash, key = unquote(path).lstrip("/").partition("/")
    if not bucket:
        raise invalid_argument("Invalid copy source bucket name", "x-amz-copy-source", text)
    if not slash or not key:
        raise invalid_argument(
            "Invalid copy source object key", "x-amz-copy-source", "x-amz-copy-source"
        )
    return bucket, key, version if mark else None


def read_source(call: Call) -> list[Need]:
    """The need to read what is copied."""
    bucket, key, version = split_copy_source(call.params.get("CopySource", ""))
    action = "s3:GetObjectVersion" if version else "s3:GetObject"
    return [Need(action, f"{PREFIX}{bucket}/{key}")]


def bypass(call: Call) -> list[Need]:
    """The need to go past governance retention, where the request asks for that."""
    if not call.params.get("BypassGovernanceRetention"):
        return []
    return [Need("s3:BypassGovernanceRetention", object_of(call))]
