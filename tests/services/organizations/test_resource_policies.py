"""The resource policy. https://docs.aws.amazon.com/organizations/latest/APIReference/API_PutResourcePolicy.html"""

from __future__ import annotations

import json

POLICY = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"AWS": "arn:aws:iam::222222222222:root"},
                "Action": "organizations:ListAccounts",
                "Resource": "*",
            }
        ],
    }
)


def test_the_resource_policy(org, organization, refused) -> None:
    code = "ResourcePolicyNotFoundException"
    assert refused(org.describe_resource_policy)[0] == code
    made = org.put_resource_policy(Content=POLICY)["ResourcePolicy"]
    assert made["Content"] == POLICY
    assert org.describe_resource_policy()["ResourcePolicy"] == made
    id = made["ResourcePolicySummary"]["Id"]
    org.tag_resource(ResourceId=id, Tags=[{"Key": "a", "Value": "1"}])
    org.delete_resource_policy()
    assert refused(org.delete_resource_policy)[0] == code
    assert refused(org.put_resource_policy, Content="{}") == (
        "InvalidInputException",
        "INVALID_RESOURCE_POLICY_JSON",
    )
