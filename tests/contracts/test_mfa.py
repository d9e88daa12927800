"""One-time codes: https://www.rfc-editor.org/rfc/rfc6238"""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from serein.contracts.mfa import STEP_S, MfaDevice, code_at, step_of, used

SEED = b"12345678901234567890"
DEVICE = MfaDevice(account="000000000000", path="/", name="phone", seed=SEED)


def test_a_code_is_good_once_and_for_a_while() -> None:
    now = 1_700_000_000.0
    step = int(now // STEP_S)
    for off in (-1, 0, 1):
        assert step_of(DEVICE, code_at(SEED, step + off), now) == step + off
    for off in (-2, 2):
        assert step_of(DEVICE, code_at(SEED, step + off), now) is None
    after = used(DEVICE, step)
    assert step_of(after, code_at(SEED, step), now) is None
    assert step_of(after, code_at(SEED, step - 1), now) is None, "nor one before it"
    assert step_of(after, code_at(SEED, step + 1), now) == step + 1


def test_drift_is_learnt() -> None:
    now = 1_700_000_000.0
    step = int(now // STEP_S) + 15
    synchronised = used(DEVICE, step, now)
    assert synchronised.drift == 15
    assert step_of(synchronised, code_at(SEED, step + 1), now + STEP_S) == step + 1


@given(st.text(max_size=10), st.floats(min_value=0, max_value=1e11))
def test_anything_else_is_refused(code: str, now: float) -> None:
    here = int(now // STEP_S)
    known = {code_at(SEED, max(here + off, 0)) for off in (-1, 0, 1)}
    if code not in known:
        assert step_of(DEVICE, code, now) is None
