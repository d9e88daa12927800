"""Two accounts share a bucket and a queue; an organization's policy then takes it away.

Both sides have to allow: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic-cross-account.html
"""

from __future__ import annotations

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.cloud import Cloud


def policy(**statement: Any) -> str:
    told = {"Effect": "Allow", **statement}
    return json.dumps({"Version": "2012-10-17", "Statement": [told]})


def denied(function: Any, **params: Any) -> str:
    with pytest.raises(ClientError) as caught:
        function(**params)
    error = caught.value.response["Error"]
    assert error["Code"].startswith("AccessDenied"), error
    return str(error["Message"])


def test_a_shared_bucket_and_queue(cloud: Cloud) -> None:
    organizations = cloud.client("organizations")
    organizations.create_organization()
    root_id = organizations.list_roots()["Roots"][0]["Id"]
    made = organizations.create_account(Email="dev@example.com", AccountName="dev")
    other = made["CreateAccountStatus"]["AccountId"]

    iam = cloud.client("iam", access_key=other)
    iam.create_user(UserName="bob")
    key = iam.create_access_key(UserName="bob")["AccessKey"]
    bob = {"access_key": key["AccessKeyId"], "secret_key": key["SecretAccessKey"]}
    s3, sqs = cloud.client("s3"), cloud.client("sqs")
    s3.create_bucket(Bucket="shared")
    s3.put_object(Bucket="shared", Key="k", Body=b"v")
    url = sqs.create_queue(QueueName="shared")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"][
        "QueueArn"
    ]
    theirs_s3, theirs_sqs = cloud.client("s3", **bob), cloud.client("sqs", **bob)
    get = {"Bucket": "shared", "Key": "k"}
    send = {"QueueUrl": url, "MessageBody": "m"}

    denied(theirs_s3.get_object, **get)
    denied(theirs_sqs.send_message, **send)
    who = {"AWS": f"arn:aws:iam::{other}:root"}
    things = {"Action": "s3:GetObject", "Resource": "arn:aws:s3:::shared/*"}
    s3.put_bucket_policy(Bucket="shared", Policy=policy(Principal=who, **things))
    sends = {"Action": "sqs:SendMessage", "Resource": arn}
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": policy(Principal=who, **sends)})
    denied(theirs_s3.get_object, **get)
    denied(theirs_sqs.send_message, **send)
    iam.put_user_policy(UserName="bob", PolicyName="s3", PolicyDocument=policy(**things))
    iam.put_user_policy(UserName="bob", PolicyName="sqs", PolicyDocument=policy(**sends))
    assert theirs_s3.get_object(**get)["Body"].read() == b"v"
    theirs_sqs.send_message(**send)
    denied(theirs_sqs.receive_message, QueueUrl=url)

    organizations.enable_policy_type(RootId=root_id, PolicyType="SERVICE_CONTROL_POLICY")
    no_queues = organizations.create_policy(
        Name="no-queues",
        Description="",
        Type="SERVICE_CONTROL_POLICY",
        Content=policy(Effect="Deny", Action="sqs:*", Resource="*"),
    )["Policy"]["PolicySummary"]["Id"]
    organizations.attach_policy(PolicyId=no_queues, TargetId=other)
    told = denied(theirs_sqs.send_message, **send)
    assert "explicit deny in a service control policy" in told
    assert theirs_s3.get_object(**get)["Body"].read() == b"v"
    sqs.send_message(**send)
