"""Repositories. https://docs.aws.amazon.com/AmazonECR/latest/APIReference/API_CreateRepository.html"""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.cloud import Cloud
from tests.oci import Image, folder_of, push_by_api


def refused(caught: Any) -> tuple[str, str]:
    error = caught.value.response["Error"]
    return error["Code"], error["Message"]


def test_a_repository_is_made_and_shown(ecr: Any):
    made = ecr.create_repository(
        repositoryName="team/app",
        tags=[{"Key": "a", "Value": "b"}],
        imageTagMutability="IMMUTABLE",
        imageScanningConfiguration={"scanOnPush": True},
    )["repository"]
    # The shape of the documentation's example, with the address that clients here can use.
    assert made["repositoryArn"] == "arn:aws:ecr:us-east-1:000000000000:repository/team/app"
    assert made["repositoryUri"] == "000000000000.dkr.ecr.us-east-1.localhost:4566/team/app"
    assert made["registryId"] == "000000000000"
    assert made["encryptionConfiguration"] == {"encryptionType": "AES256"}
    assert made["imageScanningConfiguration"] == {"scanOnPush": True}
    found = ecr.describe_repositories(repositoryNames=["team/app"])["repositories"]
    assert found == [made]
    tags = ecr.list_tags_for_resource(resourceArn=made["repositoryArn"])["tags"]
    assert tags == [{"Key": "a", "Value": "b"}]


def test_a_name_is_had_once(ecr: Any, repository: str):
    with pytest.raises(ClientError) as caught:
        ecr.create_repository(repositoryName=repository)
    assert refused(caught) == (
        "RepositoryAlreadyExistsException",
        "The repository with name 'team/app' already exists in the registry with id '000000000000'",
    )


def test_names_are_checked(cloud: Cloud):
    with pytest.raises(ClientError) as caught:
        cloud.unvalidated("ecr").create_repository(repositoryName="Team/App")
    code, message = refused(caught)
    assert code == "InvalidParameterException"
    assert message.startswith("Invalid parameter at 'repositoryName' failed to satisfy constraint:")


def test_what_is_not_there(ecr: Any):
    with pytest.raises(ClientError) as caught:
        ecr.describe_repositories(repositoryNames=["absent"])
    assert refused(caught) == (
        "RepositoryNotFoundException",
        "The repository with name 'absent' does not exist in the registry with id '000000000000'",
    )


def test_pages(ecr: Any):
    for number in range(5):
        ecr.create_repository(repositoryName=f"r{number}")
    pages = ecr.get_paginator("describe_repositories").paginate(PaginationConfig={"PageSize": 2})
    found = [[one["repositoryName"] for one in page["repositories"]] for page in pages]
    assert found == [["r0", "r1"], ["r2", "r3"], ["r4"]]


def test_one_with_images_goes_by_force_only(ecr: Any, repository: str):
    push_by_api(ecr, repository, Image([folder_of({"a": b"1"})]), "v1")
    with pytest.raises(ClientError) as caught:
        ecr.delete_repository(repositoryName=repository)
    # https://github.com/aws/aws-cdk/issues/24822 shows the words.
    assert refused(caught) == (
        "RepositoryNotEmptyException",
        "The repository with name 'team/app' in registry with id '000000000000' cannot be "
        "deleted because it still contains images",
    )
    gone = ecr.delete_repository(repositoryName=repository, force=True)["repository"]
    assert gone["repositoryName"] == repository
    assert ecr.describe_repositories()["repositories"] == []
    ecr.create_repository(repositoryName=repository)
    assert ecr.list_images(repositoryName=repository)["imageIds"] == []


def test_mutability_with_exclusions(ecr: Any, repository: str):
    filters = [{"filterType": "WILDCARD", "filter": "latest*"}]
    changed = ecr.put_image_tag_mutability(
        repositoryName=repository,
        imageTagMutability="IMMUTABLE_WITH_EXCLUSION",
        imageTagMutabilityExclusionFilters=filters,
    )
    assert changed["imageTagMutabilityExclusionFilters"] == filters
    with pytest.raises(ClientError, match="mutability with exclusions"):
        ecr.put_image_tag_mutability(
            repositoryName=repository,
            imageTagMutability="IMMUTABLE",
            imageTagMutabilityExclusionFilters=filters,
        )
    one, two = (Image([folder_of({"a": text})]) for text in (b"1", b"2"))
    for tag in ("v1", "latest-x"):
        push_by_api(ecr, repository, one, tag)
    push_by_api(ecr, repository, two, "latest-x")
    with pytest.raises(ClientError) as caught:
        push_by_api(ecr, repository, two, "v1")
    # https://github.com/moby/buildkit/issues/3776 shows the words.
    assert refused(caught) == (
        "ImageTagAlreadyExistsException",
        "The image tag 'v1' already exists in the 'team/app' repository and cannot be overwritten "
        "because the repository is immutable.",
    )


def test_scanning_is_kept_and_refused(ecr: Any, repository: str):
    ecr.put_image_scanning_configuration(
        repositoryName=repository, imageScanningConfiguration={"scanOnPush": True}
    )
    found = ecr.batch_get_repository_scanning_configuration(repositoryNames=[repository, "absent"])
    assert found["scanningConfigurations"][0]["scanOnPush"] is True
    assert found["failures"][0]["failureCode"] == "REPOSITORY_NOT_FOUND"
    with pytest.raises(ClientError) as caught:
        ecr.start_image_scan(repositoryName=repository, imageId={"imageTag": "v1"})
    assert refused(caught)[0] == "NotImplemented"


def test_tags(ecr: Any, repository: str):
    arn = "arn:aws:ecr:us-east-1:000000000000:repository/team/app"
    ecr.tag_resource(resourceArn=arn, tags=[{"Key": "a", "Value": "1"}, {"Key": "b", "Value": "2"}])
    ecr.untag_resource(resourceArn=arn, tagKeys=["a"])
    assert ecr.list_tags_for_resource(resourceArn=arn)["tags"] == [{"Key": "b", "Value": "2"}]
    with pytest.raises(ClientError) as caught:
        ecr.list_tags_for_resource(resourceArn=arn + "x")
    assert refused(caught)[0] == "RepositoryNotFoundException"


def test_registries_are_by_account_and_region(cloud: Cloud, repository: str):
    other = cloud.client("ecr", access_key="111111111111")
    assert other.describe_repositories()["repositories"] == []
    elsewhere = cloud.client("ecr", region="eu-west-1")
    assert elsewhere.describe_repositories()["repositories"] == []
    with pytest.raises(ClientError, match="not authorized"):
        other.describe_images(registryId="000000000000", repositoryName=repository)
