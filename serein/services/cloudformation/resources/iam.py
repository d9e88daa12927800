"""AWS::IAM::Role, Policy, ManagedPolicy and InstanceProfile (users, groups and keys: `iam_users.py`).

https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/AWS_IAM.html
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

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

VERSIONS_MAX = 5
_OWNERS = (("Roles", "Role"), ("Users", "User"), ("Groups", "Group"))


def policy_text(document: Any) -> str:
    """A policy as the API wants it."""
    return document if isinstance(document, str) else orjson.dumps(document).decode()


async def sync_inline(
    rx: Deploying, kind: str, name: str, properties: Properties, before: Properties
) -> None:
    """Bring the inline policies (`Policies`) of a role, user or group to what the properties say."""
    after = {item["PolicyName"]: item["PolicyDocument"] for item in properties.get("Policies", ())}
    was = {item["PolicyName"]: item["PolicyDocument"] for item in before.get("Policies", ())}
    owner = {f"{kind}Name": name}
    for policy, document in after.items():
        if was.get(policy) != document:
            await rx.call(
                "iam",
                f"Put{kind}Policy",
                PolicyName=policy,
                PolicyDocument=policy_text(document),
                **owner,
            )
    for policy in was:
        if policy not in after:
            await rx.remove("iam", f"Delete{kind}Policy", PolicyName=policy, **owner)


async def sync_attached(
    rx: Deploying, kind: str, name: str, properties: Properties, before: Properties
) -> None:
    """Bring the attached policies (`ManagedPolicyArns`) to what the properties say."""
    after, was = properties.get("ManagedPolicyArns", []), before.get("ManagedPolicyArns", [])
    owner = {f"{kind}Name": name}
    for arn in after:
        if arn not in was:
            await rx.call("iam", f"Attach{kind}Policy", PolicyArn=arn, **owner)
    for arn in was:
        if arn not in after:
            await rx.remove("iam", f"Detach{kind}Policy", PolicyArn=arn, **owner)


async def sync_boundary(
    rx: Deploying, kind: str, name: str, properties: Properties, before: Properties
) -> None:
    """Bring the permissions boundary of a role or user to what the properties say."""
    if not changed(properties, before, "PermissionsBoundary"):
        return
    owner, boundary = {f"{kind}Name": name}, properties.get("PermissionsBoundary")
    if boundary:
        operation = f"Put{kind}PermissionsBoundary"
        await rx.call("iam", operation, PermissionsBoundary=boundary, **owner)
    else:
        await rx.remove("iam", f"Delete{kind}PermissionsBoundary", **owner)


async def sync_tags(
    rx: Deploying, kind: str, owner: Mapping[str, str], properties: Properties, before: Properties
) -> None:
    """Bring the tags of `owner` (`{"RoleName": …}`) to what the properties say, by `Tag<kind>` and `Untag<kind>`."""
    added, removed = tag_changes(rx.tags(properties.get("Tags")), rx.tags(before.get("Tags")))
    if added:
        await rx.call("iam", f"Tag{kind}", Tags=tag_list(added), **owner)
    if removed:
        await rx.call("iam", f"Untag{kind}", TagKeys=removed, **owner)


async def strip(rx: Deploying, kind: str, name: str) -> None:
    """Take all policies from a role, user or group, so that it can be deleted."""
    owner = {f"{kind}Name": name}
    inline = await rx.call("iam", f"List{kind}Policies", **owner)
    for policy in inline.get("PolicyNames", ()):
        await rx.remove("iam", f"Delete{kind}Policy", PolicyName=policy, **owner)
    attached = await rx.call("iam", f"ListAttached{kind}Policies", **owner)
    for item in attached.get("AttachedPolicies", ()):
        await rx.remove("iam", f"Detach{kind}Policy", PolicyArn=item["PolicyArn"], **owner)


async def _create_role(rx: Deploying, properties: Properties) -> Deployed:
    name = properties.get("RoleName") or rx.name(64)
    try:
        answer = await rx.call(
            "iam",
            "CreateRole",
            RoleName=name,
            AssumeRolePolicyDocument=policy_text(properties["AssumeRolePolicyDocument"]),
            Path=properties.get("Path"),
            Description=properties.get("Description"),
            MaxSessionDuration=properties.get("MaxSessionDuration"),
            PermissionsBoundary=properties.get("PermissionsBoundary"),
            Tags=tag_list(rx.tags(properties.get("Tags"))),
        )
    except AwsError as error:
        if not (rx.is_resumed and exists_already(error)):
            raise
        answer = await rx.call("iam", "GetRole", RoleName=name)
    rx.made = name
    await sync_attached(rx, "Role", name, properties, {})
    await sync_inline(rx, "Role", name, properties, {})
    return _role(answer["Role"])


def _role(role: dict[str, Any]) -> Deployed:
    return Deployed(
        physical_id=role["RoleName"], attributes={"Arn": role["Arn"], "RoleId": role["RoleId"]}
    )


async def _update_role(
    rx: Deploying, physical_id: str, properties: Properties, before: Properties
) -> Deployed:
    if changed(properties, before, "AssumeRolePolicyDocument"):
        await rx.call(
            "iam",
            "UpdateAssumeRolePolicy",
            RoleName=physical_id,
            PolicyDocument=policy_text(properties["AssumeRolePolicyDocument"]),
        )
    if changed(properties, before, "Description", "MaxSessionDuration"):
        await rx.call(
            "iam",
            "UpdateRole",
            RoleName=physical_id,
            Description=properties.get("Description", ""),
            MaxSessionDuration=properties.get("MaxSessionDuration", 3600),
        )
    await sync_boundary(rx, "Role", physical_id, properties, before)
    await sync_attached(rx, "Role", physical_id, properties, before)
    await sync_inline(rx, "Role", physical_id, properties, before)
    await sync_tags(rx, "Role", {"RoleName": physical_id}, properties, before)
    return _role((await rx.call("iam", "GetRole", RoleName=physical_id))["Role"])


async def _delete_role(rx: Deploying, physical_id: str, properties: Properties) -> None:
    await strip(rx, "Role", physical_id)
    await rx.call("iam", "DeleteRole", RoleName=physical_id)


async def _put_on_owners(rx: Deploying, properties: Properties, before: Properties) -> None:
    name, document = properties["PolicyName"], policy_text(properties["PolicyDocument"])
    for owners, kind in _OWNERS:
        for owner in properties.get(owners, ()):
            await rx.call(
                "iam",
                f"Put{kind}Policy",
                PolicyName=name,
                PolicyDocument=document,
                **{f"{kind}Name": owner},
            )
        for owner in before.get(owners, ()):
            if owner not in properties.get(owners, ()) or before["PolicyName"] != name:
                await rx.remove(
                    "iam",
                    f"Delete{kind}Policy",
                    PolicyName=before["PolicyName"],
                    **{f"{kind}Name": owner},
                )


async def _create_policy(rx: Deploying, properties: Properties) -> Deployed:
    await _put_on_owners(rx, properties, {})
    name = rx.name(128)
    return Deployed(physical_id=name, attributes={"Id": name})


async def _update_policy(
    rx: Deploying, physical_id: str, properties: Properties, before: Properties
) -> Deployed:
    await _put_on_owners(rx, properties, before)
    return Deployed(physical_id=physical_id, attributes={"Id": physical_id})


async def _delete_policy(rx: Deploying, physical_id: str, properties: Properties) -> None:
    for owners, kind in _OWNERS:
        for owner in properties.get(owners, ()):
            await rx.remove(
                "iam",
                f"Delete{kind}Policy",
                PolicyName=properties["PolicyName"],
                **{f"{kind}Name": owner},
            )


async def _create_managed(rx: Deploying, properties: Properties) -> Deployed:
    name = properties.get("ManagedPolicyName") or rx.name(128)
    path = properties.get("Path", "/")
    try:
        answer = await rx.call(
            "iam",
            "CreatePolicy",
            PolicyName=name,
            PolicyDocument=policy_text(properties["PolicyDocument"]),
            Path=properties.get("Path"),
            Description=properties.get("Description"),
        )
    except AwsError as error:
        if not (rx.is_resumed and exists_already(error)):
            raise
        arn = rx.arn("iam", f"policy{path}{name}", region="")
        answer = await rx.call("iam", "GetPolicy", PolicyArn=arn)
    policy = answer["Policy"]
    rx.made = policy["Arn"]
    await _attach_owners(rx, policy["Arn"], properties, {})
    return _managed(policy)


def _managed(policy: dict[str, Any]) -> Deployed:
    return Deployed(
        physical_id=policy["Arn"],
        attributes={
            "PolicyArn": policy["Arn"],
            "PolicyId": policy.get("PolicyId", ""),
            "DefaultVersionId": policy.get("DefaultVersionId", "v1"),
        },
    )


async def _attach_owners(
    rx: Deploying, arn: str, properties: Properties, before: Properties
) -> None:
    for owners, kind in _OWNERS:
        after, was = properties.get(owners, []), before.get(owners, [])
        for owner in after:
            if owner not in was:
                await rx.call("iam", f"Attach{kind}Policy", PolicyArn=arn, **{f"{kind}Name": owner})
        for owner in was:
            if owner not in after:
                await rx.remove(
                    "iam", f"Detach{kind}Policy", PolicyArn=arn, **{f"{kind}Name": owner}
                )


async def _versions(rx: Deploying, arn: str) -> list[dict[str, Any]]:
    """The versions that are not the default one, oldest first."""
    answer = await rx.call("iam", "ListPolicyVersions", PolicyArn=arn)
    others = [version for version in answer["Versions"] if not version["IsDefaultVersion"]]
    return sorted(others, key=lambda version: int(version["VersionId"][1:]))


async def _update_managed(
    rx: Deploying, physical_id: str, properties: Properties, before: Properties
) -> Deployed:
    if changed(properties, before, "PolicyDocument"):
        others = await _versions(rx, physical_id)
        if len(others) >= VERSIONS_MAX - 1:
            await rx.call(
                "iam",
                "DeletePolicyVersion",
                PolicyArn=physical_id,
                VersionId=others[0]["VersionId"],
            )
        await rx.call(
            "iam",
            "CreatePolicyVersion",
            PolicyArn=physical_id,
            PolicyDocument=policy_text(properties["PolicyDocument"]),
            SetAsDefault=True,
        )
    await _attach_owners(rx, physical_id, properties, before)
    return _managed((await rx.call("iam", "GetPolicy", PolicyArn=physical_id))["Policy"])


async def _delete_managed(rx: Deploying, physical_id: str, properties: Properties) -> None:
    entities = await rx.call("iam", "ListEntitiesForPolicy", PolicyArn=physical_id)
    for kind in ("Role", "User", "Group"):
        for entity in entities.get(f"Policy{kind}s", ()):
            owner = {f"{kind}Name": entity[f"{kind}Name"]}
            await rx.remove("iam", f"Detach{kind}Policy", PolicyArn=physical_id, **owner)
    for version in await _versions(rx, physical_id):
        await rx.call(
            "iam", "DeletePolicyVersion", PolicyArn=physical_id, VersionId=version["VersionId"]
        )
    await rx.call("iam", "DeletePolicy", PolicyArn=physical_id)


async def _create_profile(rx: Deploying, properties: Properties) -> Deployed:
    name = properties.get("InstanceProfileName") or rx.name(128)
    try:
        answer = await rx.call(
            "iam", "CreateInstanceProfile", InstanceProfileName=name, Path=properties.get("Path")
        )
    except AwsError as error:
        if not (rx.is_resumed and exists_already(error)):
            raise
        answer = await rx.call("iam", "GetInstanceProfile", InstanceProfileName=name)
    rx.made = name
    await _add_roles(rx, answer["InstanceProfile"], properties)
    return Deployed(physical_id=name, attributes={"Arn": answer["InstanceProfile"]["Arn"]})


async def _update_profile(
    rx: Deploying, physical_id: str, properties: Properties, before: Properties
) -> Deployed:
    for role in before["Roles"]:
        if role not in properties["Roles"]:
            await rx.remove(
                "iam",
                "RemoveRoleFromInstanceProfile",
                InstanceProfileName=physical_id,
                RoleName=role,
            )
    answer = await rx.call("iam", "GetInstanceProfile", InstanceProfileName=physical_id)
    await _add_roles(rx, answer["InstanceProfile"], properties)
    return Deployed(physical_id=physical_id, attributes={"Arn": answer["InstanceProfile"]["Arn"]})


async def _add_roles(rx: Deploying, profile: dict[str, Any], properties: Properties) -> None:
    """An instance profile takes one role, and refuses the one it has."""
    present = {role["RoleName"] for role in profile.get("Roles", ())}
    for role in properties["Roles"]:
        if role not in present:
            await rx.call(
                "iam",
                "AddRoleToInstanceProfile",
                InstanceProfileName=profile["InstanceProfileName"],
                RoleName=role,
            )


async def _delete_profile(rx: Deploying, physical_id: str, properties: Properties) -> None:
    answer = await rx.call("iam", "GetInstanceProfile", InstanceProfileName=physical_id)
    for role in answer["InstanceProfile"].get("Roles", ()):
        await rx.remove(
            "iam",
            "RemoveRoleFromInstanceProfile",
            InstanceProfileName=physical_id,
            RoleName=role["RoleName"],
        )
    await rx.call("iam", "DeleteInstanceProfile", InstanceProfileName=physical_id)


TYPES = (
    ResourceType(
        name="AWS::IAM::Role",
        create=_create_role,
        update=_update_role,
        delete=_delete_role,
        named_by="RoleName",
    ),
    ResourceType(
        name="AWS::IAM::Policy",
        create=_create_policy,
        update=_update_policy,
        delete=_delete_policy,
    ),
    ResourceType(
        name="AWS::IAM::ManagedPolicy",
        create=_create_managed,
        update=_update_managed,
        delete=_delete_managed,
        named_by="ManagedPolicyName",
    ),
    ResourceType(
        name="AWS::IAM::InstanceProfile",
        create=_create_profile,
        update=_update_profile,
        delete=_delete_profile,
        named_by="InstanceProfileName",
    ),
)
