"""Where the database is: `postgresql://user@host/database?…`, with Serein's own settings taken out of it."""

from __future__ import annotations

from urllib.parse import SplitResult, parse_qsl, quote, urlencode, urlsplit

import msgspec
from psycopg import pq
from psycopg.errors import Error as PsycopgError

from serein.store.errors import StoreError

SCHEMES = ("postgresql", "postgres")
SCHEMA_DEFAULT = "serein"
CONNECTIONS_DEFAULT = 10
CONNECTIONS_MIN = 4
CONNECTIONS_MAX = 200
LIBPQ_DEFAULTS = {
    "connect_timeout": "5",
    "keepalives_idle": "10",
    "keepalives_interval": "3",
    "keepalives_count": "3",
    "tcp_user_timeout": "15000",
    "target_session_attrs": "read-write",
    "application_name": "serein",
}
"""What is not said in the address, and differs from libpq's own: a dead server is noticed within seconds."""


class Address(msgspec.Struct, frozen=True):
    """A parsed address. `shown` is what may be logged: it has no password."""

    conninfo: str
    shown: str
    schema: str
    connections_max: int
    format_most: int | None = None
    """The newest format that this node may use, or raise the database to; None: the newest it knows."""
    listens: bool = True
    """Whether LISTEN/NOTIFY may be used; otherwise nodes look by themselves."""


def parse_address(url: str) -> Address:
    """The address in `url`. Raises StoreError with words for the user, never with the password.

    Serein's own settings, in the query: `serein_schema` (default "serein"), `serein_connections` (how many connections
    one node opens, default 10), `serein_format` (the newest format that may be used: holds a newer Serein back while the way
    back to an older one is to stay open), `serein_listen` (on, off: whether nodes wake each other by LISTEN/NOTIFY). All else is libpq's: https://www.postgresql.org/docs/current/libpq-connect.html
    """
    try:
        parts = urlsplit(url)
        pairs = parse_qsl(parts.query, keep_blank_values=True)
    except ValueError as error:
        raise StoreError(f"--store: not an address ({error})") from None
    if parts.scheme not in SCHEMES:
        raise StoreError(
            f"--store wants postgresql://user@host/database, not {parts.scheme or 'a bare name'}"
        )
    own = {name: value for name, value in pairs if name.startswith("serein_")}
    given = [(name, value) for name, value in pairs if not name.startswith("serein_")]
    names = {name for name, _ in given}
    more = [(name, value) for name, value in LIBPQ_DEFAULTS.items() if name not in names]
    conninfo = _join(parts, parts.netloc, given + more)
    try:
        pq.Conninfo.parse(conninfo.encode())
    except PsycopgError as error:
        text = " ".join(str(error).split())
        if parts.password:
            text = text.replace(parts.password, "***")
        raise StoreError(f"--store: {text}") from None
    shown = [(name, value) for name, value in given if name not in ("password", "sslpassword")]
    user = f"{parts.username}@" if parts.username else ""
    host = parts.netloc.rpartition("@")[2]
    return Address(
        conninfo=conninfo,
        shown=_join(parts, user + host, shown),
        listens=_switch("serein_listen", own.pop("serein_listen", "on")),
        format_most=_format(own.pop("serein_format", None)),
        schema=_schema(own.pop("serein_schema", SCHEMA_DEFAULT)),
        connections_max=_connections(own.pop("serein_connections", str(CONNECTIONS_DEFAULT)), own),
    )


def _join(parts: SplitResult, netloc: str, pairs: list[tuple[str, str]]) -> str:
    # Not urlunsplit, which drops the slashes of an empty host, nor "+" for a space: libpq does not know either.
    query = f"?{urlencode(pairs, quote_via=quote)}" if pairs else ""
    return f"{parts.scheme}://{netloc}{parts.path}{query}"


def _schema(name: str) -> str:
    if not (name.isascii() and name.replace("_", "").isalnum() and name[:1].isalpha()) or (
        len(name) > 60 or name != name.lower() or name.startswith("pg_")
    ):
        raise StoreError(
            f"--store: serein_schema wants lower-case letters, digits and _, not {name!r}"
        )
    return name


def _switch(name: str, text: str) -> bool:
    if text not in ("on", "off"):
        raise StoreError(f"--store: {name} wants on or off, not {text!r}")
    return text == "on"


def _format(text: str | None) -> int | None:
    if text is not None and not (text.isdigit() and 1 <= int(text) <= 1000):
        raise StoreError(f"--store: serein_format wants a number from 1, not {text!r}")
    return None if text is None else int(text)


def _connections(text: str, unknown: dict[str, str]) -> int:
    if unknown:
        raise StoreError(f"--store: unknown setting {next(iter(unknown))}")
    if not text.isdigit() or not CONNECTIONS_MIN <= int(text) <= CONNECTIONS_MAX:
        raise StoreError(
            f"--store: serein_connections wants {CONNECTIONS_MIN} to {CONNECTIONS_MAX}, not {text!r}"
        )
    return int(text)
