"""S3's words for what is wrong with a signature.

https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from serein.wire.sigv4.problems import Kind


class Row(msgspec.Struct, frozen=True):
    """One answer. `message` is a format string over the problem's detail; `fields` are (member of the
    answer, name of the detail or "=" and a constant)."""

    code: str
    status: int
    message: str
    fields: tuple[tuple[str, str], ...] = ()


_MALFORMED = "The authorization header is malformed; "
_EXPECTING = 'expecting "<YOUR-AKID>/YYYYMMDD/REGION/SERVICE/aws4_request".'
_QUERY_CREDENTIAL = (
    "Error parsing the X-Amz-Credential parameter; the Credential is mal-formed; " + _EXPECTING
)
_V4_QUERY = (
    "Query-string authentication version 4 requires the X-Amz-Algorithm, X-Amz-Credential, "
    "X-Amz-Signature, X-Amz-Date, X-Amz-SignedHeaders, and X-Amz-Expires parameters."
)
_SHA256_VALUES = (
    "x-amz-content-sha256 must be UNSIGNED-PAYLOAD, STREAMING-UNSIGNED-PAYLOAD-TRAILER, "
    "STREAMING-AWS4-HMAC-SHA256-PAYLOAD, STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER, "
    "STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD, STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD-TRAILER "
    "or a valid sha256 value."
)
_COMPONENTS = Row(
    "AuthorizationHeaderMalformed",
    400,
    _MALFORMED
    + "the authorization header requires three components: Credential, SignedHeaders, and "
    "Signature.",
)
_BAD_CREDENTIAL = Row(
    "AuthorizationHeaderMalformed",
    400,
    _MALFORMED + "the Credential is mal-formed; " + _EXPECTING,
)
_BAD_DATE = Row(
    "AccessDenied", 403, "AWS authentication requires a valid Date or x-amz-date header"
)
_S3_MISMATCH = Row(
    "SignatureDoesNotMatch",
    403,
    "The request signature we calculated does not match the signature you provided. Check your key "
    "and signing method.",
    (
        ("AWSAccessKeyId", "access_key"),
        ("StringToSign", "string_to_sign"),
        ("SignatureProvided", "signature"),
        ("StringToSignBytes", "string_to_sign_bytes"),
        ("CanonicalRequest", "canonical_request"),
        ("CanonicalRequestBytes", "canonical_request_bytes"),
    ),
)
_S3_SKEWED = Row(
    "RequestTimeTooSkewed",
    403,
    "The difference between the request time and the current time is too large.",
    (
        ("RequestTime", "timestamp"),
        ("ServerTime", "server_time"),
        ("MaxAllowedSkewMilliseconds", "skew_ms"),
    ),
)
_S3_UNKNOWN_KEY = Row(
    "InvalidAccessKeyId",
    403,
    "The AWS Access Key Id you provided does not exist in our records.",
    (("AWSAccessKeyId", "access_key"),),
)
_QUERY_ERROR = "AuthorizationQueryParametersError"
_INCOMPLETE = Row("IncompleteBody", 400, "The request body terminated unexpectedly")

S3_ROWS: Mapping[Kind, Row] = {
    "unsupported_authorization": Row(
        "InvalidArgument",
        400,
        "Unsupported Authorization Type",
        (("ArgumentName", "=Authorization"), ("ArgumentValue", "authorization")),
    ),
    "several_mechanisms": Row(
        "InvalidArgument",
        400,
        "Only one auth mechanism allowed; only the X-Amz-Algorithm query parameter, Signature query "
        "string parameter or the Authorization header should be specified",
        (("ArgumentName", "=Authorization"), ("ArgumentValue", "authorization")),
    ),
    "missing_components": _COMPONENTS,
    "bad_pair": _COMPONENTS,
    "bad_credential": _BAD_CREDENTIAL,
    "bad_terminator": _BAD_CREDENTIAL,
    "empty_access_key": Row(
        "AuthorizationHeaderMalformed",
        400,
        _MALFORMED + "a non-empty Access Key (AKID) must be provided in the credential.",
    ),
    "credential_date_differs": Row(
        "AuthorizationHeaderMalformed",
        400,
        _MALFORMED + 'Invalid credential date "{date}". This date is not the same as X-Amz-Date: '
        '"{timestamp_date}".',
    ),
    "wrong_region": Row(
        "AuthorizationHeaderMalformed",
        400,
        _MALFORMED + "the region '{region}' is wrong; expecting '{expected}'",
        (("Region", "expected"),),
    ),
    "wrong_service": Row(
        "AuthorizationHeaderMalformed",
        400,
        _MALFORMED + 'incorrect service "{service}". This endpoint belongs to "{expected}".',
    ),
    "missing_date": _BAD_DATE,
    "bad_date": _BAD_DATE,
    "v2_parameters_missing": Row(
        "AccessDenied",
        403,
        "Query-string authentication requires the Signature, Expires and AWSAccessKeyId parameters",
    ),
    "query_parameters_missing": Row(_QUERY_ERROR, 400, _V4_QUERY),
    "query_algorithm": Row(
        _QUERY_ERROR,
        400,
        'X-Amz-Algorithm only supports "AWS4-HMAC-SHA256 and AWS4-ECDSA-P256-SHA256"',
    ),
    "query_expires_not_number": Row(_QUERY_ERROR, 400, "X-Amz-Expires should be a number"),
    "query_expires_negative": Row(_QUERY_ERROR, 400, "X-Amz-Expires must be non-negative"),
    "query_expires_too_long": Row(
        _QUERY_ERROR,
        400,
        "X-Amz-Expires must be less than a week (in seconds); that is, the given X-Amz-Expires must "
        "be less than 604800 seconds",
    ),
    "v2_expires_not_number": Row(
        "AccessDenied", 403, "Invalid date (should be seconds since epoch): {expires}"
    ),
    "signature_expired": _S3_SKEWED,
    "signature_not_yet_current": _S3_SKEWED,
    "request_expired": Row(
        "AccessDenied",
        403,
        "Request has expired",
        (("X-Amz-Expires", "expires_s"), ("Expires", "expires"), ("ServerTime", "server_time")),
    ),
    "request_not_yet_valid": Row(
        "AccessDenied",
        403,
        "Request is not yet valid",
        (("X-Amz-Date", "timestamp_ms"), ("Expires", "expires"), ("ServerTime", "server_time")),
    ),
    "host_not_signed": Row(
        "AccessDenied",
        403,
        "There were headers present in the request which were not signed",
        (("HeadersNotSigned", "=host"),),
    ),
    "headers_not_signed": Row(
        "AccessDenied",
        403,
        "There were headers present in the request which were not signed",
        (("HeadersNotSigned", "headers"),),
    ),
    "content_sha256_missing": Row(
        "InvalidRequest", 400, "Missing required header for this request: x-amz-content-sha256"
    ),
    "content_sha256_invalid": Row(
        "InvalidArgument",
        400,
        _SHA256_VALUES,
        (("ArgumentName", "=x-amz-content-sha256"), ("ArgumentValue", "value")),
    ),
    "content_sha256_mismatch": Row(
        "XAmzContentSHA256Mismatch",
        400,
        "The provided 'x-amz-content-sha256' header does not match what was computed.",
        (("ClientComputedContentSHA256", "declared"), ("S3ComputedContentSHA256", "computed")),
    ),
    "signature_mismatch": _S3_MISMATCH,
    "missing_authentication": Row("AccessDenied", 403, "Access Denied"),
    "unknown_access_key": _S3_UNKNOWN_KEY,
    "inactive_access_key": _S3_UNKNOWN_KEY,
    "token_missing": _S3_UNKNOWN_KEY,
    "token_invalid": Row(
        "InvalidToken",
        400,
        "The provided token is malformed or otherwise invalid.",
        (("Token-0", "token"),),
    ),
    "token_expired": Row(
        "ExpiredToken", 400, "The provided token has expired.", (("Token-0", "token"),)
    ),
    "decoded_length_missing": Row(
        "MissingContentLength", 411, "You must provide the Content-Length HTTP header."
    ),
    "incomplete_body": _INCOMPLETE,
    "chunk_malformed": _INCOMPLETE,
    "chunk_too_small": Row(
        "InvalidChunkSizeError",
        403,
        "Only the last chunk is allowed to have a size less than 8192 bytes",
    ),
    "chunk_signature_mismatch": _S3_MISMATCH,
    "trailer_signature_mismatch": _S3_MISMATCH,
    "trailer_malformed": Row(
        "MalformedTrailerError",
        400,
        "The request contained trailing data that was not well-formed or did not conform to our "
        "published schema.",
    ),
    "trailer_missing": Row(
        "MalformedTrailerError",
        400,
        "The request contained trailing data that was not well-formed or did not conform to our "
        "published schema.",
    ),
}
QUERY_ROWS: Mapping[Kind, Row] = {
    "bad_credential": Row(_QUERY_ERROR, 400, _QUERY_CREDENTIAL),
    "bad_terminator": Row(_QUERY_ERROR, 400, _QUERY_CREDENTIAL),
    "empty_access_key": Row(
        _QUERY_ERROR,
        400,
        "Error parsing the X-Amz-Credential parameter; a non-empty Access Key (AKID) must be provided "
        "in the credential.",
    ),
    "credential_date_differs": Row(
        _QUERY_ERROR,
        400,
        'Error parsing the X-Amz-Credential parameter; Invalid credential date "{date}". This date is '
        'not the same as X-Amz-Date: "{timestamp_date}".',
    ),
    "wrong_region": Row(
        _QUERY_ERROR,
        400,
        "Error parsing the X-Amz-Credential parameter; the region '{region}' is wrong; expecting "
        "'{expected}'",
        (("Region", "expected"),),
    ),
    "wrong_service": Row(
        _QUERY_ERROR,
        400,
        'Error parsing the X-Amz-Credential parameter; incorrect service "{service}". This endpoint '
        'belongs to "{expected}".',
    ),
    "bad_date": Row(
        _QUERY_ERROR,
        400,
        "X-Amz-Date must be in the ISO8601 Long Format \"yyyyMMdd'T'HHmmss'Z'\"",
    ),
}
"""What is said otherwise when the credentials are in the query."""
