"""AddPermission, RemovePermission, and what a queue's policy means. Policies and wordings: recorded answers."""

from __future__ import annotations

import json
from typing import Any

import pytest

from serein.base.errors import AwsError
from serein.kernel.calls import Call, Scope, service_principal
from tests.cloud import Cloud
from tests.services.sqs.conftest import arn_of, bodies, refusal


def policy_of(sqs: Any, url: str) -> Any:
    found = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["Policy"]).get("Attributes")
    return json.loads(found["Policy"]) if found else None


def test_a_label_comes_and_goes(sqs: Any, queue: str) -> None:
    params = {"QueueUrl": queue, "Label": "one", "Actions": ["ReceiveMessage"]}
    sqs.add_permission(AWSAccountIds=["111111111111", "222222222222"], **params)
    arn = arn_of(sqs, queue)
    assert policy_of(sqs, queue) == {
        "Version": "2008-10-17",
        "Id": f"{arn}/SQSDefaultPolicy",
        "Statement": [
            {
                "Sid": "one",
                "Effect": "Allow",
                "Principal": {
                    "AWS": ["arn:aws:iam::111111111111:root", "arn:aws:iam::222222222222:root"]
                },
                "Action": "SQS:ReceiveMessage",
                "Resource": arn,
            }
        ],
    }
    assert refusal(sqs.add_permission, AWSAccountIds=["111111111111"], **params) == (
        "InvalidParameterValue",
        "Value one for parameter Label is invalid. Reason: Already exists.",
    )
    sqs.remove_permission(QueueUrl=queue, Label="one")
    assert policy_of(sqs, queue) is None
    assert refusal(sqs.remove_permission, QueueUrl=queue, Label="one") == (
        "InvalidParameterValue",
        "Value one for parameter Label is invalid. Reason: can't find label.",
    )


def test_another_account_needs_the_policy(cloud: Cloud, sqs: Any, queue: str) -> None:
    other = cloud.client("sqs", access_key="111111111111")
    params = {"QueueUrl": queue, "MessageBody": "hello"}
    assert refusal(other.send_message, **params)[0] == "AccessDenied"
    sqs.add_permission(
        QueueUrl=queue, Label="x", AWSAccountIds=["111111111111"], Actions=["SendMessage"]
    )
    other.send_message(**params)
    assert bodies(sqs.receive_message(QueueUrl=queue)) == ["hello"]


def test_a_service_is_let_in_by_the_policy(cloud: Cloud, sqs: Any, queue: str) -> None:
    arn = arn_of(sqs, queue)
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": "s3.amazonaws.com"},
        "Action": "sqs:SendMessage",
        "Resource": arn,
        "Condition": {"ArnLike": {"aws:SourceArn": "arn:aws:s3:::bucket"}},
    }
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    sqs.set_queue_attributes(QueueUrl=queue, Attributes={"Policy": policy})
    for source, wanted in [("arn:aws:s3:::bucket", ["event"]), ("arn:aws:s3:::other", [])]:
        scope = Scope(account="000000000000", region="us-east-1", request_id="r", source_arn=source)
        by = service_principal("s3.amazonaws.com", "000000000000")
        made = Call("sqs", "SendMessage", {"QueueUrl": queue, "MessageBody": "event"}, by, scope)
        delivered = cloud.house.dispatch.call(made)
        if wanted:
            cloud.run(delivered)
        else:
            with pytest.raises(AwsError, match="not authorized"):
                cloud.run(delivered)
        assert bodies(sqs.receive_message(QueueUrl=queue)) == wanted


def test_limits(sqs: Any, queue: str) -> None:
    params = {"QueueUrl": queue, "Label": "x", "AWSAccountIds": ["111111111111"]}
    assert refusal(sqs.add_permission, Actions=["Nope"], **params)[0] == "InvalidParameterValue"
    assert refusal(sqs.add_permission, Actions=["SendMessage"] * 8, **params)[0] == "OverLimit"
    params["Label"] = "a b"
    assert refusal(sqs.add_permission, Actions=["*"], **params)[0] == "InvalidParameterValue"
