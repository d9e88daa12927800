"""Where Serein listens, as an option of every client command."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

DEFAULT_ENDPOINT = "http://127.0.0.1:4566"
F = TypeVar("F", bound=Callable[..., Any])


def endpoint_option(function: F) -> F:
    """The `--endpoint` option that every client command has."""
    return click.option(
        "--endpoint",
        envvar="AWS_ENDPOINT_URL",
        default=DEFAULT_ENDPOINT,
        show_default=True,
        help="Where Serein listens.",
    )(function)
