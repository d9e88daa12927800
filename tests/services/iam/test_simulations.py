"""Simulated decisions. https://docs.aws.amazon.com/IAM/latest/APIReference/API_SimulatePrincipalPolicy.html"""

from __future__ import annotations


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
