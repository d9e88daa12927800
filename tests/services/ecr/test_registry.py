"""Settings of the registry. https://docs.aws.amazon.com/AmazonECR/latest/userguide/Registries.html"""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError


def refused(caught: Any) -> str:
    return str(caught.value.response["Error"]["Code"])


def test_account_settings(ecr: Any):
    assert ecr.get_account_setting(name="BLOB_MOUNTING")["value"] == "ENABLED"
    ecr.put_account_setting(name="BASIC_SCAN_TYPE_VERSION", value="CLAIR")
    assert ecr.get_account_setting(name="BASIC_SCAN_TYPE_VERSION")["value"] == "CLAIR"
    with pytest.raises(ClientError) as caught:
        ecr.get_account_setting(name="OTHER")
    assert refused(caught) == "ValidationException"
    with pytest.raises(ClientError) as caught:
        ecr.put_account_setting(name="BLOB_MOUNTING", value="MAYBE")
    assert refused(caught) == "ValidationException"


def test_replication_is_refused_unless_it_is_none(ecr: Any):
    none: dict[str, Any] = {"rules": []}
    assert ecr.put_replication_configuration(replicationConfiguration=none)
    assert ecr.describe_registry()["replicationConfiguration"] == none
    rule = {"destinations": [{"region": "eu-west-1", "registryId": "000000000000"}]}
    with pytest.raises(ClientError) as caught:
        ecr.put_replication_configuration(replicationConfiguration={"rules": [rule]})
    assert refused(caught) == "NotImplemented"


def test_scanning(ecr: Any):
    scanning = ecr.get_registry_scanning_configuration()["scanningConfiguration"]
    assert scanning == {"scanType": "BASIC", "rules": []}
    rules = [
        {
            "scanFrequency": "SCAN_ON_PUSH",
            "repositoryFilters": [{"filter": "*", "filterType": "WILDCARD"}],
        }
    ]
    ecr.put_registry_scanning_configuration(scanType="BASIC", rules=rules)
    found = ecr.get_registry_scanning_configuration()["scanningConfiguration"]
    assert found["rules"] == rules
    with pytest.raises(ClientError) as caught:
        ecr.put_registry_scanning_configuration(scanType="ENHANCED")
    assert refused(caught) == "NotImplemented"


def test_pull_through_caches_are_refused_by_name(ecr: Any):
    with pytest.raises(ClientError) as caught:
        ecr.create_pull_through_cache_rule(
            ecrRepositoryPrefix="quay", upstreamRegistryUrl="quay.io"
        )
    assert refused(caught) == "NotImplemented"
    assert "ecr:CreatePullThroughCacheRule" in caught.value.response["Error"]["Message"]


def test_templates(ecr: Any):
    made = ecr.create_repository_creation_template(
        prefix="team", appliedFor=["CREATE_ON_PUSH"], description="ours"
    )["repositoryCreationTemplate"]
    assert (made["prefix"], made["imageTagMutability"]) == ("team", "MUTABLE")
    with pytest.raises(ClientError) as caught:
        ecr.create_repository_creation_template(prefix="team", appliedFor=["CREATE_ON_PUSH"])
    assert refused(caught) == "TemplateAlreadyExistsException"
    ecr.update_repository_creation_template(prefix="team", description="theirs")
    found = ecr.describe_repository_creation_templates()["repositoryCreationTemplates"]
    assert [one["description"] for one in found] == ["theirs"]
    named = ecr.describe_repository_creation_templates(prefixes=["team", "absent"])
    assert len(named["repositoryCreationTemplates"]) == 1
    ecr.delete_repository_creation_template(prefix="team")
    with pytest.raises(ClientError) as caught:
        ecr.delete_repository_creation_template(prefix="team")
    assert refused(caught) == "TemplateNotFoundException"
