"""Which credentials a request presents, and how: header or query, SigV4, SigV4a or S3's old SigV2.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-signing-elements.html
https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-query-string-auth.html
"""

from __future__ import annotations

import base64
import calendar
import hashlib
import re
from email.utils import parsedate_to_datetime
from typing import Literal, TypeAlias
from urllib.parse import unquote_plus

import msgspec

from serein.wire.http import HttpRequest
from serein.wire.sigv4.memo import CREDENTIAL_CHARS_MAX, CredentialScope, SignatureMemo
from serein.wire.sigv4.problems import SignatureProblem

V4 = "AWS4-HMAC-SHA256"
V4A = "AWS4-ECDSA-P256-SHA256"
V2 = "AWS-HMAC-SHA1"
EXPIRES_S_MAX = 604_800
UNSIGNED = "UNSIGNED-PAYLOAD"

KindOfCredentials: TypeAlias = Literal[
    "header", "query", "v4a-header", "v4a-query", "v2-header", "v2-query"
]


class Presented(msgspec.Struct):
    """The credentials of one request as presented; nothing about them is verified yet.

    `date`, `region` and `service` are of the credential scope (`region` of SigV4a is the region set, comma
    separated; all three are empty in SigV2, but for service "s3"). `timestamp` is epoch seconds and
    `timestamp_text` as sent. `expires_s` is None unless the query says how long it holds.
    `payload_sha256` is the declared x-amz-content-sha256 ("" when there is none).
    """

    kind: KindOfCredentials
    access_key: str
    date: str
    region: str
    service: str
    scope: str
    signed_headers: tuple[str, ...]
    signed_headers_text: str
    signature: str
    timestamp: float
    timestamp_text: str
    session_token: str | None
    expires_s: int | None
    payload_sha256: str

    @property
    def in_query(self) -> bool:
        """Whether the request is presigned."""
        return self.kind.endswith("query")


def read_credentials(request: HttpRequest, memo: SignatureMemo | None = None) -> Presented | None:
    """The credentials that `request` presents; None when it is anonymous.

    Raises SignatureProblem when they are malformed. `memo` saves parsing the same credential again.
    """
    authorization = request.headers.get("authorization")
    query = request.query
    if query and ("X-Amz-" in query or "AWSAccessKeyId=" in query or "x-amz-" in query):
        values = _query_values(query)
        in_query = (
            "x-amz-algorithm" in values
            or "x-amz-credential" in values
            or ("x-amz-signature" in values)
        )
        if in_query or "AWSAccessKeyId" in values:
            if authorization is not None:
                raise SignatureProblem("several_mechanisms", {"authorization": authorization})
            return _from_v4_query(request, values) if in_query else _from_v2_query(values)
    if authorization is None:
        return None
    if authorization.startswith("AWS4-"):
        return _from_v4_header(request, authorization, memo)
    if authorization.startswith("AWS "):
        return _from_v2_header(request, authorization)
    raise SignatureProblem("unsupported_authorization", _authorization_detail(authorization))


def parse_timestamp(text: str) -> float:
    """Epoch seconds of a `YYYYMMDD'T'HHMMSS'Z'` timestamp. Raises ValueError when it is not one."""
    if len(text) != 16 or text[8] != "T" or text[15] != "Z" or not text.isascii():
        raise ValueError(text)
    day, clock = text[:8], text[9:15]
    if not (day.isdigit() and clock.isdigit()):
        raise ValueError(text)
    hours, minutes, seconds = int(clock[:2]), int(clock[2:4]), int(clock[4:])
    if hours > 23 or minutes > 59 or seconds > 60:
        raise ValueError(text)
    return midnight_of(day) + hours * 3600 + minutes * 60 + seconds


def midnight_of(day: str) -> float:
    """Epoch seconds of the start of a `YYYYMMDD` day. Raises ValueError when there is no such day."""
    if len(day) != 8 or not (day.isascii() and day.isdigit()):
        raise ValueError(day)
    year, month, date = int(day[:4]), int(day[4:6]), int(day[6:])
    if not 1970 <= year <= 9999 or not 1 <= month <= 12:
        raise ValueError(day)
    if not 1 <= date <= calendar.monthrange(year, month)[1]:
        raise ValueError(day)
    return float(calendar.timegm((year, month, date, 0, 0, 0)))


def parse_scope(
    credential: str, *, has_region: bool, in_query: bool
) -> tuple[str, str, str, str, str]:
    """Access key, date, region, service and scope of a credential string. Raises SignatureProblem."""
    parts = credential.split("/")
    # An access key holds no slash, but what is not one must not shift the scope: count from the end.
    size = 5 if has_region else 4
    where = {"credential": credential, "where": "query" if in_query else "header"}
    if len(parts) < size or len(parts) > size:
        raise SignatureProblem("bad_credential", where | {"elements": str(size)})
    access_key, date = parts[0], parts[1]
    region, service = (parts[2], parts[3]) if has_region else ("", parts[2])
    if not access_key:
        raise SignatureProblem("empty_access_key", where)
    if parts[-1] != "aws4_request":
        raise SignatureProblem("bad_terminator", where | {"terminator": parts[-1]})
    if not service or (has_region and not region) or not date.isdigit():
        raise SignatureProblem("bad_credential", where | {"elements": str(size)})
    return access_key, date, region, service, credential[len(access_key) + 1 :]


def _from_v4_header(
    request: HttpRequest, authorization: str, memo: SignatureMemo | None
) -> Presented:
    head, found, signature = authorization.rpartition("Signature=")
    known = memo.credentials.entries.get(head) if memo is not None else None
    if known is None or not found:
        known, signature = _parse_authorization(authorization)
        last = found and signature == authorization[len(head) + 10 :]
        if memo is not None and last and len(head) <= CREDENTIAL_CHARS_MAX:
            memo.credentials.put(head, known)
    headers = request.headers
    date = headers.get("x-amz-date")
    timestamp = -1.0
    if date is not None and len(date) == 16 and date.startswith(known.date) and date[8] == "T":
        timestamp = _seconds_of_day(date, known.midnight)
    if timestamp < 0:
        date, timestamp = _header_time(request, authorization, known)
    assert date is not None
    return Presented(
        "header" if known.algorithm == V4 else "v4a-header",
        known.access_key,
        known.date,
        known.region or headers.get("x-amz-region-set", ""),
        known.service,
        known.scope,
        known.signed_headers,
        known.signed_headers_text,
        signature,
        timestamp,
        date,
        headers.get("x-amz-security-token"),
        None,
        headers.get("x-amz-content-sha256", ""),
    )


def _seconds_of_day(date: str, midnight: float) -> float:
    """The time of a timestamp whose day is known; -1 when its clock is no clock."""
    clock = date[9:15]
    if date[15] != "Z" or not (clock.isascii() and clock.isdigit()):
        return -1.0
    value = int(clock)
    hours, minutes, seconds = value // 10_000, value // 100 % 100, value % 100
    if hours > 23 or minutes > 59 or seconds > 60:
        return -1.0
    return midnight + hours * 3600 + minutes * 60 + seconds


def _parse_authorization(authorization: str) -> tuple[CredentialScope, str]:
    algorithm, _, rest = authorization.partition(" ")
    if algorithm not in (V4, V4A):
        raise SignatureProblem("unsupported_authorization", _authorization_detail(authorization))
    values: dict[str, str] = {}
    for pair in re.split(r"[, ]+", rest.strip(" ,")):
        name, equals, value = pair.partition("=")
        if not equals:
            raise SignatureProblem(
                "bad_pair", _authorization_detail(authorization) | {"pair": pair}
            )
        values[name] = value
    missing = [n for n in ("Credential", "Signature", "SignedHeaders") if not values.get(n)]
    if missing:
        detail = _authorization_detail(authorization)
        raise SignatureProblem("missing_components", detail | {"missing": " ".join(missing)})
    has_region = algorithm == V4
    parts = parse_scope(values["Credential"], has_region=has_region, in_query=False)
    access_key, date, region, service, scope = parts
    try:
        midnight = midnight_of(date)
    except ValueError:
        raise SignatureProblem(
            "bad_credential",
            {"credential": values["Credential"], "where": "header", "elements": "5"},
        ) from None
    text = values["SignedHeaders"]
    names = tuple(text.lower().split(";"))
    known = CredentialScope(
        access_key, date, region, service, scope, names, text.lower(), algorithm, midnight
    )
    return known, values["Signature"]


def _header_time(
    request: HttpRequest, authorization: str, known: CredentialScope
) -> tuple[str, float]:
    """The time of a header-signed request by X-Amz-Date or Date, agreeing with the credential's day."""
    text = request.headers.get("x-amz-date")
    if text is None:
        text = request.headers.get("date")
        if text is None:
            raise SignatureProblem("missing_date", _authorization_detail(authorization))
        if "," in text or " " in text:
            try:
                moment = parsedate_to_datetime(text)
            except (ValueError, TypeError, IndexError):
                raise SignatureProblem("bad_date", {"date": text}) from None
            text = moment.strftime("%Y%m%dT%H%M%SZ")
    try:
        timestamp = parse_timestamp(text)
    except ValueError:
        raise SignatureProblem("bad_date", {"date": text, "where": "header"}) from None
    _check_same_day(known.date, text, "header")
    return text, timestamp


def _check_same_day(date: str, timestamp_text: str, where: str) -> None:
    if timestamp_text[:8] != date:
        raise SignatureProblem(
            "credential_date_differs",
            {
                "date": date,
                "timestamp_date": timestamp_text[:8],
                "timestamp": timestamp_text,
                "where": where,
            },
        )


def _query_values(query: str) -> dict[str, str]:
    """Decoded query values; names of SigV4 in lower case, since AWS takes them in any."""
    values: dict[str, str] = {}
    for pair in query.split("&"):
        name, _, value = pair.partition("=")
        name = unquote_plus(name)
        lower = name.lower()
        values[lower if lower.startswith("x-amz-") else name] = unquote_plus(value)
    return values


def _from_v4_query(request: HttpRequest, values: dict[str, str]) -> Presented:
    algorithm = values.get("x-amz-algorithm")
    if algorithm is not None and algorithm not in (V4, V4A):
        raise SignatureProblem("query_algorithm", {"algorithm": algorithm})
    needed = ("credential", "date", "signature", "signedheaders")
    missing = [name for name in needed if not values.get("x-amz-" + name)]
    if algorithm is None:
        missing.append("algorithm")
    if missing:
        raise SignatureProblem("query_parameters_missing", {"missing": " ".join(sorted(missing))})
    credential = values["x-amz-credential"]
    parts = parse_scope(credential, has_region=algorithm == V4, in_query=True)
    access_key, date, region, service, scope = parts
    text = values["x-amz-date"]
    try:
        timestamp = parse_timestamp(text)
    except ValueError:
        raise SignatureProblem("bad_date", {"date": text, "where": "query"}) from None
    _check_same_day(date, text, "query")
    signed_text = values["x-amz-signedheaders"].lower()
    token = values.get("x-amz-security-token") or request.headers.get("x-amz-security-token")
    declared = request.headers.get("x-amz-content-sha256") or values.get("x-amz-content-sha256", "")
    return Presented(
        "query" if algorithm == V4 else "v4a-query",
        access_key,
        date,
        region or values.get("x-amz-region-set", ""),
        service,
        scope,
        tuple(signed_text.split(";")),
        signed_text,
        values["x-amz-signature"],
        timestamp,
        text,
        token,
        _expires_s(values.get("x-amz-expires"), service),
        declared,
    )


def _expires_s(text: str | None, service: str) -> int | None:
    """How long a presigned request holds; only S3 insists on being told."""
    if text is None:
        if service == "s3":
            raise SignatureProblem("query_parameters_missing", {"missing": "expires"})
        return None
    if not re.fullmatch(r"-?[0-9]{1,18}", text, re.ASCII):
        raise SignatureProblem("query_expires_not_number", {"expires": text})
    expires_s = int(text)
    if expires_s < 0:
        raise SignatureProblem("query_expires_negative", {"expires": text})
    if expires_s > EXPIRES_S_MAX:
        raise SignatureProblem("query_expires_too_long", {"expires": text})
    return expires_s


def _from_v2_query(values: dict[str, str]) -> Presented:
    """https://docs.aws.amazon.com/AmazonS3/latest/userguide/RESTAuthentication.html"""
    missing = [name for name in ("Signature", "Expires", "AWSAccessKeyId") if not values.get(name)]
    if missing:
        raise SignatureProblem("v2_parameters_missing", {"missing": " ".join(missing)})
    text = values["Expires"]
    if not re.fullmatch(r"[0-9]{1,15}", text, re.ASCII):
        raise SignatureProblem("v2_expires_not_number", {"expires": text})
    return _presented_v2(
        "v2-query",
        values["AWSAccessKeyId"],
        values["Signature"],
        float(text),
        text,
        values.get("x-amz-security-token"),
    )


def _from_v2_header(request: HttpRequest, authorization: str) -> Presented:
    access_key, colon, signature = authorization[4:].strip().partition(":")
    if not (access_key and colon and signature):
        raise SignatureProblem("unsupported_authorization", _authorization_detail(authorization))
    text = request.headers.get("x-amz-date") or request.headers.get("date", "")
    try:
        timestamp = parsedate_to_datetime(text).timestamp()
    except (ValueError, TypeError, IndexError):
        raise SignatureProblem("missing_date", _authorization_detail(authorization)) from None
    token = request.headers.get("x-amz-security-token")
    return _presented_v2("v2-header", access_key, signature, timestamp, text, token)


def _presented_v2(
    kind: Literal["v2-header", "v2-query"],
    access_key: str,
    signature: str,
    timestamp: float,
    text: str,
    token: str | None,
) -> Presented:
    return Presented(
        kind, access_key, "", "", "s3", "", (), "", signature, timestamp, text, token, None, ""
    )


def _authorization_detail(authorization: str) -> dict[str, str]:
    """AWS answers with a digest of the header, not with what may be a secret."""
    digest = hashlib.sha256(authorization.encode()).digest()
    return {
        "authorization": authorization,
        "authorization_hash": base64.b64encode(digest).decode(),
    }
