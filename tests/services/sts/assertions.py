"""A SAML identity provider for tests: metadata, and signed responses."""

from __future__ import annotations

import base64
from datetime import UTC, datetime
from typing import Any

from lxml import etree
from signxml import XMLSigner

from tests.services.iam.certificates import new_certificate
from tests.services.iam.test_saml_providers import metadata_of

ISSUER = "https://idp.example.com/metadata"
ATTRIBUTE = "https://aws.amazon.com/SAML/Attributes/"
_SAML = "urn:oasis:names:tc:SAML:2.0"


def stamp(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


class IdentityProvider:
    """One provider with its key."""

    def __init__(self) -> None:
        self.certificate, self.key = new_certificate()
        self.metadata = metadata_of(self.certificate)

    def response(self, now: float, *, sign: str = "assertion", **given: Any) -> str:
        """A response, base64; `sign` says what is signed: "assertion", "response" or ""."""
        root = etree.fromstring(unsigned(now, **given))
        if sign == "response":
            root = self.signed(root)
        elif sign == "assertion":
            assertion = root.find(f"{{{_SAML}:assertion}}Assertion")
            root.replace(assertion, self.signed(assertion))
        return base64.b64encode(etree.tostring(root)).decode()

    def signed(self, element: Any) -> Any:
        signer = XMLSigner(c14n_algorithm="http://www.w3.org/2001/10/xml-exc-c14n#")
        return signer.sign(
            element,
            key=self.key,
            cert=self.certificate,
            reference_uri="#" + element.get("ID"),
            id_attribute="ID",
        )


def unsigned(
    now: float,
    *,
    attributes: dict[str, list[str]] | None = None,
    recipient: str = "https://signin.aws.amazon.com/saml",
    audience: str = "https://signin.aws.amazon.com/saml",
    issuer: str = ISSUER,
    issued_s_ago: float = 0.0,
    lives_s: float = 300.0,
    session_s: float = 43_200.0,
) -> bytes:
    """The text of a response with one assertion."""
    issued, until = stamp(now - issued_s_ago), stamp(now + lives_s)
    told = "".join(
        f'<saml:Attribute Name="{name}">'
        + "".join(f"<saml:AttributeValue>{value}</saml:AttributeValue>" for value in values)
        + "</saml:Attribute>"
        for name, values in (attributes or {}).items()
    )
    return f"""<samlp:Response xmlns:samlp="{_SAML}:protocol" xmlns:saml="{_SAML}:assertion"
  ID="_response" Version="2.0" IssueInstant="{issued}" Destination="{recipient}">
<saml:Issuer>{issuer}</saml:Issuer>
<samlp:Status><samlp:StatusCode Value="{_SAML}:status:Success"/></samlp:Status>
<saml:Assertion ID="_assertion" Version="2.0" IssueInstant="{issued}">
<saml:Issuer>{issuer}</saml:Issuer>
<saml:Subject>
<saml:NameID Format="{_SAML}:nameid-format:persistent">jo</saml:NameID>
<saml:SubjectConfirmation Method="{_SAML}:cm:bearer">
<saml:SubjectConfirmationData NotOnOrAfter="{until}" Recipient="{recipient}"/>
</saml:SubjectConfirmation>
</saml:Subject>
<saml:Conditions NotBefore="{issued}" NotOnOrAfter="{until}">
<saml:AudienceRestriction><saml:Audience>{audience}</saml:Audience></saml:AudienceRestriction>
</saml:Conditions>
<saml:AuthnStatement AuthnInstant="{issued}" SessionNotOnOrAfter="{stamp(now + session_s)}"/>
<saml:AttributeStatement>{told}</saml:AttributeStatement>
</saml:Assertion>
</samlp:Response>""".encode()
