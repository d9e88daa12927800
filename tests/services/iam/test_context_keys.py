"""GetContextKeysFor…Policy. https://docs.aws.amazon.com/IAM/latest/APIReference/API_GetContextKeysForCustomPolicy.html"""

from __future__ import annotations

import json

POLICY = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": {
            "Effect": "Allow",
            "Action": "s3:*",
            "Resource": "arn:aws:s3:::home/${aws:username}/${*}",
            "Condition": {
                "IpAddress": {"aws:SourceIp": "10.0.0.0/8"},
                "StringEquals": {"aws:PrincipalTag/team": "${aws:ResourceTag/team, 'none'}"},
            },
        },
    }
)
KEYS = ["aws:PrincipalTag/team", "aws:ResourceTag/team", "aws:SourceIp", "aws:username"]


def test_keys(iam, user, refused) -> None:
    found = iam.get_context_keys_for_custom_policy(PolicyInputList=[POLICY])
    assert found["ContextKeyNames"] == KEYS
    iam.put_user_policy(UserName=user, PolicyName="p", PolicyDocument=POLICY)
    arn = iam.get_user(UserName=user)["User"]["Arn"]
    found = iam.get_context_keys_for_principal_policy(PolicySourceArn=arn)
    assert found["ContextKeyNames"] == KEYS
    assert refused(iam.get_context_keys_for_custom_policy, PolicyInputList=["{}"])[0] == (
        "InvalidInput"
    )
