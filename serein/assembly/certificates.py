"""The TLS context of a house: by the given certificate, or by one of its own that is made once."""

from __future__ import annotations

import ssl
import tempfile
from pathlib import Path

from serein.assembly.config import Config, StartFailure
from serein.front.tls import host_names, kept_self_signed, server_context


def tls_context(config: Config, now: float) -> ssl.SSLContext:
    """The context that `config` asks for; `now` is the wall clock's. Raises StartFailure."""
    try:
        if config.tls_cert is not None and config.tls_key is not None:
            return server_context(config.tls_cert, config.tls_key)
        folder = config.data or Path(tempfile.mkdtemp(prefix="serein-"))
        return server_context(*kept_self_signed(folder / "tls", now, host_names([config.region])))
    except (OSError, ssl.SSLError) as error:
        raise StartFailure(f"The TLS certificate cannot be used: {error}") from error
