"""https://docs.aws.amazon.com/IAM/latest/APIReference/API_GetAccountAuthorizationDetails.html"""

from __future__ import annotations

import json


def test_everything_at_once(iam, user, role, policy, document) -> None:
    iam.create_group(GroupName="devs")
    iam.add_user_to_group(GroupName="devs", UserName=user)
    iam.put_group_policy(GroupName="devs", PolicyName="p", PolicyDocument=document())
    iam.attach_role_policy(RoleName=role, PolicyArn=policy)
    iam.attach_user_policy(UserName=user, PolicyArn="arn:aws:iam::aws:policy/ReadOnlyAccess")
    told = iam.get_account_authorization_details()
    assert told["UserDetailList"][0]["GroupList"] == ["devs"]
    assert told["UserDetailList"][0]["AttachedManagedPolicies"][0]["PolicyName"] == "ReadOnlyAccess"
    assert told["GroupDetailList"][0]["GroupPolicyList"] == [
        {"PolicyName": "p", "PolicyDocument": json.loads(document())}
    ]
    assert told["RoleDetailList"][0]["AttachedManagedPolicies"] == [
        {"PolicyName": "reader", "PolicyArn": policy}
    ]
    names = [each["PolicyName"] for each in told["Policies"]]
    assert names == ["reader", "ReadOnlyAccess"]
    assert told["Policies"][0]["PolicyVersionList"][0]["Document"] == json.loads(document())


def test_filter_and_pages(iam, user, role, policy) -> None:
    roles = iam.get_account_authorization_details(Filter=["Role"])
    assert len(roles["RoleDetailList"]) == 1
    assert not roles["UserDetailList"]
    pages = iam.get_paginator("get_account_authorization_details").paginate(
        PaginationConfig={"PageSize": 1}
    )
    counts = [
        len(page["UserDetailList"]) + len(page["RoleDetailList"]) + len(page["Policies"])
        for page in pages
    ]
    assert counts == [1, 1, 1]
