"""Simulated decisions. https://docs.aws.amazon.com/IAM/latest/APIReference/API_SimulatePrincipalPolicy.html"""

from __future__ import annotations

import json


def decisions(answer) -> dict[str, str]:
    return {each["EvalActionName"]: each["EvalDecision"] for each in answer["EvaluationResults"]}


def test_custom(iam, document, refused) -> None:
    answer = iam.simulate_custom_policy(
        PolicyInputList=[document("s3:*"), document("s3:Delete*", effect="Deny")],
        ActionNames=["s3:GetObject", "s3:DeleteObject", "sqs:SendMessage"],
    )
    assert decisions(answer) == {
        "s3:GetObject": "allowed",
        "s3:DeleteObject": "explicitDeny",
        "sqs:SendMessage": "implicitDeny",
    }
    told = refused(iam.simulate_custom_policy, PolicyInputList=["{"], ActionNames=["s3:GetObject"])
    assert told[0] == "InvalidInput"


def test_principal(iam, role, document, refused) -> None:
    iam.put_role_policy(RoleName=role, PolicyName="p", PolicyDocument=document("s3:Get*"))
    arn = iam.get_role(RoleName=role)["Role"]["Arn"]
    answer = iam.simulate_principal_policy(
        PolicySourceArn=arn, ActionNames=["s3:GetObject", "s3:PutObject"], MaxItems=1
    )
    assert decisions(answer) == {"s3:GetObject": "allowed"}
    assert answer["IsTruncated"]
    rest = iam.simulate_principal_policy(
        PolicySourceArn=arn, ActionNames=["s3:GetObject", "s3:PutObject"], Marker=answer["Marker"]
    )
    assert decisions(rest) == {"s3:PutObject": "implicitDeny"}
    told = refused(
        iam.simulate_principal_policy, PolicySourceArn=arn + "x", ActionNames=["s3:GetObject"]
    )
    assert told[0] == "NoSuchEntity"


def test_details(cloud, iam, user, document) -> None:
    """https://docs.aws.amazon.com/IAM/latest/APIReference/API_EvaluationResult.html"""
    condition = {"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}
    statement = {"Effect": "Allow", "Action": "s3:*", "Resource": "*", "Condition": condition}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    ask = {"PolicyInputList": [policy], "ActionNames": ["s3:GetObject"]}
    (result,) = iam.simulate_custom_policy(**ask)["EvaluationResults"]
    assert (result["EvalDecision"], result["MissingContextValues"]) == (
        "implicitDeny",
        ["aws:sourceip"],
    )
    entry = {
        "ContextKeyName": "aws:SourceIp",
        "ContextKeyType": "ip",
        "ContextKeyValues": ["10.1.1.1"],
    }
    (result,) = iam.simulate_custom_policy(
        **ask,
        ContextEntries=[entry, {}],
        PermissionsBoundaryPolicyInputList=[document("sqs:*")],
    )["EvaluationResults"]
    assert result["PermissionsBoundaryDecisionDetail"] == {"AllowedByPermissionsBoundary": False}
    assert result["EvalDecision"] == "implicitDeny"


def test_an_organization_s_policies(cloud, document) -> None:
    organizations = cloud.client("organizations")
    organizations.create_organization()
    root = organizations.list_roots()["Roots"][0]["Id"]
    organizations.enable_policy_type(RootId=root, PolicyType="SERVICE_CONTROL_POLICY")
    made = organizations.create_account(Email="dev@example.com", AccountName="dev")
    theirs = cloud.client("iam", access_key=made["CreateAccountStatus"]["AccountId"])
    arn = theirs.create_user(UserName="bob")["User"]["Arn"]
    theirs.put_user_policy(UserName="bob", PolicyName="p", PolicyDocument=document("*"))
    policy = organizations.create_policy(
        Name="p",
        Description="",
        Type="SERVICE_CONTROL_POLICY",
        Content=document("sqs:*", effect="Deny"),
    )["Policy"]["PolicySummary"]["Id"]
    organizations.attach_policy(PolicyId=policy, TargetId=root)
    results = theirs.simulate_principal_policy(
        PolicySourceArn=arn, ActionNames=["sqs:SendMessage", "s3:GetObject"]
    )["EvaluationResults"]
    assert [
        (each["EvalDecision"], each["OrganizationsDecisionDetail"]["AllowedByOrganizations"])
        for each in results
    ] == [("explicitDeny", False), ("allowed", True)]
