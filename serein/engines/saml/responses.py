"""Signed SAML responses: verified against a provider's certificates; only what was signed is read.

https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_providers_create_saml_assertions.html
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from datetime import UTC, datetime

import msgspec
from cryptography import x509
from lxml import etree
from signxml.algorithms import DigestAlgorithm, SignatureMethod
from signxml.verifier import SignatureConfiguration, XMLVerifier

from serein.engines.saml.documents import (
    ASSERTION,
    PROTOCOL,
    SIGNATURE,
    MalformedSaml,
    parse,
    text_of,
)
from serein.engines.saml.metadata import time_of

_METHODS = frozenset(
    method
    for method in SignatureMethod
    if method.name.startswith(("RSA_SHA", "ECDSA_SHA")) and not method.name.endswith("SHA1")
)
_DIGESTS = frozenset((DigestAlgorithm.SHA256, DigestAlgorithm.SHA384, DigestAlgorithm.SHA512))
SUCCESS = "urn:oasis:names:tc:SAML:2.0:status:Success"


class UnsignedSaml(ValueError):
    """The signature is missing or wrong."""


class Assertion(msgspec.Struct, frozen=True, kw_only=True):
    """What a verified assertion says. Times are epoch seconds, None where not said."""

    issuer: str
    subject: str
    subject_type: str
    name_qualifier: str
    recipients: tuple[str, ...]
    audiences: tuple[str, ...]
    not_before: float | None
    not_on_or_after: float | None
    confirmed_until: float | None
    issued_at: float | None
    session_until: float | None
    attributes: dict[str, tuple[str, ...]]


def read_response(text: bytes, certificates: Sequence[bytes], now: float) -> Assertion:
    """The assertion of a response that one of `certificates` (DER) signed, itself or its assertion.

    Raises MalformedSaml, UnsignedSaml.
    """
    root = parse(text)
    if root.tag != f"{{{PROTOCOL}}}Response":
        raise MalformedSaml("the document is no SAML response")
    status = root.find(f"{{{PROTOCOL}}}Status/{{{PROTOCOL}}}StatusCode")
    if status is not None and status.get("Value") != SUCCESS:
        raise MalformedSaml("the response tells of no success")
    tag = f"{{{ASSERTION}}}Assertion"
    if root.find(f"{{{SIGNATURE}}}Signature") is not None:
        signed = _verified(root, certificates, now)
        found = signed if signed.tag == tag else signed.find(tag)
    else:
        candidates = root.findall(tag)
        if len(candidates) != 1:
            raise MalformedSaml("the response must have one assertion")
        found = _verified(copy.deepcopy(candidates[0]), certificates, now)
    if found is None or found.tag != tag:
        raise MalformedSaml("the response has no assertion")
    return _assertion(found)


def _verified(element: etree._Element, certificates: Sequence[bytes], now: float) -> etree._Element:
    """What was really signed, which is all that may be believed. Raises UnsignedSaml."""
    if element.find(f"{{{SIGNATURE}}}Signature") is None:
        raise UnsignedSaml("there is no signature")
    config = SignatureConfiguration(
        location="./",
        signature_methods=_METHODS,
        digest_algorithms=_DIGESTS,
        verification_time=datetime.fromtimestamp(now, UTC),
    )
    for packed in certificates:
        certificate = x509.load_der_x509_certificate(packed)
        try:
            found = XMLVerifier().verify(
                element, x509_cert=certificate, id_attribute="ID", expect_config=config
            )
        except Exception:  # whatever goes wrong with a stranger's signature is a refusal
            continue
        assert not isinstance(found, list)
        signed = found.signed_xml
        if signed is not None and signed.get("ID") == element.get("ID"):
            return signed
    raise UnsignedSaml("none of the provider's certificates signed it")


def _assertion(root: etree._Element) -> Assertion:
    name = root.find(f"{{{ASSERTION}}}Subject/{{{ASSERTION}}}NameID")
    data = root.findall(
        f"{{{ASSERTION}}}Subject/{{{ASSERTION}}}SubjectConfirmation/{{{ASSERTION}}}SubjectConfirmationData"
    )
    conditions = root.find(f"{{{ASSERTION}}}Conditions")
    statement = root.find(f"{{{ASSERTION}}}AuthnStatement")
    audiences = root.iterfind(
        f"{{{ASSERTION}}}Conditions/{{{ASSERTION}}}AudienceRestriction/{{{ASSERTION}}}Audience"
    )
    untils = [
        time_of(each.attrib["NotOnOrAfter"]) for each in data if "NotOnOrAfter" in each.attrib
    ]
    return Assertion(
        issuer=text_of(root.find(f"{{{ASSERTION}}}Issuer")),
        subject=text_of(name),
        subject_type="" if name is None else name.get("Format", ""),
        name_qualifier="" if name is None else name.get("NameQualifier", ""),
        recipients=tuple(each.get("Recipient", "") for each in data),
        audiences=tuple(text_of(each) for each in audiences),
        not_before=_time(conditions, "NotBefore"),
        not_on_or_after=_time(conditions, "NotOnOrAfter"),
        confirmed_until=max(untils) if untils else None,
        issued_at=_time(root, "IssueInstant"),
        session_until=_time(statement, "SessionNotOnOrAfter"),
        attributes=_attributes(root),
    )


def _time(element: etree._Element | None, name: str) -> float | None:
    text = None if element is None else element.get(name)
    return None if text is None else time_of(text)


def _attributes(root: etree._Element) -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for attribute in root.iterfind(f"{{{ASSERTION}}}AttributeStatement/{{{ASSERTION}}}Attribute"):
        values = attribute.iterfind(f"{{{ASSERTION}}}AttributeValue")
        name = attribute.get("Name", "")
        found[name] = (*found.get(name, ()), *(text_of(value) for value in values))
    return found
