"""JSON web tokens: whatever is changed in one, no other claims are believed."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serein.engines.tokens.json_web_tokens import (
    MalformedToken,
    UntrustedToken,
    read_token,
    verify_token,
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
        verify_token(token, KEYS)
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
        verify_token(read_token(TEXT), keys)


def test_a_token_without_a_key_id_is_tried_with_all_keys() -> None:
    other = Issuer()
    keys = {"keys": [*other.keys.values(), *ISSUER.keys.values()]}
    verify_token(read_token(TEXT), {"keys": [{**key, "kid": "one"} for key in keys["keys"]]})
