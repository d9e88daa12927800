"""AWS::IAM::OIDCProvider, SAMLProvider, ServerCertificate, ServiceLinkedRole, VirtualMFADevice, RolePolicy, UserPolicy and GroupPolicy.

https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/AWS_IAM.html
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from serein.base.errors import AwsError
from serein.services.cloudformation.resources.iam import policy_text, sync_tags
from serein.services.cloudformation.resources.interface import (
    Deployed,
    Deploying,
    Properties,
    ResourceType,
    changed,
    exists_already,
    tag_list,
)


async def _create_oidc(rx: Deploying, properties: Properties) -> Deployed:
    answer = await rx.call(
        "iam",
        "CreateOpenIDConnectProvider",
        Url=properties.get("Url"),
        ClientIDList=properties.get("ClientIdList"),
        ThumbprintList=properties.get("ThumbprintList"),
        Tags=tag_list(rx.tags(properties.get("Tags"))),
    )
    arn = answer["OpenIDConnectProviderArn"]
    return Deployed(physical_id=arn, attributes={"Arn": arn})


async def _update_oidc(
    rx: Deploying, physical_id: str, properties: Properties, before: Properties
) -> Deployed:
    arn = physical_id
    if changed(properties, before, "ThumbprintList") and properties.get("ThumbprintList"):
        await rx.call(
            "iam",
            "UpdateOpenIDConnectProviderThumbprint",
            OpenIDConnectProviderArn=arn,
            ThumbprintList=properties["ThumbprintList"],
        )
    now, then = properties.get("ClientIdList", ()), before.get("ClientIdList", ())
    for operation, clients in (
        ("AddClientIDToOpenIDConnectProvider", [each for each in now if each not in then]),
        ("RemoveClientIDFromOpenIDConnectProvider", [each for each in then if each not in now]),
    ):
        for client in clients:
            await rx.call("iam", operation, OpenIDConnectProviderArn=arn, ClientID=client)
    await sync_tags(
        rx, "OpenIDConnectProvider", {"OpenIDConnectProviderArn": arn}, properties, before
    )
    return Deployed(physical_id=arn, attributes={"Arn": arn})


async def _delete_oidc(rx: Deploying, physical_id: str, properties: Properties) -> None:
    await rx.call("iam", "DeleteOpenIDConnectProvider", OpenIDConnectProviderArn=physical_id)


async def _create_saml(rx: Deploying, properties: Properties) -> Deployed:
    answer = await rx.call(
        "iam",
        "CreateSAMLProvider",
        Name=properties.get("Name") or rx.name(128),
        SAMLMetadataDocument=properties.get("SamlMetadataDocument"),
        AssertionEncryptionMode=properties.get("AssertionEncryptionMode"),
        AddPrivateKey=properties.get("AddPrivateKey"),
        Tags=tag_list(rx.tags(properties.get("Tags"))),
    )
    return await _shown_saml(rx, answer["SAMLProviderArn"])


async def _shown_saml(rx: Deploying, arn: str) -> Deployed:
    found = await rx.call("iam", "GetSAMLProvider", SAMLProviderArn=arn)
    attributes = {"Arn": arn, "SamlProviderUUID": found["SAMLProviderUUID"]}
    return Deployed(physical_id=arn, attributes=attributes)


async def _update_saml(
    rx: Deploying, physical_id: str, properties: Properties, before: Properties
) -> Deployed:
    await rx.call(
        "iam",
        "UpdateSAMLProvider",
        SAMLProviderArn=physical_id,
        SAMLMetadataDocument=properties.get("SamlMetadataDocument"),
        AssertionEncryptionMode=properties.get("AssertionEncryptionMode"),
    )
    await sync_tags(rx, "SAMLProvider", {"SAMLProviderArn": physical_id}, properties, before)
    return await _shown_saml(rx, physical_id)


async def _delete_saml(rx: Deploying, physical_id: str, properties: Properties) -> None:
    await rx.call("iam", "DeleteSAMLProvider", SAMLProviderArn=physical_id)


async def _create_certificate(rx: Deploying, properties: Properties) -> Deployed:
    name = properties.get("ServerCertificateName") or rx.name(128)
    try:
        answer = await rx.call(
            "iam",
            "UploadServerCertificate",
            ServerCertificateName=name,
            CertificateBody=properties.get("CertificateBody"),
            CertificateChain=properties.get("CertificateChain"),
            PrivateKey=properties.get("PrivateKey"),
            Path=properties.get("Path"),
            Tags=tag_list(rx.tags(properties.get("Tags"))),
        )
        metadata = answer["ServerCertificateMetadata"]
    except AwsError as error:
        if not (rx.is_resumed and exists_already(error)):
            raise
        found = await rx.call("iam", "GetServerCertificate", ServerCertificateName=name)
        metadata = found["ServerCertificate"]["ServerCertificateMetadata"]
    return Deployed(physical_id=name, attributes={"Arn": metadata["Arn"]})


async def _update_certificate(
    rx: Deploying, physical_id: str, properties: Properties, before: Properties
) -> Deployed:
    if changed(properties, before, "Path"):
        await rx.call(
            "iam",
            "UpdateServerCertificate",
            ServerCertificateName=physical_id,
            NewPath=properties.get("Path", "/"),
        )
    await sync_tags(
        rx, "ServerCertificate", {"ServerCertificateName": physical_id}, properties, before
    )
    found = await rx.call("iam", "GetServerCertificate", ServerCertificateName=physical_id)
    metadata = found["ServerCertificate"]["ServerCertificateMetadata"]
    return Deployed(physical_id=physical_id, attributes={"Arn": metadata["Arn"]})


async def _delete_certificate(rx: Deploying, physical_id: str, properties: Properties) -> None:
    await rx.call("iam", "DeleteServerCertificate", ServerCertificateName=physical_id)


async def _create_linked(rx: Deploying, properties: Properties) -> Deployed:
    answer = await rx.call(
        "iam",
        "CreateServiceLinkedRole",
        AWSServiceName=properties["AWSServiceName"],
        CustomSuffix=properties.get("CustomSuffix"),
        Description=properties.get("Description"),
    )
    name = answer["Role"]["RoleName"]
    return Deployed(physical_id=name, attributes={"RoleName": name})


async def _update_linked(
    rx: Deploying, physical_id: str, properties: Properties, before: Properties
) -> Deployed:
    description = properties.get("Description", "")
    await rx.call("iam", "UpdateRole", RoleName=physical_id, Description=description)
    return Deployed(physical_id=physical_id, attributes={"RoleName": physical_id})


async def _delete_linked(rx: Deploying, physical_id: str, properties: Properties) -> None:
    await rx.call("iam", "DeleteServiceLinkedRole", RoleName=physical_id)


async def _create_device(rx: Deploying, properties: Properties) -> Deployed:
    answer = await rx.call(
        "iam",
        "CreateVirtualMFADevice",
        VirtualMFADeviceName=properties.get("VirtualMfaDeviceName") or rx.name(128),
        Path=properties.get("Path"),
        Tags=tag_list(rx.tags(properties.get("Tags"))),
    )
    serial = answer["VirtualMFADevice"]["SerialNumber"]
    return Deployed(physical_id=serial, attributes={"SerialNumber": serial})


async def _update_device(
    rx: Deploying, physical_id: str, properties: Properties, before: Properties
) -> Deployed:
    await sync_tags(rx, "MFADevice", {"SerialNumber": physical_id}, properties, before)
    return Deployed(physical_id=physical_id, attributes={"SerialNumber": physical_id})


async def _delete_device(rx: Deploying, physical_id: str, properties: Properties) -> None:
    found = await rx.call("iam", "GetMFADevice", SerialNumber=physical_id)
    if found.get("UserName"):
        await rx.call(
            "iam", "DeactivateMFADevice", SerialNumber=physical_id, UserName=found["UserName"]
        )
    await rx.call("iam", "DeleteVirtualMFADevice", SerialNumber=physical_id)


def _inline(kind: str) -> ResourceType:
    """AWS::IAM::RolePolicy, UserPolicy and GroupPolicy: one inline policy of one owner."""
    member = f"{kind}Name"

    async def put(rx: Deploying, properties: Properties) -> Deployed:
        name, owner = properties["PolicyName"], properties[member]
        document = policy_text(properties.get("PolicyDocument", {}))
        params = {member: owner, "PolicyName": name, "PolicyDocument": document}
        await rx.call("iam", f"Put{kind}Policy", **params)
        return Deployed(physical_id=f"{name}|{owner}")

    async def update(
        rx: Deploying, physical_id: str, properties: Properties, before: Properties
    ) -> Deployed:
        return await put(rx, properties)

    async def delete(rx: Deploying, physical_id: str, properties: Properties) -> None:
        name, _, owner = physical_id.partition("|")
        await rx.call("iam", f"Delete{kind}Policy", **{member: owner, "PolicyName": name})

    made: Callable[[Deploying, Properties], Awaitable[Deployed]] = put
    return ResourceType(name=f"AWS::IAM::{kind}Policy", create=made, update=update, delete=delete)


TYPES = (
    ResourceType(
        name="AWS::IAM::OIDCProvider",
        create=_create_oidc,
        update=_update_oidc,
        delete=_delete_oidc,
    ),
    ResourceType(
        name="AWS::IAM::SAMLProvider",
        create=_create_saml,
        update=_update_saml,
        delete=_delete_saml,
        named_by="Name",
    ),
    ResourceType(
        name="AWS::IAM::ServerCertificate",
        create=_create_certificate,
        update=_update_certificate,
        delete=_delete_certificate,
        named_by="ServerCertificateName",
    ),
    ResourceType(
        name="AWS::IAM::ServiceLinkedRole",
        create=_create_linked,
        update=_update_linked,
        delete=_delete_linked,
    ),
    ResourceType(
        name="AWS::IAM::VirtualMFADevice",
        create=_create_device,
        update=_update_device,
        delete=_delete_device,
        named_by="VirtualMfaDeviceName",
    ),
    _inline("Role"),
    _inline("User"),
    _inline("Group"),
)
