"""Tags of users, roles, policies, instance profiles, identity providers, MFA devices and server certificates.

https://docs.aws.amazon.com/IAM/latest/UserGuide/id_tags.html
"""

from __future__ import annotations

from serein.kernel.operations import Read, Tx, operation
from serein.services.iam.access import (
    Answer,
    Request,
    find_policy,
    find_profile,
    find_role,
    find_user,
    on_policy,
    on_profile,
    on_provider,
    on_role,
    on_user,
    page,
)
from serein.services.iam.operations.mfa_devices import find_device, on_device
from serein.services.iam.operations.providers import find_provider
from serein.services.iam.operations.saml_providers import find_saml_provider
from serein.services.iam.operations.saml_providers import on_provider as on_saml_provider
from serein.services.iam.operations.server_certificates import find_certificate, on_certificate
from serein.services.iam.rules.names import check_tag_count, tags_of_request


def _tag(tx: Tx, arn: str, request: Request) -> Answer:
    added = tags_of_request(request)
    kept = tx.tags_of(arn)
    lowered = {key.lower() for key in added}
    # Keys differ by more than case: a new spelling takes the old one's place.
    replaced = [key for key in kept if key.lower() in lowered and key not in added]
    check_tag_count(len(kept.keys() | added.keys()) - len(replaced))
    tx.untag(arn, replaced)
    tx.tag(arn, added)
    return {}


def _untag(tx: Tx, arn: str, request: Request) -> Answer:
    unwanted = {key.lower() for key in request["TagKeys"]}
    tx.untag(arn, [key for key in tx.tags_of(arn) if key.lower() in unwanted])
    return {}


def _list(read: Read, arn: str, request: Request) -> Answer:
    tags = read.tags_of(arn).items()
    return page(
        "tags",
        "Tags",
        tags,
        request,
        lambda tag: {"Key": tag[0], "Value": tag[1]},
        lambda tag: tag[0],
    )


@operation("TagUser", on=on_user)
def tag_user(tx: Tx, request: Request) -> Answer:
    """Add or replace a user's tags."""
    return _tag(tx, find_user(tx, request["UserName"]).arn, request)


@operation("UntagUser", on=on_user)
def untag_user(tx: Tx, request: Request) -> Answer:
    """Remove tags of a user."""
    return _untag(tx, find_user(tx, request["UserName"]).arn, request)


@operation("ListUserTags", on=on_user)
def list_user_tags(read: Read, request: Request) -> Answer:
    """A user's tags."""
    return _list(read, find_user(read, request["UserName"]).arn, request)


@operation("TagRole", on=on_role)
def tag_role(tx: Tx, request: Request) -> Answer:
    """Add or replace a role's tags; a service-linked role can be tagged too."""
    return _tag(tx, find_role(tx, request["RoleName"]).arn, request)


@operation("UntagRole", on=on_role)
def untag_role(tx: Tx, request: Request) -> Answer:
    """Remove tags of a role."""
    return _untag(tx, find_role(tx, request["RoleName"]).arn, request)


@operation("ListRoleTags", on=on_role)
def list_role_tags(read: Read, request: Request) -> Answer:
    """A role's tags."""
    return _list(read, find_role(read, request["RoleName"]).arn, request)


@operation("TagPolicy", on=on_policy)
def tag_policy(tx: Tx, request: Request) -> Answer:
    """Add or replace a managed policy's tags."""
    return _tag(tx, find_policy(tx, request["PolicyArn"]).arn, request)


@operation("UntagPolicy", on=on_policy)
def untag_policy(tx: Tx, request: Request) -> Answer:
    """Remove tags of a managed policy."""
    return _untag(tx, find_policy(tx, request["PolicyArn"]).arn, request)


@operation("ListPolicyTags", on=on_policy)
def list_policy_tags(read: Read, request: Request) -> Answer:
    """A managed policy's tags."""
    return _list(read, find_policy(read, request["PolicyArn"]).arn, request)


@operation("TagInstanceProfile", on=on_profile)
def tag_instance_profile(tx: Tx, request: Request) -> Answer:
    """Add or replace an instance profile's tags."""
    return _tag(tx, find_profile(tx, request["InstanceProfileName"]).arn, request)


@operation("UntagInstanceProfile", on=on_profile)
def untag_instance_profile(tx: Tx, request: Request) -> Answer:
    """Remove tags of an instance profile."""
    return _untag(tx, find_profile(tx, request["InstanceProfileName"]).arn, request)


@operation("ListInstanceProfileTags", on=on_profile)
def list_instance_profile_tags(read: Read, request: Request) -> Answer:
    """An instance profile's tags."""
    return _list(read, find_profile(read, request["InstanceProfileName"]).arn, request)


@operation("TagOpenIDConnectProvider", on=on_provider)
def tag_open_id_connect_provider(tx: Tx, request: Request) -> Answer:
    """Add or replace a provider's tags."""
    return _tag(tx, find_provider(tx, request["OpenIDConnectProviderArn"]).arn, request)


@operation("UntagOpenIDConnectProvider", on=on_provider)
def untag_open_id_connect_provider(tx: Tx, request: Request) -> Answer:
    """Remove tags of a provider."""
    return _untag(tx, find_provider(tx, request["OpenIDConnectProviderArn"]).arn, request)


@operation("ListOpenIDConnectProviderTags", on=on_provider)
def list_open_id_connect_provider_tags(read: Read, request: Request) -> Answer:
    """A provider's tags."""
    return _list(read, find_provider(read, request["OpenIDConnectProviderArn"]).arn, request)


@operation("TagMFADevice", on=on_device)
def tag_mfa_device(tx: Tx, request: Request) -> Answer:
    """Add or replace the tags of an MFA device."""
    return _tag(tx, find_device(tx, request["SerialNumber"]).arn, request)


@operation("UntagMFADevice", on=on_device)
def untag_mfa_device(tx: Tx, request: Request) -> Answer:
    """Remove tags of an MFA device."""
    return _untag(tx, find_device(tx, request["SerialNumber"]).arn, request)


@operation("ListMFADeviceTags", on=on_device)
def list_mfa_device_tags(read: Read, request: Request) -> Answer:
    """The tags of an MFA device."""
    return _list(read, find_device(read, request["SerialNumber"]).arn, request)


@operation("TagSAMLProvider", on=on_saml_provider)
def tag_saml_provider(tx: Tx, request: Request) -> Answer:
    """Add or replace the tags of a SAML provider."""
    return _tag(tx, find_saml_provider(tx, request["SAMLProviderArn"]).arn, request)


@operation("UntagSAMLProvider", on=on_saml_provider)
def untag_saml_provider(tx: Tx, request: Request) -> Answer:
    """Remove tags of a SAML provider."""
    return _untag(tx, find_saml_provider(tx, request["SAMLProviderArn"]).arn, request)


@operation("ListSAMLProviderTags", on=on_saml_provider)
def list_saml_provider_tags(read: Read, request: Request) -> Answer:
    """The tags of a SAML provider."""
    return _list(read, find_saml_provider(read, request["SAMLProviderArn"]).arn, request)


@operation("TagServerCertificate", on=on_certificate)
def tag_server_certificate(tx: Tx, request: Request) -> Answer:
    """Add or replace the tags of a server certificate."""
    return _tag(tx, find_certificate(tx, request["ServerCertificateName"]).arn, request)


@operation("UntagServerCertificate", on=on_certificate)
def untag_server_certificate(tx: Tx, request: Request) -> Answer:
    """Remove tags of a server certificate."""
    return _untag(tx, find_certificate(tx, request["ServerCertificateName"]).arn, request)


@operation("ListServerCertificateTags", on=on_certificate)
def list_server_certificate_tags(read: Read, request: Request) -> Answer:
    """The tags of a server certificate."""
    return _list(read, find_certificate(read, request["ServerCertificateName"]).arn, request)
