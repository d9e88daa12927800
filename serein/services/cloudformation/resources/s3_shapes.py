"""A bucket's settings as CloudFormation spells them, spelt as the S3 API has them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Given = Mapping[str, Any]


def _renamed(given: Given, names: Mapping[str, str]) -> dict[str, Any]:
    return {names.get(name, name): value for name, value in given.items()}


def cors_of(given: Given) -> dict[str, Any]:
    """https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-properties-s3-bucket-corsrule.html"""
    names = {"ExposedHeaders": "ExposeHeaders", "Id": "ID", "MaxAge": "MaxAgeSeconds"}
    return {"CORSRules": [_renamed(rule, names) for rule in given["CorsRules"]]}


def encryption_of(given: Given) -> dict[str, Any]:
    """Server-side encryption."""
    names = {"ServerSideEncryptionByDefault": "ApplyServerSideEncryptionByDefault"}
    return {"Rules": [_renamed(rule, names) for rule in given["ServerSideEncryptionConfiguration"]]}


def logging_of(given: Given) -> dict[str, Any]:
    """Server access logging."""
    names = {"DestinationBucketName": "TargetBucket", "LogFilePrefix": "TargetPrefix"}
    enabled = _renamed(given, names)
    enabled.setdefault("TargetPrefix", "")
    return {"LoggingEnabled": enabled}


def website_of(given: Given) -> dict[str, Any]:
    """Static website hosting."""
    made: dict[str, Any] = {}
    if "IndexDocument" in given:
        made["IndexDocument"] = {"Suffix": given["IndexDocument"]}
    if "ErrorDocument" in given:
        made["ErrorDocument"] = {"Key": given["ErrorDocument"]}
    if "RedirectAllRequestsTo" in given:
        made["RedirectAllRequestsTo"] = given["RedirectAllRequestsTo"]
    if "RoutingRules" in given:
        names = {"RedirectRule": "Redirect", "RoutingRuleCondition": "Condition"}
        made["RoutingRules"] = [_renamed(rule, names) for rule in given["RoutingRules"]]
    return made


def object_lock_of(given: Given) -> dict[str, Any]:
    """Object lock."""
    return dict(given)


def notification_of(given: Given) -> dict[str, Any]:
    """Event notifications: one event per entry here, a list of them there."""
    made: dict[str, Any] = {}
    for ours, theirs, target, arn in (
        ("LambdaConfigurations", "LambdaFunctionConfigurations", "Function", "LambdaFunctionArn"),
        ("QueueConfigurations", "QueueConfigurations", "Queue", "QueueArn"),
        ("TopicConfigurations", "TopicConfigurations", "Topic", "TopicArn"),
    ):
        if ours in given:
            made[theirs] = [_notified(item, target, arn) for item in given[ours]]
    bridge = given.get("EventBridgeConfiguration")
    if bridge is not None and bridge.get("EventBridgeEnabled", True) is not False:
        made["EventBridgeConfiguration"] = {}
    return made


def _notified(item: Given, target: str, arn: str) -> dict[str, Any]:
    made: dict[str, Any] = {arn: item[target], "Events": [item["Event"]]}
    rules = item.get("Filter", {}).get("S3Key", {}).get("Rules")
    if rules:
        made["Filter"] = {"Key": {"FilterRules": rules}}
    return made


def lifecycle_of(given: Given) -> dict[str, Any]:
    """https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-properties-s3-bucket-rule.html"""
    return {"Rules": [_lifecycle_rule(rule) for rule in given["Rules"]]}


def _lifecycle_rule(rule: Given) -> dict[str, Any]:
    made: dict[str, Any] = {"Status": rule["Status"], "Filter": _lifecycle_filter(rule)}
    if "Id" in rule:
        made["ID"] = rule["Id"]
    expiration = {
        name: rule[ours]
        for ours, name in (
            ("ExpirationInDays", "Days"),
            ("ExpirationDate", "Date"),
            ("ExpiredObjectDeleteMarker", "ExpiredObjectDeleteMarker"),
        )
        if ours in rule
    }
    if expiration:
        made["Expiration"] = expiration
    transitions = [
        *rule.get("Transitions", ()),
        *([rule["Transition"]] if "Transition" in rule else ()),
    ]
    if transitions:
        names = {"TransitionInDays": "Days", "TransitionDate": "Date"}
        made["Transitions"] = [_renamed(item, names) for item in transitions]
    if "NoncurrentVersionExpirationInDays" in rule:
        made["NoncurrentVersionExpiration"] = {
            "NoncurrentDays": rule["NoncurrentVersionExpirationInDays"]
        }
    elif "NoncurrentVersionExpiration" in rule:
        made["NoncurrentVersionExpiration"] = rule["NoncurrentVersionExpiration"]
    older = rule.get("NoncurrentVersionTransitions", ())
    if older:
        names = {"TransitionInDays": "NoncurrentDays"}
        made["NoncurrentVersionTransitions"] = [_renamed(item, names) for item in older]
    if "AbortIncompleteMultipartUpload" in rule:
        made["AbortIncompleteMultipartUpload"] = rule["AbortIncompleteMultipartUpload"]
    return made


def _lifecycle_filter(rule: Given) -> dict[str, Any]:
    parts: dict[str, Any] = {}
    if "Prefix" in rule:
        parts["Prefix"] = rule["Prefix"]
    for ours in ("ObjectSizeGreaterThan", "ObjectSizeLessThan"):
        if ours in rule:
            parts[ours] = int(rule[ours])
    tags = rule.get("TagFilters", [])
    if len(parts) + len(tags) > 1:
        return {"And": {**parts, **({"Tags": tags} if tags else {})}}
    if tags:
        return {"Tag": tags[0]}
    return parts or {"Prefix": ""}
