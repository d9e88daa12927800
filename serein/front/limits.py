"""What one server puts up with from its clients: every size, count and time has a bound."""

from __future__ import annotations

import msgspec


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """Bounds of the HTTP server. The defaults leave room for every AWS client's largest honest request."""

    uri_bytes_max: int = 16 * 1024
    """Longer targets are refused with 414."""
    header_bytes_max: int = 32 * 1024
    """All names and values of one head together; more is refused with 431."""
    header_count_max: int = 200
    buffered_body_bytes: int = 256 * 1024
    """Bodies of a known length up to this reach the handler as bytes, longer and chunked ones as an iterator."""
    body_bytes_max: int = 5 * 1024**3 + 64 * 1024**2
    """S3's largest single upload (5 GiB) with its aws-chunked framing; more is refused with 413."""
    body_queue_bytes: int = 512 * 1024
    """Body bytes received and not yet read by the handler; beyond, the client is not read from."""
    drain_bytes_max: int = 256 * 1024
    """An unread rest of a body up to this is read away to keep the connection; for more it is closed."""
    write_queue_bytes: int = 256 * 1024
    """Answer bytes not yet taken by the client; beyond, nothing further is produced for it."""
    connections_max: int = 10_000
    header_timeout_s: float = 15.0
    """From a head's first byte to its last; a slower client gets 408."""
    idle_timeout_s: float = 75.0
    """Between requests; then the connection is closed."""
    body_rate_min: float = 256.0
    """Bytes a second that a client must send of a body, measured over `body_window_s`; slower gets 408."""
    body_window_s: float = 15.0
    write_stall_s: float = 60.0
    """How long a client may take nothing of its answer before it is cut off."""
    linger_s: float = 2.0
    """How long a closing connection still swallows input, so that the answer is not lost to a reset."""
    handshake_timeout_s: float = 10.0
    tick_s: float = 1.0
    """Every connection's times are looked at once in this while (by one timer for all)."""
