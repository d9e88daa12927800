"""JSON web tokens: whatever is changed in one, no other claims are believed."""

from __future__ import annotations

import base64
import json

import jwt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serein.engines.tokens.json_web_tokens import (
    KeySet,
    MalformedToken,
    UntrustedToken,
    read_token,
)
from tests.services.sts.issuers import Issuer

ISSUER = Issuer()
TEXT = ISSUER.token(1_800_000_000.0, groups=["a"])
KEYS = {"keys": list(ISSUER.keys.values())}


@given(st.data())
@settings(max_examples=150, deadline=None)
def test_changes(data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(TEXT)))
    end = data.draw(st.integers(start, min(start + 20, len(TEXT))))
    changed = TEXT[:start] + data.draw(st.text(max_size=8)) + TEXT[end:]
    try:
        token = read_token(changed)
        KeySet(KEYS).verify(token)
    except (MalformedToken, UntrustedToken):
        return
    assert token.claims == read_token(TEXT).claims


@pytest.mark.parametrize(
    "keys",
    [
        {},
        {"keys": None},
        {"keys": [None, 1, "x", {}]},
        {"keys": [{"kty": "RSA", "kid": "one"}]},
        {"keys": [{"kty": "oct", "kid": "one", "k": "AAAA"}]},
        {"keys": [{"kty": "EC", "kid": "one", "crv": "P-256", "x": "AA", "y": "AA"}]},
    ],
)
def test_key_sets_without_the_key(keys: dict[str, object]) -> None:
    with pytest.raises(UntrustedToken):
        KeySet(keys).verify(read_token(TEXT))


def test_a_token_without_a_key_id_is_tried_with_all_keys() -> None:
    other = Issuer()
    keys = {"keys": [*other.keys.values(), *ISSUER.keys.values()]}
    same_names = [{**key, "kid": "one"} for key in keys["keys"]]
    KeySet({"keys": same_names}).verify(read_token(TEXT))


def test_a_key_of_another_kind_than_the_algorithm_does_not_count() -> None:
    """A public key taken for the secret of a keyed hash: the oldest trick there is."""
    _, claims, _ = TEXT.split(".")
    for algorithm in ("none", "HS256", "ES256", "PS256"):
        told = {**jwt.get_unverified_header(TEXT), "alg": algorithm}
        head = base64.urlsafe_b64encode(json.dumps(told).encode()).rstrip(b"=").decode()
        with pytest.raises(UntrustedToken):
            KeySet(KEYS).verify(read_token(f"{head}.{claims}.AAAA"))


def test_which_keys_a_set_has() -> None:
    keys = KeySet({"keys": [*ISSUER.keys.values(), None, {"kty": "RSA"}]})
    assert read_token(TEXT).key_id in keys
    assert "another" not in keys
