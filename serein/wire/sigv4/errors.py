"""From what is wrong with a signature to AWS's code, words and status, per family of protocols.

https://docs.aws.amazon.com/IAM/latest/APIReference/CommonErrors.html
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Programming.Errors.html
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, TypeAlias

from serein.base.errors import AwsError
from serein.wire.sigv4.errors_s3 import QUERY_ROWS, S3_ROWS, Row
from serein.wire.sigv4.problems import Kind, SignatureProblem

Family: TypeAlias = Literal["s3", "query", "ec2", "rest-xml", "json", "rest-json"]
"""`json` is JSON 1.0/1.1 and CBOR over one path, whose refusals are 400; the REST ones answer 403."""

_MISMATCH = (
    "The request signature we calculated does not match the signature you provided. Check your AWS "
    "Secret Access Key and signing method. Consult the service documentation for details."
)
_CANONICAL = (
    "\n\nThe Canonical String for this request should have been\n'{canonical_request}'\n\n"
    "The String-to-Sign should have been\n'{string_to_sign}'\n"
)
_EXPIRED = "Signature expired: {timestamp} is now earlier than {bound} ({now} - 15 min.)"
_NOT_YET = "Signature not yet current: {timestamp} is still later than {bound} ({now} + 15 min.)"
_HASHED = "(Hashed with SHA-256 and encoded with Base64) Authorization={authorization_hash}"
_BAD_PAIR = (
    "Invalid key=value pair (missing equal-sign) in Authorization header (hashed with SHA-256 and "
    "encoded with Base64): '{authorization_hash}'."
)
_ELEMENTS = (
    "Credential must have exactly {elements} slash-delimited elements, e.g. "
    "keyid/date/region/service/term, got '{credential}'"
)
_INVALID_TOKEN = "The security token included in the request is invalid."
_EXPIRED_TOKEN = "The security token included in the request is expired"
_DATE_DIFFERS = (
    "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: "
    "'{date}' != '{timestamp_date}', from '{timestamp}'."
)
_QUERY_MISSING = (
    "AWS query-string parameters must include {missing}. Re-examine the query-string parameters."
)

_INCOMPLETE, _MISMATCHED, _UNKNOWN, _EXPIRED_CODE, _MISSING = range(5)
_CODES: Mapping[str, tuple[str, str, str, str, str]] = {
    "query": (
        "IncompleteSignature",
        "SignatureDoesNotMatch",
        "InvalidClientTokenId",
        "ExpiredToken",
        "MissingAuthenticationToken",
    ),
    "ec2": ("IncompleteSignature", "AuthFailure", "AuthFailure", "ExpiredToken", "AuthFailure"),
    "json": (
        "IncompleteSignatureException",
        "InvalidSignatureException",
        "UnrecognizedClientException",
        "ExpiredTokenException",
        "MissingAuthenticationTokenException",
    ),
}
_OTHERS: Mapping[Kind, tuple[int, str]] = {
    "unsupported_authorization": (_INCOMPLETE, _BAD_PAIR),
    "several_mechanisms": (
        _INCOMPLETE,
        "The request must carry its signature either in the Authorization header or in the query string.",
    ),
    "bad_pair": (_INCOMPLETE, _BAD_PAIR),
    "bad_credential": (_INCOMPLETE, _ELEMENTS),
    "empty_access_key": (_INCOMPLETE, "AWS Access Key ID must not be empty."),
    "bad_terminator": (
        _MISMATCHED,
        "Credential should be scoped with a valid terminator: 'aws4_request', not '{terminator}'.",
    ),
    "credential_date_differs": (_MISMATCHED, _DATE_DIFFERS),
    "wrong_region": (_MISMATCHED, "Credential should be scoped to a valid region."),
    "wrong_service": (_MISMATCHED, "Credential should be scoped to correct service: '{expected}'."),
    "missing_date": (
        _INCOMPLETE,
        "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header. "
        + _HASHED,
    ),
    "bad_date": (
        _INCOMPLETE,
        "Date must be in ISO-8601 'basic format'. Got '{date}'. See http://en.wikipedia.org/wiki/ISO_8601",
    ),
    "query_parameters_missing": (_INCOMPLETE, _QUERY_MISSING),
    "v2_parameters_missing": (_INCOMPLETE, _QUERY_MISSING),
    "query_algorithm": (_INCOMPLETE, "Unsupported AWS 'algorithm': '{algorithm}'."),
    "query_expires_not_number": (_INCOMPLETE, "X-Amz-Expires should be a number"),
    "query_expires_negative": (_INCOMPLETE, "X-Amz-Expires must be non-negative"),
    "query_expires_too_long": (
        _INCOMPLETE,
        "X-Amz-Expires must be less than a week (in seconds); that is, the given X-Amz-Expires must "
        "be less than 604800 seconds",
    ),
    "signature_expired": (_MISMATCHED, _EXPIRED),
    "signature_not_yet_current": (_MISMATCHED, _NOT_YET),
    "request_expired": (
        _MISMATCHED,
        "Signature expired: {timestamp} is now earlier than {bound} ({now} - {expires_s} sec.)",
    ),
    "request_not_yet_valid": (_MISMATCHED, _NOT_YET),
    "host_not_signed": (
        _MISMATCHED,
        "'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization.",
    ),
    "headers_not_signed": (
        _MISMATCHED,
        "'{headers}' must be a 'SignedHeader' in the AWS Authorization.",
    ),
    "signature_mismatch": (_MISMATCHED, _MISMATCH),
    "missing_authentication": (_MISSING, "Missing Authentication Token"),
    "unknown_access_key": (_UNKNOWN, _INVALID_TOKEN),
    "inactive_access_key": (_UNKNOWN, _INVALID_TOKEN),
    "token_missing": (_UNKNOWN, _INVALID_TOKEN),
    "token_invalid": (_UNKNOWN, _INVALID_TOKEN),
    "token_expired": (_EXPIRED_CODE, _EXPIRED_TOKEN),
}


def aws_error(problem: SignatureProblem, family: Family) -> AwsError:
    """The answer that AWS gives to `problem` in a protocol of `family`."""
    if family == "s3":
        return _s3_error(problem)
    kind, detail = problem.kind, problem.detail
    is_json = family in ("json", "rest-json")
    codes = _CODES["json" if is_json else "ec2" if family == "ec2" else "query"]
    if kind == "missing_components":
        index, message = _INCOMPLETE, _missing_components(detail)
    elif kind in _OTHERS:
        index, message = _OTHERS[kind]
    else:
        # Streamed bodies and their digests are S3's alone.
        return _s3_error(problem)
    if kind == "signature_mismatch" and is_json and "canonical_request" in detail:
        message += _CANONICAL
    if kind == "missing_authentication" and not is_json:
        message = "Request is missing Authentication Token"
    status = 403
    if family == "json" or index == _INCOMPLETE:
        status = 403 if family == "rest-json" else 400
    elif family == "ec2" and index != _EXPIRED_CODE:
        status = 401
    return AwsError(message.format_map(_Blank(detail)), code=codes[index], status=status)


class _Blank(dict[str, str]):
    """A detail that was not given is said as nothing."""

    def __missing__(self, key: str) -> str:
        return ""


def _missing_components(detail: Mapping[str, str]) -> str:
    missing = detail.get("missing", "").split()
    said = "".join(f"Authorization header requires '{name}' parameter. " for name in missing)
    return said + _HASHED


def _s3_error(problem: SignatureProblem) -> AwsError:
    detail = _Blank(problem.detail)
    detail["skew_ms"] = "900000"
    for name in ("string_to_sign", "canonical_request"):
        if name in detail:
            detail[name + "_bytes"] = detail[name].encode().hex(" ")
    row: Row = S3_ROWS[problem.kind]
    if detail["where"] == "query":
        row = QUERY_ROWS.get(problem.kind, row)
    fields: dict[str, object] = {}
    for member, source in row.fields:
        value = source[1:] if source.startswith("=") else detail.get(source)
        if value is not None:
            fields[member] = value
    return AwsError(row.message.format_map(detail), code=row.code, status=row.status, fields=fields)
