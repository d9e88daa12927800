"""What the commands that keep data have in common."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any, TypeVar

import click

from serein.assembly import blob_holders
from serein.kernel.missing_blobs import named_blobs
from serein.store.errors import StoreError
from serein.store.keeping.sources import is_in_use, look_into

T = TypeVar("T")
F = TypeVar("F", bound=Callable[..., Any])
DATA = Path(".serein")
ENDPOINT = "endpoint"
"""The file in a data directory that says where its server answers; it holds while the directory is locked."""


def data_option(function: F) -> F:
    """The `--data` option."""
    return click.option(
        "--data",
        type=click.Path(path_type=Path, file_okay=False),
        default=DATA,
        show_default=True,
        help="The data directory.",
    )(function)


@contextlib.contextmanager
def one_line() -> Iterator[None]:
    """What the store refuses, or the disk, in one line."""
    try:
        yield
    except StoreError as error:
        raise click.ClickException(str(error)) from error
    except OSError as error:
        where = f" ({error.filename})" if error.filename else ""
        raise click.ClickException(f"{error.strerror or error}{where}") from error


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run to its end; failures in one line."""
    with one_line():
        return asyncio.run(work)


def blobs_option(name: str, what: str) -> Callable[[F], F]:
    """An option for the bucket that a database's blobs are in."""
    return click.option(
        name, metavar="URL", help=f"The bucket of {what}, as for `serein up --blobs`."
    )


def leave_endpoint(data: Path | None, endpoint: str) -> None:
    """Leave word in a data directory of where its server answers."""
    if data is not None:
        with contextlib.suppress(OSError):
            (data / ENDPOINT).write_text(f"{endpoint}\n")


def endpoint_in(data: Path) -> str | None:
    """Where the server that owns a data directory answers; None when none does. Raises ClickException."""
    with one_line():
        if not is_in_use(data):
            return None
    try:
        found = (data / ENDPOINT).read_text().strip()
    except OSError:
        found = ""
    if not found.startswith("http"):
        raise click.ClickException(
            f"{data} is in use, and it is not known where its server answers: say it with --endpoint, or stop it."
        )
    return found


def address_of(data: Path, store: str | None) -> str:
    """The store that --data or --store names."""
    return store if store is not None else str(data)


def missing_blobs(directory: Path) -> list[str]:
    """The blobs that a data directory's records point at and that are not there."""
    holders = blob_holders()
    names = look_into(directory, lambda snapshot: {b for b, _ in named_blobs(snapshot, holders)})
    return [name for name in names if not (directory / "blobs" / name[:2] / name).is_file()]


def bytes_text(size: int) -> str:
    """A size for people: `12.3 MB`."""
    number = float(size)
    for unit in ("bytes", "kB", "MB", "GB"):
        if number < 1000:
            return f"{number:.0f} {unit}" if unit == "bytes" else f"{number:.1f} {unit}"
        number /= 1000
    return f"{number:.1f} TB"
