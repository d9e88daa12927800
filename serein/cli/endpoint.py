"""Where Serein listens, as an option of every client command."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar
from urllib.parse import urlsplit

import click

DEFAULT_ENDPOINT = "http://127.0.0.1:4566"
F = TypeVar("F", bound=Callable[..., Any])


def _checked(ctx: click.Context, param: click.Parameter, value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise click.BadParameter(f"{value!r} is no URL such as {DEFAULT_ENDPOINT}.")
    return value.rstrip("/")


def endpoint_option(function: F) -> F:
    """The `--endpoint` option that every client command has."""
    return click.option(
        "--endpoint",
        envvar="AWS_ENDPOINT_URL",
        default=DEFAULT_ENDPOINT,
        show_default=True,
        callback=_checked,
        help="Where Serein listens.",
    )(function)
