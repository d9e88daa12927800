"""Access keys. https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html"""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from serein.base.ids import SeededRandomness
from serein.contracts.access_keys import (
    access_key_id,
    account_of_key,
    is_own_session_key,
    secret_key,
    session_key_id,
)

ACCOUNTS = st.integers(min_value=0, max_value=10**12 - 1).map(lambda number: f"{number:012d}")


@given(ACCOUNTS, st.integers())
def test_a_key_tells_its_account(account: str, seed: int) -> None:
    for key in (
        access_key_id("AKIA", account, SeededRandomness(seed)),
        session_key_id(account, SeededRandomness(seed)),
    ):
        assert len(key) == 20
        assert account_of_key(key) == account


@given(ACCOUNTS, st.integers())
def test_our_session_keys_are_known(account: str, seed: int) -> None:
    key = session_key_id(account, SeededRandomness(seed))
    assert is_own_session_key(key)
    assert not is_own_session_key(key[:-1] + ("A" if key[-1] != "A" else "B"))


@given(st.text(max_size=30))
def test_whatever_is_no_key_is_none(text: str) -> None:
    assert not is_own_session_key(text) or len(text) == 20
    account_of_key(text)


def test_secrets_have_forty_letters() -> None:
    assert len(secret_key(SeededRandomness(1))) == 40
