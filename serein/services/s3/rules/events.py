"""Event notifications: which configurations an event concerns, and the record that is delivered.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote_plus

import orjson

from serein.services.s3.records import Bucket, StoredObject
from serein.wire.timestamps import iso8601_millis

KINDS: Mapping[str, str] = {
    "QueueConfigurations": "QueueArn",
    "TopicConfigurations": "TopicArn",
    "LambdaFunctionConfigurations": "LambdaFunctionArn",
}
EVENTS = frozenset(
    f"s3:{name}"
    for name in (
        "TestEvent",
        "ReducedRedundancyLostObject",
        "ObjectCreated:*",
        "ObjectCreated:Put",
        "ObjectCreated:Post",
        "ObjectCreated:Copy",
        "ObjectCreated:CompleteMultipartUpload",
        "ObjectRemoved:*",
        "ObjectRemoved:Delete",
        "ObjectRemoved:DeleteMarkerCreated",
        "ObjectRestore:*",
        "ObjectRestore:Post",
        "ObjectRestore:Completed",
        "ObjectRestore:Delete",
        "Replication:*",
        "Replication:OperationFailedReplication",
        "Replication:OperationNotTracked",
        "Replication:OperationMissedThreshold",
        "Replication:OperationReplicatedAfterThreshold",
        "LifecycleTransition",
        "IntelligentTiering",
        "ObjectAcl:Put",
        "LifecycleExpiration:*",
        "LifecycleExpiration:Delete",
        "LifecycleExpiration:DeleteMarkerCreated",
        "ObjectTagging:*",
        "ObjectTagging:Put",
        "ObjectTagging:Delete",
    )
)


def matching(configuration: Mapping[str, Any], event: str, key: str) -> Iterator[tuple[str, str]]:
    """Id and target ARN of each configuration that `event` ("ObjectCreated:Put") on `key` concerns."""
    for kind, member in KINDS.items():
        for one in configuration.get(kind, ()):
            if _listens(one["Events"], event) and _passes(one.get("Filter"), key):
                yield one["Id"], one[member]


def _listens(events: list[str], event: str) -> bool:
    family = event.partition(":")[0]
    return f"s3:{event}" in events or f"s3:{family}:*" in events


def _passes(chosen: Mapping[str, Any] | None, key: str) -> bool:
    rules = (chosen or {}).get("Key", {}).get("FilterRules", ())
    for rule in rules:
        value = rule.get("Value", "")
        if rule["Name"].lower() == "prefix" and not key.startswith(value):
            return False
        if rule["Name"].lower() == "suffix" and not key.endswith(value):
            return False
    return True


def record(
    event: str,
    bucket: Bucket,
    found: StoredObject,
    configuration: str,
    *,
    principal: str,
    source_ip: str,
    request_id: str,
    now: float,
) -> str:
    """The message body: one record, as S3 sends them."""
    described: dict[str, Any] = {"key": quote_plus(found.key, safe="/*-._")}
    about_marks = event.startswith(("ObjectTagging", "ObjectAcl"))
    if about_marks:
        described["eTag"] = found.etag
    elif event.startswith(("ObjectCreated", "ObjectRestore")):
        described |= {"size": found.size, "eTag": found.etag}
    if found.version != "null":
        described["versionId"] = found.version
    if event == "ObjectRemoved:DeleteMarkerCreated":
        described["eTag"] = "d41d8cd98f00b204e9800998ecf8427e"
    if not about_marks:
        described["sequencer"] = f"{found.sequence:018X}"
    told = {
        "eventVersion": "2.3" if about_marks else "2.1",
        "eventSource": "aws:s3",
        "awsRegion": bucket.region,
        "eventTime": iso8601_millis(now),
        "eventName": event,
        "userIdentity": {"principalId": principal},
        "requestParameters": {"sourceIPAddress": source_ip or "127.0.0.1"},
        "responseElements": {"x-amz-request-id": request_id, "x-amz-id-2": request_id},
        "s3": {
            "s3SchemaVersion": "1.0",
            "configurationId": configuration,
            "bucket": {
                "name": bucket.name,
                "ownerIdentity": {"principalId": bucket.account},
                "arn": bucket.arn,
            },
            "object": described,
        },
    }
    return orjson.dumps({"Records": [told]}).decode()


def test_event(bucket: Bucket, request_id: str, now: float) -> str:
    """What a target is sent when a configuration first names it."""
    return orjson.dumps(
        {
            "Service": "Amazon S3",
            "Event": "s3:TestEvent",
            "Time": iso8601_millis(now),
            "Bucket": bucket.name,
            "RequestId": request_id,
            "HostId": request_id,
        }
    ).decode()
