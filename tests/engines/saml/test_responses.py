"""Signed SAML responses: whatever is changed in one, nothing else is believed."""

from __future__ import annotations

import base64

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from hypothesis import given, settings
from hypothesis import strategies as st

from serein.engines.saml.documents import MalformedSaml
from serein.engines.saml.metadata import read_metadata, time_of
from serein.engines.saml.responses import UnsignedSaml, read_response
from tests.services.sts.assertions import ATTRIBUTE, ISSUER, IdentityProvider

NOW = 1_800_000_000.0
PROVIDER = IdentityProvider()
CERTIFICATES = (
    x509.load_pem_x509_certificate(PROVIDER.certificate.encode()).public_bytes(
        serialization.Encoding.DER
    ),
)
VALID_AT = (
    x509.load_pem_x509_certificate(PROVIDER.certificate.encode()).not_valid_before_utc.timestamp()
    + 86_400
)
GIVEN = {ATTRIBUTE + "RoleSessionName": ["jo"], ATTRIBUTE + "Role": ["a,b"]}
SIGNED = {
    sign: base64.b64decode(PROVIDER.response(NOW, sign=sign, attributes=GIVEN))
    for sign in ("assertion", "response")
}


@pytest.mark.parametrize("sign", sorted(SIGNED))
def test_what_is_read(sign: str) -> None:
    told = read_response(SIGNED[sign], CERTIFICATES, VALID_AT)
    assert (told.issuer, told.subject) == (ISSUER, "jo")
    assert told.attributes[ATTRIBUTE + "Role"] == ("a,b",)
    assert told.not_before == NOW
    assert told.not_on_or_after == told.confirmed_until == NOW + 300


@pytest.mark.parametrize("sign", sorted(SIGNED))
@given(st.data())
@settings(max_examples=60, deadline=None)
def test_changes(sign: str, data: st.DataObject) -> None:
    """A piece cut out, put in or exchanged anywhere: refused, or it says what was signed."""
    text = SIGNED[sign]
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, min(start + 40, len(text))))
    piece = data.draw(st.binary(max_size=12))
    changed = text[:start] + piece + text[end:]
    try:
        told = read_response(changed, CERTIFICATES, VALID_AT)
    except (MalformedSaml, UnsignedSaml):
        return
    assert told == read_response(text, CERTIFICATES, VALID_AT)


def test_expired_certificates_sign_nothing() -> None:
    with pytest.raises(UnsignedSaml):
        read_response(SIGNED["assertion"], CERTIFICATES, VALID_AT + 10 * 365 * 86_400)


def test_metadata() -> None:
    told = read_metadata(PROVIDER.metadata)
    assert told.entity_id == ISSUER
    assert told.certificates == CERTIFICATES
    assert told.valid_until is None


@given(st.text(max_size=30))
def test_times(text: str) -> None:
    try:
        assert isinstance(time_of(text), float)
    except MalformedSaml:
        pass


def test_a_time_without_a_zone_is_utc() -> None:
    assert time_of("2026-01-01T00:00:00") == time_of("2026-01-01T00:00:00Z")
