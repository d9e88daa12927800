"""Repositories of images, and functions made of images.

https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/AWS_ECR.html
"""

from __future__ import annotations

import json
from typing import Any

from tests.oci import Image, folder_of, push_by_api
from tests.services.cloudformation.conftest import Stacks

CAPABILITIES = ["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"]
REPOSITORY = """
Resources:
  R:
    Type: AWS::ECR::Repository
    Properties:
      RepositoryName: app
      EmptyOnDelete: true
      ImageScanningConfiguration: {ScanOnPush: "true"}
      %s
Outputs:
  Name: {Value: !Ref R}
  Arn: {Value: !GetAtt R.Arn}
  Uri: {Value: !GetAtt R.RepositoryUri}
"""
LIFECYCLE = json.dumps(
    {
        "rules": [
            {
                "rulePriority": 1,
                "selection": {
                    "tagStatus": "any",
                    "countType": "imageCountMoreThan",
                    "countNumber": 3,
                },
                "action": {"type": "expire"},
            }
        ]
    }
)
POLICIES = f"""
      LifecyclePolicy: {{LifecyclePolicyText: '{LIFECYCLE}'}}
      ImageTagMutability: IMMUTABLE_WITH_EXCLUSION
      ImageTagMutabilityExclusionFilters:
        - ImageTagMutabilityExclusionFilterType: WILDCARD
          ImageTagMutabilityExclusionFilterValue: latest
      Tags: [{{Key: a, Value: b}}]
      RepositoryPolicyText:
        Version: "2012-10-17"
        Statement: [{{Effect: Allow, Principal: "*", Action: "ecr:BatchGetImage"}}]
"""
FUNCTION = """
Transform: AWS::Serverless-2016-10-31
Resources:
  F:
    Type: AWS::Serverless::Function
    Properties:
      PackageType: Image
      ImageUri: 000000000000.dkr.ecr.us-east-1.amazonaws.com/app:%s
      ImageConfig: {Command: [%s]}
Outputs: {Name: {Value: !Ref F}}
"""


def outputs(stack: dict[str, Any]) -> dict[str, str]:
    return {item["OutputKey"]: item["OutputValue"] for item in stack["Outputs"]}


def test_a_repository(stacks: Stacks) -> None:
    stack = stacks.create("app", REPOSITORY % "")
    assert stack["StackStatus"] == "CREATE_COMPLETE", stacks.failures("app")
    made = outputs(stack)
    assert made["Name"] == "app"
    assert made["Arn"] == "arn:aws:ecr:us-east-1:000000000000:repository/app"
    assert made["Uri"].endswith("/app")
    stack = stacks.update("app", REPOSITORY % POLICIES)
    assert stack["StackStatus"] == "UPDATE_COMPLETE", stacks.failures("app")
    ecr = stacks.cloud.client("ecr")
    found = ecr.get_lifecycle_policy(repositoryName="app")["lifecyclePolicyText"]
    assert json.loads(found) == json.loads(LIFECYCLE)
    policy = ecr.get_repository_policy(repositoryName="app")["policyText"]
    assert json.loads(policy)["Statement"][0]["Action"] == "ecr:BatchGetImage"
    shown = ecr.describe_repositories(repositoryNames=["app"])["repositories"][0]
    assert shown["imageTagMutability"] == "IMMUTABLE_WITH_EXCLUSION"
    assert shown["imageScanningConfiguration"] == {"scanOnPush": True}
    push_by_api(ecr, "app", Image([folder_of({"a": b"1"})]), "v1")
    stacks.update("app", REPOSITORY % "ImageTagMutability: MUTABLE")
    assert ecr.list_tags_for_resource(resourceArn=made["Arn"])["tags"] == []
    assert ecr.describe_repositories()["repositories"][0]["imageTagMutability"] == "MUTABLE"
    # Not empty, and emptied all the same.
    assert stacks.delete("app")["StackStatus"] == "DELETE_COMPLETE", stacks.failures("app")
    assert ecr.describe_repositories()["repositories"] == []


def test_the_registrys_policy(stacks: Stacks) -> None:
    template = """
Resources:
  P:
    Type: AWS::ECR::RegistryPolicy
    Properties:
      PolicyText: {Version: "2012-10-17", Statement: [{Effect: Allow, Principal: "*", Action: "%s"}]}
Outputs: {Id: {Value: !GetAtt P.RegistryId}}
"""
    stack = stacks.create("app", template % "ecr:ReplicateImage")
    assert stack["StackStatus"] == "CREATE_COMPLETE", stacks.failures("app")
    assert outputs(stack)["Id"] == "000000000000"
    stacks.update("app", template % "ecr:CreateRepository")
    policy = stacks.cloud.client("ecr").get_registry_policy()["policyText"]
    assert "ecr:CreateRepository" in policy
    assert stacks.delete("app")["StackStatus"] == "DELETE_COMPLETE"


def test_a_function_of_an_image_by_sam(stacks: Stacks) -> None:
    ecr = stacks.cloud.client("ecr")
    ecr.create_repository(repositoryName="app")
    images = [Image([folder_of({"n": b"%d" % n})], {"Cmd": ["/n"]}) for n in (1, 2)]
    for number, image in enumerate(images, 1):
        push_by_api(ecr, "app", image, f"v{number}")
    stack = stacks.create("app", FUNCTION % ("v1", "one"), Capabilities=CAPABILITIES)
    assert stack["StackStatus"] == "CREATE_COMPLETE", stacks.failures("app")
    name = outputs(stack)["Name"]
    awslambda = stacks.cloud.client("lambda")
    found = awslambda.get_function(FunctionName=name)
    assert found["Code"]["ResolvedImageUri"].endswith(images[0].digest)
    stack = stacks.update("app", FUNCTION % ("v2", "two"), Capabilities=CAPABILITIES)
    assert stack["StackStatus"] == "UPDATE_COMPLETE", stacks.failures("app")
    found = awslambda.get_function(FunctionName=name)
    assert found["Code"]["ResolvedImageUri"].endswith(images[1].digest)
    config = found["Configuration"]["ImageConfigResponse"]["ImageConfig"]
    assert config == {"Command": ["two"]}
    assert stacks.delete("app")["StackStatus"] == "DELETE_COMPLETE", stacks.failures("app")
