"""The one exception that becomes an answer on the wire."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Literal

Fault = Literal["client", "server"]


class AwsError(Exception):
    """An error that AWS's model knows: a caller gets `code`, `message` and `status`, in its protocol.

    Subclasses (generated into each service's `model.py`) set `code` and `status`; `AwsError` itself can be
    raised with `code=` for what no model names (for example `AccessDenied`).
    `fields` are further modelled members of the answer, for example `{"CancellationReasons": […]}`.
    """

    code: str = "InternalFailure"
    status: int = 400
    fault: Fault = "client"
    wire_code: ClassVar[str | None] = None
    hidden_without: object | None = None
    """The `kernel.operations.Need` without which nobody is told this: who may not list a bucket is refused, not told that
    a key is not there. The door asks."""

    def __init__(
        self,
        message: str = "",
        *,
        code: str | None = None,
        status: int | None = None,
        fields: Mapping[str, object] | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        if code is not None:
            self.code = code
        if status is not None:
            self.status = status
            self.fault = "server" if status >= 500 else "client"
        self.fields: Mapping[str, object] = fields or {}
        self.headers: Mapping[str, str] = {}
        """Further headers of the answer (S3's delete markers and ETags)."""

    def __str__(self) -> str:
        return f"{self.code}: {self.message}"
