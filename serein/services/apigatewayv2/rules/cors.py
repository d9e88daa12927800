"""Cross-origin answers of an HTTP API.

https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-cors.html
"""

from __future__ import annotations

from collections.abc import Iterable
from fnmatch import fnmatchcase

from serein.services.apigatewayv2.records import Cors
from serein.wire.http import HeaderList

ANSWERED = frozenset(
    (
        "access-control-allow-origin",
        "access-control-allow-credentials",
        "access-control-allow-headers",
        "access-control-allow-methods",
        "access-control-expose-headers",
        "access-control-max-age",
    )
)


def is_preflight(method: str, headers: dict[str, str]) -> bool:
    """Whether a browser asks for permission before the request itself."""
    return (
        method == "OPTIONS" and "origin" in headers and "access-control-request-method" in headers
    )


def _allowed_origin(cors: Cors, origin: str) -> str | None:
    """What Access-Control-Allow-Origin says to `origin`; None: nothing."""
    if "*" in cors.allow_origins:
        return "*"
    lower = origin.lower()
    for allowed in cors.allow_origins:
        pattern = allowed.lower()
        if pattern == lower or ("*" in pattern and fnmatchcase(lower, pattern)):
            return origin
    return None


def preflight_headers(cors: Cors, headers: dict[str, str]) -> HeaderList:
    """The headers of the answer to a preflight; none when the origin is not allowed."""
    origin = _allowed_origin(cors, headers["origin"])
    if origin is None:
        return []
    answer: HeaderList = [("access-control-allow-origin", origin)]
    if cors.allow_methods:
        answer.append(("access-control-allow-methods", ",".join(cors.allow_methods)))
    if cors.allow_headers:
        answer.append(("access-control-allow-headers", ",".join(cors.allow_headers)))
    if cors.allow_credentials:
        answer.append(("access-control-allow-credentials", "true"))
    if cors.max_age:
        answer.append(("access-control-max-age", str(cors.max_age)))
    return answer


def answer_headers(cors: Cors, origin: str) -> HeaderList:
    """What is added to the answer of a cross-origin request."""
    allowed = _allowed_origin(cors, origin)
    if allowed is None:
        return []
    answer: HeaderList = [("access-control-allow-origin", allowed)]
    if cors.allow_credentials:
        answer.append(("access-control-allow-credentials", "true"))
    if cors.expose_headers:
        answer.append(("access-control-expose-headers", ",".join(cors.expose_headers)))
    return answer


def without_cors(headers: Iterable[tuple[str, str]]) -> HeaderList:
    """An integration's headers without its own cross-origin ones: API Gateway ignores those."""
    return [pair for pair in headers if pair[0].lower() not in ANSWERED]
