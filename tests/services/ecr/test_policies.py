"""Policies. https://docs.aws.amazon.com/AmazonECR/latest/userguide/repository-policies.html"""

from __future__ import annotations

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

STATEMENT = {"Effect": "Allow", "Principal": "*", "Action": "ecr:BatchGetImage"}
POLICY = json.dumps({"Version": "2012-10-17", "Statement": [STATEMENT]})


def refused(caught: Any) -> tuple[str, str]:
    error = caught.value.response["Error"]
    return error["Code"], error["Message"]


def test_a_repositorys_policy(ecr: Any, repository: str):
    missing = "Repository policy does not exist for the repository with name 'team/app' in the registry with id '000000000000'"
    with pytest.raises(ClientError) as caught:
        ecr.get_repository_policy(repositoryName=repository)
    assert refused(caught) == ("RepositoryPolicyNotFoundException", missing)
    made = ecr.set_repository_policy(repositoryName=repository, policyText=POLICY)
    assert made["policyText"] == POLICY
    assert ecr.get_repository_policy(repositoryName=repository)["policyText"] == POLICY
    assert ecr.delete_repository_policy(repositoryName=repository)["policyText"] == POLICY
    with pytest.raises(ClientError) as caught:
        ecr.delete_repository_policy(repositoryName=repository)
    assert refused(caught)[0] == "RepositoryPolicyNotFoundException"


@pytest.mark.parametrize("text", ["{", "{}", '{"Statement": [{"Effect": "Maybe"}]}'])
def test_what_is_no_policy(ecr: Any, repository: str, text: str):
    with pytest.raises(ClientError) as caught:
        ecr.set_repository_policy(repositoryName=repository, policyText=text)
    # https://github.com/terraform-aws-modules/terraform-aws-ecr/issues/19 shows the words.
    assert refused(caught) == (
        "InvalidParameterException",
        "Invalid parameter at 'PolicyText' failed to satisfy constraint: 'Invalid repository "
        "policy provided'",
    )


def test_the_registrys_policy(ecr: Any):
    with pytest.raises(ClientError) as caught:
        ecr.get_registry_policy()
    assert refused(caught)[0] == "RegistryPolicyNotFoundException"
    ecr.put_registry_policy(policyText=POLICY)
    assert ecr.get_registry_policy()["policyText"] == POLICY
    assert ecr.delete_registry_policy()["policyText"] == POLICY
    with pytest.raises(ClientError):
        ecr.delete_registry_policy()
