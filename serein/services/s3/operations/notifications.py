"""What a bucket tells, and whom.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/EventNotifications.html
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from serein.base.arn import arn_or_none
from serein.base.errors import AwsError
from serein.kernel import targets
from serein.kernel.calls import service_principal
from serein.kernel.operations import Context, Read, Tx, operation
from serein.services.s3.access import bucket_of, find_bucket
from serein.services.s3.records import SETTINGS, Bucket, Setting
from serein.services.s3.rules import events
from serein.services.s3.rules.errors import invalid_argument, refusal
from serein.services.s3.versions import PRINCIPAL, setting_or_none

Request = Mapping[str, Any]
_SERVICES = {"QueueArn": "sqs", "TopicArn": "sns", "LambdaFunctionArn": "lambda"}
_ELEMENTS = {"QueueArn": "Queue", "TopicArn": "Topic", "LambdaFunctionArn": "CloudFunction"}


@operation(
    "PutBucketNotificationConfiguration",
    on=bucket_of,
    action="s3:PutBucketNotification",
    unvalidated=True,
)
async def put_bucket_notification_configuration(cx: Context, request: Request) -> None:
    """Replace the configuration; every target is tried first, as S3 does.

    https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutBucketNotificationConfiguration.html
    """
    bucket = find_bucket(cx.read(), request)
    configuration = _checked(request.get("NotificationConfiguration"), cx.new_id)
    if not request.get("SkipDestinationValidation"):
        await _try_targets(cx, bucket, configuration)
    await cx.transact(_store, request, configuration)


def _checked(given: Mapping[str, Any] | None, new_id: Any) -> dict[str, Any]:
    """The configuration with ids. Raises for unknown events, filters and targets that are no ARNs."""
    if given is None:
        raise refusal("MalformedXML")
    made: dict[str, Any] = {}
    for kind, member in events.KINDS.items():
        entries = given.get(kind) or []
        for entry in entries:
            arn = arn_or_none(entry.get(member, ""))
            if arn is None or arn.service != _SERVICES[member]:
                raise invalid_argument(
                    "The ARN could not be parsed", _ELEMENTS[member], entry.get(member, "")
                )
            for event in entry.get("Events") or [""]:
                if event not in events.EVENTS:
                    raise invalid_argument(
                        "The event is not supported for notifications", "Event", event
                    )
            _check_filter(entry.get("Filter"))
        if entries:
            made[kind] = [_as_kept(entry, new_id) for entry in entries]
    if given.get("EventBridgeConfiguration") is not None:
        made["EventBridgeConfiguration"] = {}
    return made


def _as_kept(entry: Mapping[str, Any], new_id: Any) -> dict[str, Any]:
    """The entry with an id, and with the filter rules' names as S3 gives them back: Prefix, Suffix."""
    kept = {**entry, "Id": entry.get("Id") or new_id()}
    rules = (entry.get("Filter") or {}).get("Key", {}).get("FilterRules")
    if rules:
        named = [{**rule, "Name": rule["Name"].capitalize()} for rule in rules]
        kept["Filter"] = {"Key": {"FilterRules": named}}
    return kept


def _check_filter(chosen: Mapping[str, Any] | None) -> None:
    names: list[str] = []
    for rule in (chosen or {}).get("Key", {}).get("FilterRules") or []:
        name = str(rule.get("Name", "")).lower()
        if name not in ("prefix", "suffix"):
            raise invalid_argument(
                "filter rule name must be either prefix or suffix",
                "FilterRule.Name",
                rule.get("Name"),
            )
        if "Value" not in rule:
            raise invalid_argument("filter value cannot be empty", "FilterRule.Value", "null")
        if name in names:
            raise invalid_argument(
                f"Cannot specify more than one {name} rule in a filter.",
                "FilterRule.Name",
                name,
            )
        names.append(name)


async def _try_targets(cx: Context, bucket: Bucket, configuration: Mapping[str, Any]) -> None:
    """Send each queue and topic the test event; a target that refuses refuses the whole configuration."""
    by = service_principal(PRINCIPAL, bucket.account)
    before = setting_or_none(cx.read(), bucket.name, "notification") or {}
    payload = events.test_event(bucket, cx.scope.request_id, cx.now)
    failed: list[str] = []
    for kind, member in events.KINDS.items():
        known = {entry[member] for entry in before.get(kind, ())}
        for target in dict.fromkeys(entry[member] for entry in configuration.get(kind, ())):
            if target in known or member == "LambdaFunctionArn":
                continue
            call = targets.deliver(cx, target, payload, by=by, source_arn=bucket.arn)
            try:
                if call is not None:
                    await cx.call(call)
            except AwsError:
                failed.append(target)
    if failed:
        raise invalid_argument(
            "Unable to validate the following destination configurations",
            failed[0],
            "The destination ARN does not exist or S3 is not permitted to send to it",
        )


def _store(tx: Tx, request: Request, configuration: dict[str, Any]) -> None:
    bucket = find_bucket(tx, request)
    tx.put(SETTINGS, Setting(bucket=bucket.name, kind="notification", value=configuration))


@operation(
    "GetBucketNotificationConfiguration",
    on=bucket_of,
    action="s3:GetBucketNotification",
    unvalidated=True,
)
def get_bucket_notification_configuration(read: Read, request: Request) -> dict[str, Any]:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetBucketNotificationConfiguration.html"""
    return setting_or_none(read, find_bucket(read, request).name, "notification") or {}
