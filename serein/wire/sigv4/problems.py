"""What can be wrong with a request's authentication, before anybody says it in a protocol's words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, TypeAlias

Kind: TypeAlias = Literal[
    # how credentials are presented
    "unsupported_authorization",
    "several_mechanisms",
    "missing_components",
    "bad_pair",
    "bad_credential",
    "empty_access_key",
    "bad_terminator",
    "credential_date_differs",
    "wrong_region",
    "wrong_service",
    "missing_date",
    "bad_date",
    "query_parameters_missing",
    "v2_parameters_missing",
    "query_algorithm",
    "query_expires_not_number",
    "query_expires_negative",
    "query_expires_too_long",
    "v2_expires_not_number",
    # time
    "signature_expired",
    "signature_not_yet_current",
    "request_expired",
    "request_not_yet_valid",
    # signature and payload
    "host_not_signed",
    "headers_not_signed",
    "content_sha256_missing",
    "content_sha256_invalid",
    "content_sha256_mismatch",
    "signature_mismatch",
    # who (raised by whoever knows the keys)
    "missing_authentication",
    "unknown_access_key",
    "inactive_access_key",
    "token_missing",
    "token_invalid",
    "token_expired",
    # streamed bodies
    "decoded_length_missing",
    "incomplete_body",
    "chunk_malformed",
    "chunk_too_small",
    "chunk_signature_mismatch",
    "trailer_malformed",
    "trailer_missing",
    "trailer_signature_mismatch",
]


class SignatureProblem(Exception):
    """A request's authentication failed: `kind` says how, `detail` holds the values for the words.

    `errors.aws_error` turns it into the answer of a protocol.
    """

    def __init__(self, kind: Kind, detail: Mapping[str, str] | None = None) -> None:
        super().__init__(kind)
        self.kind = kind
        self.detail: Mapping[str, str] = detail or {}

    def __str__(self) -> str:
        return f"{self.kind}: {dict(self.detail)}"
