"""The data plane's own answers: errors in API Gateway's words, as JSON."""

from __future__ import annotations

import orjson

from serein.wire.http import HeaderList, HttpResponse


class Refused(Exception):
    """The request ends here, with this answer."""

    def __init__(self, status: int, message: str, headers: HeaderList | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.headers = headers or []

    def response(self) -> HttpResponse:
        """The answer to the client."""
        return HttpResponse(
            self.status,
            [("Content-Type", "application/json"), *self.headers],
            orjson.dumps({"message": self.message}),
        )


def not_found() -> Refused:
    return Refused(404, "Not Found")


def unauthorized(headers: HeaderList | None = None) -> Refused:
    return Refused(401, "Unauthorized", headers)


def forbidden(headers: HeaderList | None = None) -> Refused:
    return Refused(403, "Forbidden", headers)


def too_large() -> Refused:
    return Refused(413, "Request Entity Too Large")


def broken() -> Refused:
    """The integration or authorizer cannot be used, or answered something unusable."""
    return Refused(500, "Internal Server Error")


def unavailable() -> Refused:
    """The integration did not answer in time, or takes no more."""
    return Refused(503, "Service Unavailable")


def not_built() -> Refused:
    """A request to the management API of REST APIs."""
    return Refused(
        501,
        "Serein has not implemented apigateway (REST APIs) yet.",
        [("x-amzn-errortype", "NotImplemented")],
    )
