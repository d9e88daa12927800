"""AWS::IAM::User, Group, AccessKey and UserToGroupAddition.

https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/AWS_IAM.html
"""

from __future__ import annotations

from serein.base.errors import AwsError
from serein.services.cloudformation.resources.iam import (
    strip,
    sync_attached,
    sync_boundary,
    sync_inline,
    sync_tags,
)
from serein.services.cloudformation.resources.interface import (
    Deployed,
    Deploying,
    Properties,
    ResourceType,
    changed,
    exists_already,
    tag_list,
)


async def _sync_groups(
    rx: Deploying, name: str, properties: Properties, before: Properties
) -> None:
    for group in properties.get("Groups", ()):
        if group not in before.get("Groups", ()):
            await rx.call("iam", "AddUserToGroup", GroupName=group, UserName=name)
    for group in before.get("Groups", ()):
        if group not in properties.get("Groups", ()):
            await rx.remove("iam", "RemoveUserFromGroup", GroupName=group, UserName=name)


async def _sync_login(rx: Deploying, name: str, properties: Properties, before: Properties) -> None:
    profile = properties.get("LoginProfile")
    if not changed(properties, before, "LoginProfile"):
        return
    if profile is None:
        await rx.remove("iam", "DeleteLoginProfile", UserName=name)
        return
    params = {
        "UserName": name,
        "Password": profile["Password"],
        "PasswordResetRequired": profile.get("PasswordResetRequired"),
    }
    try:
        await rx.call("iam", "CreateLoginProfile", **params)
    except AwsError as error:
        if not exists_already(error):
            raise
        await rx.call("iam", "UpdateLoginProfile", **params)


async def _create_user(rx: Deploying, properties: Properties) -> Deployed:
    name = properties.get("UserName") or rx.name(64)
    try:
        answer = await rx.call(
            "iam",
            "CreateUser",
            UserName=name,
            Path=properties.get("Path"),
            PermissionsBoundary=properties.get("PermissionsBoundary"),
            Tags=tag_list(rx.tags(properties.get("Tags"))),
        )
    except AwsError as error:
        if not (rx.is_resumed and exists_already(error)):
            raise
        answer = await rx.call("iam", "GetUser", UserName=name)
    rx.made = name
    await _sync_user(rx, name, properties, {})
    return Deployed(physical_id=name, attributes={"Arn": answer["User"]["Arn"]})


async def _sync_user(rx: Deploying, name: str, properties: Properties, before: Properties) -> None:
    await sync_attached(rx, "User", name, properties, before)
    await sync_inline(rx, "User", name, properties, before)
    await _sync_groups(rx, name, properties, before)
    await _sync_login(rx, name, properties, before)


async def _update_user(
    rx: Deploying, physical_id: str, properties: Properties, before: Properties
) -> Deployed:
    if changed(properties, before, "Path"):
        await rx.call(
            "iam", "UpdateUser", UserName=physical_id, NewPath=properties.get("Path", "/")
        )
    await sync_boundary(rx, "User", physical_id, properties, before)
    await _sync_user(rx, physical_id, properties, before)
    await sync_tags(rx, "User", {"UserName": physical_id}, properties, before)
    answer = await rx.call("iam", "GetUser", UserName=physical_id)
    return Deployed(physical_id=physical_id, attributes={"Arn": answer["User"]["Arn"]})


async def _delete_user(rx: Deploying, physical_id: str, properties: Properties) -> None:
    await strip(rx, "User", physical_id)
    groups = await rx.call("iam", "ListGroupsForUser", UserName=physical_id)
    for group in groups.get("Groups", ()):
        await rx.remove(
            "iam", "RemoveUserFromGroup", GroupName=group["GroupName"], UserName=physical_id
        )
    if properties.get("LoginProfile"):
        await rx.remove("iam", "DeleteLoginProfile", UserName=physical_id)
    await rx.call("iam", "DeleteUser", UserName=physical_id)


async def _create_group(rx: Deploying, properties: Properties) -> Deployed:
    name = properties.get("GroupName") or rx.name(128)
    try:
        answer = await rx.call("iam", "CreateGroup", GroupName=name, Path=properties.get("Path"))
    except AwsError as error:
        if not (rx.is_resumed and exists_already(error)):
            raise
        answer = await rx.call("iam", "GetGroup", GroupName=name)
    rx.made = name
    await sync_attached(rx, "Group", name, properties, {})
    await sync_inline(rx, "Group", name, properties, {})
    return Deployed(physical_id=name, attributes={"Arn": answer["Group"]["Arn"]})


async def _update_group(
    rx: Deploying, physical_id: str, properties: Properties, before: Properties
) -> Deployed:
    if changed(properties, before, "Path"):
        await rx.call(
            "iam", "UpdateGroup", GroupName=physical_id, NewPath=properties.get("Path", "/")
        )
    await sync_attached(rx, "Group", physical_id, properties, before)
    await sync_inline(rx, "Group", physical_id, properties, before)
    answer = await rx.call("iam", "GetGroup", GroupName=physical_id)
    return Deployed(physical_id=physical_id, attributes={"Arn": answer["Group"]["Arn"]})


async def _delete_group(rx: Deploying, physical_id: str, properties: Properties) -> None:
    await strip(rx, "Group", physical_id)
    answer = await rx.call("iam", "GetGroup", GroupName=physical_id)
    for user in answer.get("Users", ()):
        await rx.remove(
            "iam", "RemoveUserFromGroup", GroupName=physical_id, UserName=user["UserName"]
        )
    await rx.call("iam", "DeleteGroup", GroupName=physical_id)


async def _create_key(rx: Deploying, properties: Properties) -> Deployed:
    answer = await rx.call("iam", "CreateAccessKey", UserName=properties["UserName"])
    key = answer["AccessKey"]
    if properties.get("Status", "Active") != "Active":
        await _set_status(rx, key["AccessKeyId"], properties)
    return Deployed(
        physical_id=key["AccessKeyId"],
        attributes={"Id": key["AccessKeyId"], "SecretAccessKey": key["SecretAccessKey"]},
    )


async def _set_status(rx: Deploying, key: str, properties: Properties) -> None:
    await rx.call(
        "iam",
        "UpdateAccessKey",
        UserName=properties["UserName"],
        AccessKeyId=key,
        Status=properties.get("Status", "Active"),
    )


async def _update_key(
    rx: Deploying, physical_id: str, properties: Properties, before: Properties
) -> Deployed:
    await _set_status(rx, physical_id, properties)
    # The secret is told once, at creation; the attributes known so far are kept by the deployment.
    return Deployed(physical_id=physical_id)


async def _delete_key(rx: Deploying, physical_id: str, properties: Properties) -> None:
    await rx.call(
        "iam", "DeleteAccessKey", UserName=properties["UserName"], AccessKeyId=physical_id
    )


async def _create_addition(rx: Deploying, properties: Properties) -> Deployed:
    for user in properties["Users"]:
        await rx.call("iam", "AddUserToGroup", GroupName=properties["GroupName"], UserName=user)
    name = rx.name(128)
    return Deployed(physical_id=name, attributes={"Id": name})


async def _update_addition(
    rx: Deploying, physical_id: str, properties: Properties, before: Properties
) -> Deployed:
    for user in properties["Users"]:
        await rx.call("iam", "AddUserToGroup", GroupName=properties["GroupName"], UserName=user)
    for user in before["Users"]:
        if user not in properties["Users"] or changed(properties, before, "GroupName"):
            await rx.remove(
                "iam", "RemoveUserFromGroup", GroupName=before["GroupName"], UserName=user
            )
    return Deployed(physical_id=physical_id, attributes={"Id": physical_id})


async def _delete_addition(rx: Deploying, physical_id: str, properties: Properties) -> None:
    for user in properties.get("Users", ()):
        await rx.remove(
            "iam", "RemoveUserFromGroup", GroupName=properties["GroupName"], UserName=user
        )


TYPES = (
    ResourceType(
        name="AWS::IAM::User",
        create=_create_user,
        update=_update_user,
        delete=_delete_user,
        named_by="UserName",
    ),
    ResourceType(
        name="AWS::IAM::Group",
        create=_create_group,
        update=_update_group,
        delete=_delete_group,
        named_by="GroupName",
    ),
    ResourceType(
        name="AWS::IAM::AccessKey", create=_create_key, update=_update_key, delete=_delete_key
    ),
    ResourceType(
        name="AWS::IAM::UserToGroupAddition",
        create=_create_addition,
        update=_update_addition,
        delete=_delete_addition,
    ),
)
