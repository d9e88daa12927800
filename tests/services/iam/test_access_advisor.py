"""Access advisor. https://docs.aws.amazon.com/IAM/latest/UserGuide/access_policies_last-accessed.html"""

from __future__ import annotations

from typing import Any

from tests.cloud import Cloud

S3_READ = "arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess"


def report(iam: Any, arn: str) -> dict[str, Any]:
    job = iam.generate_service_last_accessed_details(Arn=arn)["JobId"]
    answer = iam.get_service_last_accessed_details(JobId=job)
    assert answer["JobStatus"] == "COMPLETED"
    return {each["ServiceNamespace"]: each for each in answer["ServicesLastAccessed"]}


def test_what_a_user_used(cloud: Cloud, iam, user, document, refused) -> None:
    arn = iam.get_user(UserName=user)["User"]["Arn"]
    iam.put_user_policy(UserName=user, PolicyName="p", PolicyDocument=document("sqs:*"))
    iam.attach_user_policy(UserName=user, PolicyArn=S3_READ)
    key = iam.create_access_key(UserName=user)["AccessKey"]
    sqs = cloud.client("sqs", access_key=key["AccessKeyId"], secret_key=key["SecretAccessKey"])
    sqs.list_queues()
    cloud.advance(61)
    found = report(iam, arn)
    assert {"s3", "sqs", "s3-object-lambda"} <= found.keys()
    assert found["sqs"]["LastAuthenticatedEntity"] == arn
    assert found["sqs"]["ServiceName"] == "Amazon SQS"
    assert found["sqs"]["TotalAuthenticatedEntities"] == 1
    assert "LastAuthenticated" not in found["s3"]
    job = iam.generate_service_last_accessed_details(Arn=arn)["JobId"]
    entities = iam.get_service_last_accessed_details_with_entities(
        JobId=job, ServiceNamespace="sqs"
    )["EntityDetailsList"]
    assert [each["EntityInfo"]["Name"] for each in entities] == [user]
    assert "s3" in report(iam, S3_READ)
    absent = "arn:aws:iam::000000000000:user/nobody"
    assert refused(iam.generate_service_last_accessed_details, Arn=absent)[0] == "NoSuchEntity"


def test_which_policies_grant(iam, user, document) -> None:
    arn = iam.get_user(UserName=user)["User"]["Arn"]
    iam.create_group(GroupName="team")
    iam.add_user_to_group(GroupName="team", UserName=user)
    iam.put_group_policy(GroupName="team", PolicyName="q", PolicyDocument=document("sqs:*"))
    iam.attach_user_policy(UserName=user, PolicyArn=S3_READ)
    listed = iam.list_policies_granting_service_access(Arn=arn, ServiceNamespaces=["sqs", "s3"])
    assert listed["PoliciesGrantingServiceAccess"] == [
        {
            "ServiceNamespace": "s3",
            "Policies": [
                {
                    "PolicyName": "AmazonS3ReadOnlyAccess",
                    "PolicyType": "MANAGED",
                    "PolicyArn": S3_READ,
                }
            ],
        },
        {
            "ServiceNamespace": "sqs",
            "Policies": [
                {
                    "PolicyName": "q",
                    "PolicyType": "INLINE",
                    "EntityType": "GROUP",
                    "EntityName": "team",
                }
            ],
        },
    ]
