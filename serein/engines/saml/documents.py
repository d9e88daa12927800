"""XML that strangers send: parsed without entities, document types or network, bounded in size."""

from __future__ import annotations

from lxml import etree

BYTES_MAX = 10_000_000
ASSERTION = "urn:oasis:names:tc:SAML:2.0:assertion"
PROTOCOL = "urn:oasis:names:tc:SAML:2.0:protocol"
METADATA = "urn:oasis:names:tc:SAML:2.0:metadata"
SIGNATURE = "http://www.w3.org/2000/09/xmldsig#"


class MalformedSaml(ValueError):
    """It is no such document."""


def parse(text: bytes) -> etree._Element:
    """The root of a document. Raises MalformedSaml, also for anything with a document type."""
    if len(text) > BYTES_MAX:
        raise MalformedSaml("the document is too large")
    parser = etree.XMLParser(
        resolve_entities=False, no_network=True, load_dtd=False, dtd_validation=False
    )
    try:
        root = etree.fromstring(text, parser)
    except (etree.XMLSyntaxError, ValueError) as error:
        raise MalformedSaml("the document is no XML") from error
    if root.getroottree().docinfo.doctype:
        raise MalformedSaml("the document has a document type")
    return root


def text_of(element: etree._Element | None) -> str:
    """The text of an element without children, white space around it taken off; "" for none."""
    return (element.text or "").strip() if element is not None else ""
