"""The signing suite that AWS publishes with aws-c-auth: header and query, v4 and v4a."""

from __future__ import annotations

import json
from calendar import timegm
from pathlib import Path
from time import strptime

import pytest

from serein.wire.sigv4 import SignatureMemo, SignatureProblem, read_credentials, verify
from serein.wire.sigv4.canonical import canonical_path, canonical_path_s3, canonical_query
from serein.wire.sigv4.v4a import derive_public_key
from serein.wire.sigv4.verify import canonical_request
from tests.wire.sigv4.suite import need_suite, read_request, suite_folder

INAPPLICABLE = {
    # The token is put into the query after signing, unsigned: only IoT's endpoint takes that.
    ("v4", "post-sts-header-after", "query"),
    ("v4a", "post-sts-header-after", "query"),
    # These folders hold no signed request and no key.
    *(
        ("v4a", name, how)
        for name in ("get-vanilla-query-order-key", "get-vanilla-query-order-value")
        for how in ("header", "query", "key")
    ),
}
"""Cases that a server cannot be asked."""


def cases(version: str) -> list[str]:
    folder = suite_folder()
    return sorted(path.name for path in (folder / version).iterdir()) if folder else ["absent"]


def runs(how: str) -> list[tuple[str, str]]:
    """The version and name of every case that applies."""
    pairs = [(version, name) for version in ("v4", "v4a") for name in cases(version)]
    return [pair for pair in pairs if (*pair, how) not in INAPPLICABLE]


BOTH = [(*pair, how) for how in ("header", "query") for pair in runs(how)]


def context_of(folder: Path) -> tuple[dict, float]:
    context = json.loads((folder / "context.json").read_text())
    return context, float(timegm(strptime(context["timestamp"], "%Y-%m-%dT%H:%M:%SZ")))


@pytest.mark.parametrize(("version", "case", "how"), BOTH)
def test_signed_requests_verify(version: str, case: str, how: str):
    folder = need_suite() / version / case
    context, now = context_of(folder)
    request = read_request(folder / f"{how}-signed-request.txt")
    memo = SignatureMemo()
    secret = context["credentials"]["secret_access_key"]
    for _ in range(2):  # parsed, then remembered
        presented = read_credentials(request, memo)
        assert presented is not None
        assert presented.access_key == "AKIDEXAMPLE"
        assert (presented.timestamp, presented.service) == (now, "service")
        verify(presented, request, secret, now, memo, normalise=context["normalize"])
    token = context["credentials"].get("token")
    assert presented.session_token == token
    with pytest.raises(SignatureProblem, match="signature_mismatch"):
        verify(presented, request, secret + "x", now, memo, normalise=context["normalize"])


@pytest.mark.parametrize(("version", "case", "how"), BOTH)
def test_canonical_requests(version: str, case: str, how: str):
    folder = need_suite() / version / case
    context, _ = context_of(folder)
    request = read_request(folder / f"{how}-signed-request.txt")
    presented = read_credentials(request)
    assert presented is not None
    path = canonical_path if context["normalize"] else canonical_path_s3
    expected = (folder / f"{how}-canonical-request.txt").read_bytes()
    body_hash = expected.rpartition(b"\n")[2].decode()
    query = canonical_query(request.query, "x-amz-signature" if how == "query" else "")
    made = canonical_request(presented, request, path(request.path), query, body_hash)
    assert made == expected


@pytest.mark.parametrize("case", [name for version, name in runs("key") if version == "v4a"])
def test_v4a_public_keys(case: str):
    folder = need_suite() / "v4a" / case
    context, _ = context_of(folder)
    credentials = context["credentials"]
    key = derive_public_key(credentials["secret_access_key"], credentials["access_key_id"])
    numbers = key.public_numbers()
    expected = json.loads((folder / "public-key.json").read_text())
    assert (f"{numbers.x:064x}", f"{numbers.y:064x}") == (expected["X"], expected["Y"])
