"""The TLS context of a house: by the given certificate, or by one of its own that is made once."""

from __future__ import annotations

import ssl
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from serein.assembly.config import Config, StartFailure
from serein.base.later import later

if TYPE_CHECKING:
    from serein.front import certificates
else:
    certificates = later("serein.front.certificates")


def tls_context(config: Config, now: float) -> ssl.SSLContext:
    """The context that `config` asks for; `now` is the wall clock's. Raises StartFailure."""
    try:
        if config.tls_cert is not None and config.tls_key is not None:
            return certificates.server_context(config.tls_cert, config.tls_key)
        folder = config.data or Path(tempfile.mkdtemp(prefix="serein-"))
        names = certificates.host_names([config.region])
        return certificates.server_context(
            *certificates.kept_self_signed(folder / "tls", now, names)
        )
    except (OSError, ssl.SSLError) as error:
        raise StartFailure(f"The TLS certificate cannot be used: {error}") from error
