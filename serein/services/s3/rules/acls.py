"""Access control lists: canned ones, given ones, and the policy that a public one amounts to.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/acl-overview.html
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from serein.services.s3.rules.errors import invalid_argument, refusal
from serein.services.s3.rules.owners import canonical_id, owner

EVERYONE = "http://acs.amazonaws.com/groups/global/AllUsers"
AUTHENTICATED = "http://acs.amazonaws.com/groups/global/AuthenticatedUsers"
LOG_DELIVERY = "http://acs.amazonaws.com/groups/s3/LogDelivery"
PERMISSIONS = frozenset({"FULL_CONTROL", "READ", "WRITE", "READ_ACP", "WRITE_ACP"})
_CANNED: Mapping[str, tuple[tuple[str, str], ...]] = {
    "private": (),
    "public-read": ((EVERYONE, "READ"),),
    "public-read-write": ((EVERYONE, "READ"), (EVERYONE, "WRITE")),
    "authenticated-read": ((AUTHENTICATED, "READ"),),
    "log-delivery-write": ((LOG_DELIVERY, "WRITE"), (LOG_DELIVERY, "READ_ACP")),
    "bucket-owner-read": (),
    "bucket-owner-full-control": (),
    "aws-exec-read": (),
}
_GRANT_HEADERS = (
    ("GrantFullControl", "FULL_CONTROL"),
    ("GrantRead", "READ"),
    ("GrantWrite", "WRITE"),
    ("GrantReadACP", "READ_ACP"),
    ("GrantWriteACP", "WRITE_ACP"),
)
_BUCKET_ACTIONS: Mapping[str, tuple[str, ...]] = {
    "READ": ("s3:ListBucket", "s3:ListBucketVersions", "s3:ListBucketMultipartUploads"),
    "READ_ACP": ("s3:GetBucketAcl",),
    "WRITE_ACP": ("s3:PutBucketAcl",),
}
_OBJECT_ACTIONS: Mapping[str, tuple[str, ...]] = {
    "READ": ("s3:GetObject", "s3:GetObjectVersion"),
    "READ_ACP": ("s3:GetObjectAcl", "s3:GetObjectVersionAcl"),
    "WRITE_ACP": ("s3:PutObjectAcl", "s3:PutObjectVersionAcl"),
}


def canned(name: str, account: str) -> dict[str, Any]:
    """A canned ACL's owner and grants. Raises InvalidArgument for an unknown name."""
    if name not in _CANNED:
        raise invalid_argument("", "x-amz-acl", name)
    grants = [_grant({"Type": "CanonicalUser", "ID": canonical_id(account)}, "FULL_CONTROL")]
    grants += [
        _grant({"Type": "Group", "URI": uri}, permission) for uri, permission in _CANNED[name]
    ]
    return {"Owner": owner(account), "Grants": grants}


def _grant(grantee: dict[str, str], permission: str) -> dict[str, Any]:
    return {"Grantee": grantee, "Permission": permission}


def requested(request: Mapping[str, Any], account: str) -> dict[str, Any]:
    """The ACL that a Put asks for: canned, by headers, or as a document. Raises when it is none or several."""
    document = request.get("AccessControlPolicy")
    headers = [(name, permission) for name, permission in _GRANT_HEADERS if request.get(name)]
    given = [bool(request.get("ACL")), bool(document), bool(headers)]
    if sum(given) > 1:
        raise refusal("UnexpectedContent", "This request does not support content")
    if request.get("ACL"):
        return canned(str(request["ACL"]), account)
    if headers:
        grants = [
            _grant(_grantee(text), permission)
            for name, permission in headers
            for text in str(request[name]).split(",")
        ]
        return {"Owner": owner(account), "Grants": grants}
    if not document:
        raise refusal(
            "MissingSecurityHeader",
            "Your request was missing a required header",
            MissingHeaderName="x-amz-acl",
        )
    return _checked(document)


def of_new(request: Mapping[str, Any], account: str) -> dict[str, Any]:
    """The ACL that a write gives its object; nothing for a private one."""
    if request.get("ACL") in (None, "private") and not any(
        request.get(name) for name, _ in _GRANT_HEADERS
    ):
        return {}
    return requested(request, account)


def _grantee(text: str) -> dict[str, str]:
    kind, equals, value = text.strip().partition("=")
    value = value.strip('"')
    if kind == "id" and equals:
        return {"Type": "CanonicalUser", "ID": value}
    if kind == "uri" and equals:
        if value not in (EVERYONE, AUTHENTICATED, LOG_DELIVERY):
            raise invalid_argument("Invalid group uri", "uri", value)
        return {"Type": "Group", "URI": value}
    raise invalid_argument("Argument format not recognized", "x-amz-grant", text)


def _checked(document: Mapping[str, Any]) -> dict[str, Any]:
    grants = document.get("Grants")
    if not document.get("Owner") or grants is None:
        raise refusal("MalformedACLError")
    for grant in grants:
        grantee = grant.get("Grantee") or {}
        if grant.get("Permission") not in PERMISSIONS or not grantee.get("Type"):
            raise refusal("MalformedACLError")
        uri = grantee.get("URI")
        if grantee["Type"] == "Group" and uri not in (EVERYONE, AUTHENTICATED, LOG_DELIVERY):
            raise invalid_argument("Invalid group uri", "Group/URI", uri)
    return {"Owner": {"ID": document["Owner"].get("ID")}, "Grants": list(grants)}


def grants_everyone(acl: Mapping[str, Any]) -> bool:
    """Whether the ACL lets everyone (or everyone with an account) do something."""
    return any(
        grant["Grantee"].get("URI") in (EVERYONE, AUTHENTICATED) for grant in acl.get("Grants", ())
    )


def statements(acl: Mapping[str, Any], arn: str) -> list[dict[str, Any]]:
    """The policy statements that a bucket's public grants amount to."""
    made: list[dict[str, Any]] = []
    for permission in _public(acl):
        if permission in ("WRITE", "FULL_CONTROL"):
            made.append(_allow(("s3:PutObject", "s3:DeleteObject"), f"{arn}/*"))
        actions = (
            tuple(a for group in _BUCKET_ACTIONS.values() for a in group)
            if permission == "FULL_CONTROL"
            else _BUCKET_ACTIONS.get(permission, ())
        )
        if actions:
            made.append(_allow(actions, arn))
    return made


def object_statements(acl: Mapping[str, Any], arn: str) -> list[dict[str, Any]]:
    """The same for an object's public grants."""
    made: list[dict[str, Any]] = []
    for permission in _public(acl):
        actions = (
            tuple(a for group in _OBJECT_ACTIONS.values() for a in group)
            if permission == "FULL_CONTROL"
            else _OBJECT_ACTIONS.get(permission, ())
        )
        if actions:
            made.append(_allow(actions, arn))
    return made


def _public(acl: Mapping[str, Any]) -> list[str]:
    return [
        grant["Permission"]
        for grant in acl.get("Grants", ())
        if grant["Grantee"].get("URI") == EVERYONE
    ]


def _allow(actions: tuple[str, ...], resource: str) -> dict[str, Any]:
    return {"Effect": "Allow", "Principal": "*", "Action": list(actions), "Resource": resource}


def is_public(document: Mapping[str, Any]) -> bool:
    """Whether a bucket policy is public: it allows `*` something without a condition that narrows who.

    https://docs.aws.amazon.com/AmazonS3/latest/userguide/access-control-block-public-access.html#access-control-block-public-access-policy-status
    """
    given = document.get("Statement", [])
    for statement in given if isinstance(given, list) else [given]:
        if statement.get("Effect") != "Allow":
            continue
        principal = statement.get("Principal")
        named = principal.get("AWS") if isinstance(principal, dict) else principal
        everyone = named == "*" or (isinstance(named, list) and "*" in named)
        if everyone and not _narrowed(statement.get("Condition") or {}):
            return True
    return False


_NARROWING = frozenset(
    {
        "aws:sourcearn",
        "aws:sourceaccount",
        "aws:sourceip",
        "aws:sourcevpc",
        "aws:sourcevpce",
        "aws:sourceowner",
        "aws:userid",
        "aws:principalarn",
        "aws:principalaccount",
        "aws:principalorgid",
        "s3:x-amz-server-side-encryption-aws-kms-key-id",
        "s3:dataaccesspointarn",
        "s3:dataaccesspointaccount",
    }
)


def _narrowed(condition: Mapping[str, Any]) -> bool:
    for keys in condition.values():
        for key, values in keys.items():
            listed = values if isinstance(values, list) else [values]
            if key.lower() in _NARROWING and not any("*" in str(value) for value in listed):
                return True
    return False
