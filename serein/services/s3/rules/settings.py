"""Checks of bucket configurations, in S3's words."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from serein.services.s3.rules.errors import invalid_argument, refusal

RULES_MAX = 1000
CORS_RULES_MAX = 100
METHODS = frozenset({"GET", "PUT", "POST", "DELETE", "HEAD"})
DEFAULT_ENCRYPTION: Mapping[str, Any] = {
    "Rules": [
        {
            "ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"},
            "BucketKeyEnabled": False,
        }
    ]
}


def check_cors(configuration: Mapping[str, Any] | None) -> None:
    """https://docs.aws.amazon.com/AmazonS3/latest/userguide/ManageCorsUsing.html"""
    rules = (configuration or {}).get("CORSRules") or []
    if not 1 <= len(rules) <= CORS_RULES_MAX:
        raise refusal("MalformedXML")
    for rule in rules:
        methods, origins = rule.get("AllowedMethods") or [], rule.get("AllowedOrigins") or []
        if not methods or not origins:
            raise refusal("MalformedXML")
        for method in methods:
            if method not in METHODS:
                raise refusal(
                    "InvalidRequest",
                    f"Found unsupported HTTP method in CORS config. Unsupported method is {method}",
                )
        for origin in origins:
            if origin.count("*") > 1:
                raise refusal(
                    "InvalidRequest",
                    f'AllowedOrigin "{origin}" can not have more than one wildcard.',
                )


def check_website(configuration: Mapping[str, Any] | None) -> None:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/API_WebsiteConfiguration.html"""
    if not configuration:
        raise refusal("MalformedXML")
    if configuration.get("RedirectAllRequestsTo"):
        if configuration.get("IndexDocument") or configuration.get("ErrorDocument"):
            raise refusal("MalformedXML")
        return
    index = configuration.get("IndexDocument")
    if not index:
        raise invalid_argument(
            "A value for IndexDocument Suffix must be provided if RedirectAllRequestsTo is empty",
            "IndexDocument",
            "null",
        )
    suffix = index.get("Suffix", "")
    if not suffix or "/" in suffix:
        raise invalid_argument(
            "The IndexDocument Suffix is not well formed", "IndexDocument", suffix
        )


def checked_encryption(configuration: Mapping[str, Any] | None) -> dict[str, Any]:
    """The configuration with its defaults. https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutBucketEncryption.html"""
    rules = (configuration or {}).get("Rules") or []
    if len(rules) != 1:
        raise refusal("MalformedXML")
    default = rules[0].get("ApplyServerSideEncryptionByDefault") or {"SSEAlgorithm": "AES256"}
    algorithm = default.get("SSEAlgorithm")
    if algorithm not in ("AES256", "aws:kms", "aws:kms:dsse"):
        raise refusal("MalformedXML")
    if algorithm == "AES256" and default.get("KMSMasterKeyID"):
        raise invalid_argument(
            "a KMSMasterKeyID is not applicable if the default sse algorithm is not aws:kms or aws:kms:dsse",
            "ApplyServerSideEncryptionByDefault",
            algorithm,
        )
    return {
        "Rules": [
            {
                **rules[0],
                "ApplyServerSideEncryptionByDefault": default,
                "BucketKeyEnabled": bool(rules[0].get("BucketKeyEnabled", False)),
            }
        ]
    }


def checked_lifecycle(
    configuration: Mapping[str, Any] | None, new_id: Callable[[], str]
) -> dict[str, Any]:
    """The rules, each with an ID. https://docs.aws.amazon.com/AmazonS3/latest/userguide/intro-lifecycle-rules.html"""
    rules = (configuration or {}).get("Rules") or []
    if not 1 <= len(rules) <= RULES_MAX:
        raise refusal("MalformedXML")
    seen: set[str] = set()
    checked: list[dict[str, Any]] = []
    for rule in rules:
        if rule.get("Status") not in ("Enabled", "Disabled"):
            raise refusal("MalformedXML")
        if ("Filter" in rule) == ("Prefix" in rule):
            raise refusal("MalformedXML")
        _check_actions(rule)
        made = {"ID": rule.get("ID") or new_id().replace("-", ""), **rule}
        if made["ID"] in seen:
            raise invalid_argument(
                "Rule ID must be unique. Found same ID for one or more rules", "ID", made["ID"]
            )
        if len(made["ID"]) > 255:
            raise invalid_argument("ID length should not exceed allowed limit of 255", "ID", "")
        seen.add(made["ID"])
        checked.append(made)
    return {"Rules": checked}


_ACTIONS = (
    "Expiration",
    "Transitions",
    "NoncurrentVersionExpiration",
    "NoncurrentVersionTransitions",
    "AbortIncompleteMultipartUpload",
)


def _check_actions(rule: Mapping[str, Any]) -> None:
    if not any(rule.get(action) for action in _ACTIONS):
        raise refusal("InvalidRequest", "At least one action needs to be specified in a rule.")
    expiration = rule.get("Expiration") or {}
    given = [name for name in ("Days", "Date", "ExpiredObjectDeleteMarker") if name in expiration]
    if expiration and len(given) != 1:
        raise refusal("MalformedXML")
    days = expiration.get("Days")
    if days is not None and days <= 0:
        raise invalid_argument(
            "'Days' for Expiration action must be a positive integer", "Days", days
        )
    date = expiration.get("Date")
    if date is not None and date % 86400:
        raise invalid_argument("'Date' must be at midnight GMT", "Date", date)
