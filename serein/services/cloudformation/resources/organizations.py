"""AWS::Organizations::Organization, OrganizationalUnit, Account, Policy and ResourcePolicy.

https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/AWS_Organizations.html
"""

from __future__ import annotations

from typing import Any

import orjson

from serein.base.errors import AwsError
from serein.services.cloudformation.resources.interface import (
    Deployed,
    Deploying,
    Properties,
    ResourceFailure,
    ResourceType,
    changed,
    exists_already,
    tag_changes,
    tag_list,
)


def _text(document: object) -> str:
    return document if isinstance(document, str) else orjson.dumps(document).decode()


async def _call(rx: Deploying, operation: str, **params: Any) -> dict[str, Any]:
    return await rx.call("organizations", operation, **params)


async def _sync_tags(rx: Deploying, id: str, properties: Properties, before: Properties) -> None:
    added, removed = tag_changes(rx.tags(properties.get("Tags")), rx.tags(before.get("Tags")))
    if added:
        await _call(rx, "TagResource", ResourceId=id, Tags=tag_list(added))
    if removed:
        await _call(rx, "UntagResource", ResourceId=id, TagKeys=removed)


async def _create_organization(rx: Deploying, properties: Properties) -> Deployed:
    made = await _call(rx, "CreateOrganization", FeatureSet=properties.get("FeatureSet"))
    return await _shown_organization(rx, made["Organization"])


async def _shown_organization(rx: Deploying, told: dict[str, Any]) -> Deployed:
    root = (await _call(rx, "ListRoots"))["Roots"][0]["Id"]
    attributes = {
        "Id": told["Id"],
        "Arn": told["Arn"],
        "ManagementAccountArn": told["MasterAccountArn"],
        "ManagementAccountEmail": told["MasterAccountEmail"],
        "ManagementAccountId": told["MasterAccountId"],
        "RootId": root,
    }
    return Deployed(physical_id=told["Id"], attributes=attributes)


async def _update_organization(
    rx: Deploying, physical_id: str, properties: Properties, before: Properties
) -> Deployed:
    if changed(properties, before, "FeatureSet"):
        if properties.get("FeatureSet", "ALL") != "ALL":
            raise ResourceFailure("FeatureSet cannot go back from ALL to CONSOLIDATED_BILLING.")
        await _call(rx, "EnableAllFeatures")
    return await _shown_organization(rx, (await _call(rx, "DescribeOrganization"))["Organization"])


async def _delete_organization(rx: Deploying, physical_id: str, properties: Properties) -> None:
    await _call(rx, "DeleteOrganization")


async def _create_unit(rx: Deploying, properties: Properties) -> Deployed:
    made = await _call(
        rx,
        "CreateOrganizationalUnit",
        Name=properties["Name"],
        ParentId=properties["ParentId"],
        Tags=tag_list(rx.tags(properties.get("Tags"))),
    )
    return _shown_unit(made["OrganizationalUnit"])


def _shown_unit(told: dict[str, Any]) -> Deployed:
    return Deployed(physical_id=told["Id"], attributes={"Id": told["Id"], "Arn": told["Arn"]})


async def _update_unit(
    rx: Deploying, physical_id: str, properties: Properties, before: Properties
) -> Deployed:
    told = await _call(
        rx, "UpdateOrganizationalUnit", OrganizationalUnitId=physical_id, Name=properties["Name"]
    )
    await _sync_tags(rx, physical_id, properties, before)
    return _shown_unit(told["OrganizationalUnit"])


async def _delete_unit(rx: Deploying, physical_id: str, properties: Properties) -> None:
    await _call(rx, "DeleteOrganizationalUnit", OrganizationalUnitId=physical_id)


async def _create_account(rx: Deploying, properties: Properties) -> Deployed:
    made = await _call(
        rx,
        "CreateAccount",
        AccountName=properties["AccountName"],
        Email=properties["Email"],
        RoleName=properties.get("RoleName"),
        Tags=tag_list(rx.tags(properties.get("Tags"))),
    )
    status = made["CreateAccountStatus"]
    if status["State"] != "SUCCEEDED":
        raise ResourceFailure(f"Account creation failed: {status.get('FailureReason')}")
    rx.made = id = status["AccountId"]
    await _move(rx, id, properties)
    return await _shown_account(rx, id)


async def _move(rx: Deploying, id: str, properties: Properties) -> None:
    wanted = (properties.get("ParentIds") or [None])[0]
    parent = (await _call(rx, "ListParents", ChildId=id))["Parents"][0]["Id"]
    if wanted is not None and wanted != parent:
        await _call(
            rx, "MoveAccount", AccountId=id, SourceParentId=parent, DestinationParentId=wanted
        )


async def _shown_account(rx: Deploying, id: str) -> Deployed:
    told = (await _call(rx, "DescribeAccount", AccountId=id))["Account"]
    attributes = {
        "AccountId": id,
        **{name: told[name] for name in ("Arn", "JoinedMethod", "Status")},
    }
    return Deployed(physical_id=id, attributes=attributes)


async def _update_account(
    rx: Deploying, physical_id: str, properties: Properties, before: Properties
) -> Deployed:
    for member in ("AccountName", "Email", "RoleName"):
        if changed(properties, before, member):
            raise ResourceFailure(f"{member} of an account cannot be changed.")
    await _move(rx, physical_id, properties)
    await _sync_tags(rx, physical_id, properties, before)
    return await _shown_account(rx, physical_id)


async def _delete_account(rx: Deploying, physical_id: str, properties: Properties) -> None:
    told = await _call(rx, "DescribeAccount", AccountId=physical_id)
    if told["Account"]["Status"] == "ACTIVE":
        await _call(rx, "CloseAccount", AccountId=physical_id)


async def _create_policy(rx: Deploying, properties: Properties) -> Deployed:
    made = await _call(
        rx,
        "CreatePolicy",
        Name=properties["Name"],
        Type=properties["Type"],
        Description=properties.get("Description", ""),
        Content=_text(properties["Content"]),
        Tags=tag_list(rx.tags(properties.get("Tags"))),
    )
    summary = made["Policy"]["PolicySummary"]
    rx.made = summary["Id"]
    for target in properties.get("TargetIds", ()):
        await _call(rx, "AttachPolicy", PolicyId=summary["Id"], TargetId=target)
    return _shown_policy(summary)


def _shown_policy(summary: dict[str, Any]) -> Deployed:
    attributes = {"Id": summary["Id"], "Arn": summary["Arn"], "AwsManaged": summary["AwsManaged"]}
    return Deployed(physical_id=summary["Id"], attributes=attributes)


async def _update_policy(
    rx: Deploying, physical_id: str, properties: Properties, before: Properties
) -> Deployed:
    told = await _call(
        rx,
        "UpdatePolicy",
        PolicyId=physical_id,
        Name=properties["Name"],
        Description=properties.get("Description", ""),
        Content=_text(properties["Content"]),
    )
    now, then = properties.get("TargetIds", ()), before.get("TargetIds", ())
    for target in now:
        if target not in then:
            await _attach(rx, physical_id, target)
    for target in then:
        if target not in now:
            await rx.remove("organizations", "DetachPolicy", PolicyId=physical_id, TargetId=target)
    await _sync_tags(rx, physical_id, properties, before)
    return _shown_policy(told["Policy"]["PolicySummary"])


async def _attach(rx: Deploying, policy: str, target: str) -> None:
    try:
        await _call(rx, "AttachPolicy", PolicyId=policy, TargetId=target)
    except AwsError as error:
        if not exists_already(error):
            raise


async def _delete_policy(rx: Deploying, physical_id: str, properties: Properties) -> None:
    targets = await _call(rx, "ListTargetsForPolicy", PolicyId=physical_id)
    for target in targets["Targets"]:
        await _call(rx, "DetachPolicy", PolicyId=physical_id, TargetId=target["TargetId"])
    await _call(rx, "DeletePolicy", PolicyId=physical_id)


async def _put_resource_policy(rx: Deploying, properties: Properties) -> Deployed:
    made = await _call(
        rx,
        "PutResourcePolicy",
        Content=_text(properties["Content"]),
        Tags=tag_list(rx.tags(properties.get("Tags"))),
    )
    summary = made["ResourcePolicy"]["ResourcePolicySummary"]
    attributes = {"Id": summary["Id"], "Arn": summary["Arn"]}
    return Deployed(physical_id=summary["Id"], attributes=attributes)


async def _update_resource_policy(
    rx: Deploying, physical_id: str, properties: Properties, before: Properties
) -> Deployed:
    return await _put_resource_policy(rx, properties)


async def _delete_resource_policy(rx: Deploying, physical_id: str, properties: Properties) -> None:
    await _call(rx, "DeleteResourcePolicy")


TYPES = (
    ResourceType(
        name="AWS::Organizations::Organization",
        create=_create_organization,
        update=_update_organization,
        delete=_delete_organization,
    ),
    ResourceType(
        name="AWS::Organizations::OrganizationalUnit",
        create=_create_unit,
        update=_update_unit,
        delete=_delete_unit,
    ),
    ResourceType(
        name="AWS::Organizations::Account",
        create=_create_account,
        update=_update_account,
        delete=_delete_account,
    ),
    ResourceType(
        name="AWS::Organizations::Policy",
        create=_create_policy,
        update=_update_policy,
        delete=_delete_policy,
    ),
    ResourceType(
        name="AWS::Organizations::ResourcePolicy",
        create=_put_resource_policy,
        update=_update_resource_policy,
        delete=_delete_resource_policy,
    ),
)
