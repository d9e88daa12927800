"""SAML providers. https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreateSAMLProvider.html"""

from __future__ import annotations

import base64

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from tests.services.iam.certificates import new_certificate

ACCOUNT = "000000000000"
ARN = f"arn:aws:iam::{ACCOUNT}:saml-provider/idp"


@pytest.fixture(scope="module")
def metadata() -> str:
    """An identity provider's metadata document."""
    return metadata_of(new_certificate()[0])


def metadata_of(certificate: str, until: str = "") -> str:
    """The metadata of a provider that signs with `certificate` (PEM)."""
    packed = x509.load_pem_x509_certificate(certificate.encode()).public_bytes(
        serialization.Encoding.DER
    )
    return (
        '<md:EntityDescriptor xmlns:md="urn:oasis:names:tc:SAML:2.0:metadata" '
        f'entityID="https://idp.example.com/metadata"{until}>'
        '<md:IDPSSODescriptor protocolSupportEnumeration="urn:oasis:names:tc:SAML:2.0:protocol">'
        '<md:KeyDescriptor use="signing"><ds:KeyInfo xmlns:ds="http://www.w3.org/2000/09/xmldsig#">'
        f"<ds:X509Data><ds:X509Certificate>{base64.b64encode(packed).decode()}"
        "</ds:X509Certificate></ds:X509Data></ds:KeyInfo></md:KeyDescriptor>"
        '<md:SingleSignOnService Binding="urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect" '
        'Location="https://idp.example.com/sso"/></md:IDPSSODescriptor></md:EntityDescriptor>'
    )


def test_the_life_of_a_provider(iam, refused, metadata) -> None:
    made = iam.create_saml_provider(
        Name="idp", SAMLMetadataDocument=metadata, Tags=[{"Key": "a", "Value": "1"}]
    )
    assert made["SAMLProviderArn"] == ARN
    found = iam.get_saml_provider(SAMLProviderArn=ARN)
    assert found["SAMLMetadataDocument"] == metadata
    assert found["Tags"] == [{"Key": "a", "Value": "1"}]
    assert (found["ValidUntil"] - found["CreateDate"]).days > 36_000
    assert iam.list_saml_providers()["SAMLProviderList"][0]["Arn"] == ARN
    again = refused(iam.create_saml_provider, Name="idp", SAMLMetadataDocument=metadata)
    assert again[0] == "EntityAlreadyExists"
    later = metadata_of(new_certificate()[0], ' validUntil="2040-01-01T00:00:00Z"')
    iam.update_saml_provider(SAMLProviderArn=ARN, SAMLMetadataDocument=later)
    assert iam.get_saml_provider(SAMLProviderArn=ARN)["ValidUntil"].year == 2040
    iam.tag_saml_provider(SAMLProviderArn=ARN, Tags=[{"Key": "b", "Value": "2"}])
    iam.untag_saml_provider(SAMLProviderArn=ARN, TagKeys=["a"])
    assert iam.list_saml_provider_tags(SAMLProviderArn=ARN)["Tags"] == [{"Key": "b", "Value": "2"}]
    iam.delete_saml_provider(SAMLProviderArn=ARN)
    assert refused(iam.get_saml_provider, SAMLProviderArn=ARN)[0] == "NoSuchEntity"


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace("IDPSSODescriptor", "SPSSODescriptor"),
        lambda text: text[:-5],
        lambda text: '<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]>' + text,
        lambda text: text.replace("<ds:X509Certificate>", "<ds:X509Certificate>AAAA"),
    ],
)
def test_bad_metadata(iam, refused, metadata, change) -> None:
    assert refused(iam.create_saml_provider, Name="idp", SAMLMetadataDocument=change(metadata)) == (
        "InvalidInput",
        "Could not parse metadata",
    )
