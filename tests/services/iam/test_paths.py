"""Policies about entities that lie in a path hold, although requests name them without it."""

from __future__ import annotations

import json

import pytest
from botocore.exceptions import ClientError

from tests.cloud import Cloud

TRUST = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Principal": {"Service": "lambda.amazonaws.com"},
            "Action": "sts:AssumeRole",
        }
    ],
}
POLICY = {
    "Version": "2012-10-17",
    "Statement": [
        {"Effect": "Allow", "Action": "iam:*", "Resource": "*"},
        {"Effect": "Deny", "Action": "iam:*", "Resource": "arn:aws:iam::*:role/admin/*"},
    ],
}


def test_deny_on_a_path(cloud: Cloud) -> None:
    """https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html#identifiers-arns"""
    iam = cloud.client("iam")
    for name, path in (("guarded", "/admin/"), ("plain", "/")):
        iam.create_role(RoleName=name, Path=path, AssumeRolePolicyDocument=json.dumps(TRUST))
    iam.create_user(UserName="ann")
    iam.put_user_policy(UserName="ann", PolicyName="p", PolicyDocument=json.dumps(POLICY))
    key = iam.create_access_key(UserName="ann")["AccessKey"]
    ann = cloud.client("iam", access_key=key["AccessKeyId"], secret_key=key["SecretAccessKey"])

    assert ann.get_role(RoleName="plain")["Role"]["RoleName"] == "plain"
    with pytest.raises(ClientError, match="explicit deny") as refused:
        ann.update_role(RoleName="guarded", Description="mine")
    assert refused.value.response["Error"]["Code"] == "AccessDenied"
