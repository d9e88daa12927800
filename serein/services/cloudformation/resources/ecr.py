"""AWS::ECR::*: https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/AWS_ECR.html"""

from __future__ import annotations

import json
from typing import Any

from serein.base.errors import AwsError
from serein.services.cloudformation.resources.interface import (
    Deployed,
    Deploying,
    Properties,
    ResourceType,
    changed,
    exists_already,
    tag_changes,
    tag_list,
)

_NAME_LENGTH_MAX = 256


def _text(policy: Any) -> str:
    """A policy property: text, or the document itself."""
    return policy if isinstance(policy, str) else json.dumps(policy)


def _mutability(properties: Properties) -> dict[str, Any]:
    filters = [
        {
            "filterType": one["ImageTagMutabilityExclusionFilterType"],
            "filter": one["ImageTagMutabilityExclusionFilterValue"],
        }
        for one in properties.get("ImageTagMutabilityExclusionFilters", ())
    ]
    given: dict[str, Any] = {"imageTagMutability": properties.get("ImageTagMutability", "MUTABLE")}
    return {**given, "imageTagMutabilityExclusionFilters": filters} if filters else given


def _scanning(properties: Properties) -> dict[str, bool]:
    scanning = properties.get("ImageScanningConfiguration", {})
    return {"scanOnPush": bool(scanning.get("ScanOnPush", False))}


def _encryption(properties: Properties) -> dict[str, str] | None:
    given = properties.get("EncryptionConfiguration")
    if not given:
        return None
    made = {"encryptionType": given["EncryptionType"]}
    return {**made, "kmsKey": given["KmsKey"]} if "KmsKey" in given else made


async def _shown(rx: Deploying, name: str) -> Deployed:
    answer = await rx.call("ecr", "DescribeRepositories", repositoryNames=[name])
    found = answer["repositories"][0]
    return Deployed(
        physical_id=name,
        attributes={"Arn": found["repositoryArn"], "RepositoryUri": found["repositoryUri"]},
    )


async def _create_repository(rx: Deploying, properties: Properties) -> Deployed:
    name = properties.get("RepositoryName") or rx.name(_NAME_LENGTH_MAX, lower=True)
    try:
        await rx.call(
            "ecr",
            "CreateRepository",
            repositoryName=name,
            imageScanningConfiguration=_scanning(properties),
            encryptionConfiguration=_encryption(properties),
            tags=tag_list(rx.tags(properties.get("Tags"))),
            **_mutability(properties),
        )
    except AwsError as error:
        if not (rx.is_resumed and exists_already(error)):
            raise
    rx.made = name
    await _sync_policies(rx, name, properties, {})
    return await _shown(rx, name)


async def _sync_policies(
    rx: Deploying, name: str, properties: Properties, before: Properties
) -> None:
    policy = properties.get("RepositoryPolicyText")
    if policy is not None and changed(properties, before, "RepositoryPolicyText"):
        await rx.call("ecr", "SetRepositoryPolicy", repositoryName=name, policyText=_text(policy))
    elif policy is None and "RepositoryPolicyText" in before:
        await rx.remove("ecr", "DeleteRepositoryPolicy", repositoryName=name)
    lifecycle = properties.get("LifecyclePolicy", {}).get("LifecyclePolicyText")
    was = before.get("LifecyclePolicy", {}).get("LifecyclePolicyText")
    if lifecycle is not None and lifecycle != was:
        await rx.call(
            "ecr", "PutLifecyclePolicy", repositoryName=name, lifecyclePolicyText=lifecycle
        )
    elif lifecycle is None and was is not None:
        await rx.remove("ecr", "DeleteLifecyclePolicy", repositoryName=name)


async def _update_repository(
    rx: Deploying, physical_id: str, properties: Properties, before: Properties
) -> Deployed:
    if _mutability(properties) != _mutability(before):
        await rx.call(
            "ecr",
            "PutImageTagMutability",
            repositoryName=physical_id,
            **_mutability(properties),
        )
    if _scanning(properties) != _scanning(before):
        await rx.call(
            "ecr",
            "PutImageScanningConfiguration",
            repositoryName=physical_id,
            imageScanningConfiguration=_scanning(properties),
        )
    await _sync_policies(rx, physical_id, properties, before)
    added, removed = tag_changes(rx.tags(properties.get("Tags")), rx.tags(before.get("Tags")))
    arn = rx.arn("ecr", f"repository/{physical_id}")
    if added:
        await rx.call("ecr", "TagResource", resourceArn=arn, tags=tag_list(added))
    if removed:
        await rx.call("ecr", "UntagResource", resourceArn=arn, tagKeys=removed)
    return await _shown(rx, physical_id)


async def _delete_repository(rx: Deploying, physical_id: str, properties: Properties) -> None:
    force = bool(properties.get("EmptyOnDelete", False))
    await rx.call("ecr", "DeleteRepository", repositoryName=physical_id, force=force)


async def _put_registry_policy(rx: Deploying, properties: Properties) -> Deployed:
    await rx.call("ecr", "PutRegistryPolicy", policyText=_text(properties["PolicyText"]))
    account = rx.stack.account
    return Deployed(physical_id=account, attributes={"RegistryId": account})


async def _update_registry_policy(
    rx: Deploying, physical_id: str, properties: Properties, before: Properties
) -> Deployed:
    return await _put_registry_policy(rx, properties)


async def _delete_registry_policy(rx: Deploying, physical_id: str, properties: Properties) -> None:
    await rx.call("ecr", "DeleteRegistryPolicy")


TYPES = (
    ResourceType(
        name="AWS::ECR::Repository",
        create=_create_repository,
        update=_update_repository,
        delete=_delete_repository,
        named_by="RepositoryName",
    ),
    ResourceType(
        name="AWS::ECR::RegistryPolicy",
        create=_put_registry_policy,
        update=_update_registry_policy,
        delete=_delete_registry_policy,
    ),
)
