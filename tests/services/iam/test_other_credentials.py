"""Lists that tools ask for before they delete a user."""

from __future__ import annotations


def test_they_are_empty(iam, user, refused) -> None:
    assert iam.list_mfa_devices(UserName=user)["MFADevices"] == []
    assert iam.list_virtual_mfa_devices()["VirtualMFADevices"] == []
    assert iam.list_ssh_public_keys(UserName=user)["SSHPublicKeys"] == []
    assert iam.list_signing_certificates(UserName=user)["Certificates"] == []
    assert iam.list_server_certificates()["ServerCertificateMetadataList"] == []
    assert iam.list_saml_providers()["SAMLProviderList"] == []
    told = refused(iam.get_server_certificate, ServerCertificateName="c")
    assert told == ("NoSuchEntity", "The Server Certificate with name c cannot be found.")


def test_of_an_unknown_user(iam, refused) -> None:
    for function in (iam.list_mfa_devices, iam.list_ssh_public_keys, iam.list_signing_certificates):
        assert refused(function, UserName="x") == (
            "NoSuchEntity",
            "The user with name x cannot be found.",
        )
