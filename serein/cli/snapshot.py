"""`serein snapshot`: states of a data directory under names, on this machine."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
import msgspec
from rich.console import Console
from rich.table import Table

from serein.cli.house import ask_house
from serein.cli.keeping import F, bytes_text, data_option, endpoint_in, missing_blobs, one_line
from serein.cli.record_words import BESIDE, Said, Words, joined
from serein.store.interface import Snapshot
from serein.store.keeping import restoring, snapshots
from serein.store.keeping.differences import Change, differences
from serein.store.keeping.sources import look_into

PATH = "/_serein/snapshots"
RESTORE_S_MAX = 3600.0
"""A large store is copied first, where the file system cannot share."""
NO_SNAPSHOTS = (
    "Snapshots are of data directories. Of a PostgreSQL database `serein backup VAULT --store URL` keeps a state, "
    "`serein restore VAULT --store URL` brings one back into an empty database, and `serein store copy URL DIRECTORY` "
    "branches one off; its own point-in-time recovery goes back to any moment."
)
SHOWN_MAX = 200
CHANGES_MAX = 100_000


@click.group("snapshot")
def command() -> None:
    """Keep states of the data directory under names, go back to them, branch from them, see what has changed.

    All of it while Serein runs. A snapshot is one consistent state; blobs (the bytes of objects, code archives) are shared and cost nothing. Snapshots lie in
    the data directory: they guard against mistakes, not against a broken disk (for that: `serein backup`).

    \b
      serein snapshot save before-the-migration
      serein snapshot diff before-the-migration      what has changed since
      serein snapshot restore before-the-migration   clients wait for a moment; the present is kept as a snapshot, too
      serein snapshot branch before-the-migration /tmp/try && serein up --data /tmp/try --port 4570

    Of a server without a data directory (--ephemeral): say where it is with --endpoint. A database (--store) has its own ways.
    """


def where_options(function: F) -> F:
    """The options that say whose snapshots are meant."""
    function = click.option("--store", metavar="URL", help="A database: see `serein backup`.")(
        function
    )
    function = click.option(
        "--endpoint", help="A running server, where it is not known by its data directory."
    )(function)
    return data_option(function)


class Place:
    """Whose snapshots are meant: a data directory's, or those that a server in memory keeps. Raises ClickException."""

    def __init__(self, data: Path, endpoint: str | None, store: str | None) -> None:
        if store is not None:
            raise click.ClickException(NO_SNAPSHOTS)
        self.data: Path | None = data
        self.endpoint = endpoint
        if endpoint is not None:
            told = ask_house(endpoint, "GET", PATH)["data"]
            self.data = None if told is None else Path(told)

    @property
    def folder(self) -> Path:
        """The data directory."""
        if self.data is None:
            raise click.ClickException(
                f"The server at {self.endpoint} keeps everything in memory: it can save, list, restore and delete; "
                "diff and branch are for data directories."
            )
        return self.data

    def server(self) -> str | None:
        """Where its server answers, if there is one."""
        return self.endpoint if self.data is None or self.endpoint else endpoint_in(self.data)

    def ask(self, params: dict[str, Any], timeout_s: float = 60.0) -> dict[str, Any]:
        """Have the server do something."""
        server = self.server()
        assert server is not None
        return ask_house(server, "POST", PATH, params, timeout_s=timeout_s)


@command.command("save")
@click.argument("name")
@where_options
def save(name: str, data: Path, endpoint: str | None, store: str | None) -> None:
    """Keep the present state as NAME; Serein may be running."""
    started = time.perf_counter()
    place = Place(data, endpoint, store)
    if place.data is None:
        place.ask({"save": name})
        click.echo(f"Saved {name} in the memory of {endpoint}: it is gone when that ends.")
        return
    with one_line():
        about = snapshots.save(place.data, name, time.time(), missing_blobs)
    took_s = time.perf_counter() - started
    how = "shared" if about.shared else "copied"
    click.echo(
        f"Saved {name} in {took_s:.2f} s: tables {bytes_text(about.table_bytes)} ({how}), "
        f"{about.blobs} blobs {bytes_text(about.blob_bytes)} (shared)."
    )


@command.command("list")
@where_options
def list_(data: Path, endpoint: str | None, store: str | None) -> None:
    """Say which snapshots there are, the oldest first."""
    place = Place(data, endpoint, store)
    if place.data is None:
        assert endpoint is not None
        told = ask_house(endpoint, "GET", PATH)["snapshots"]
        found = [msgspec.convert(one, snapshots.About) for one in told]
    else:
        found = snapshots.list_snapshots(place.data)
    if not found:
        click.echo(f"There are no snapshots of {place.data or endpoint}.")
        return
    table = Table(box=None, pad_edge=False)
    for title in ("Name", "Taken", "Tables", "Blobs"):
        table.add_column(title)
    for about in found:
        taken = datetime.fromtimestamp(about.taken_at, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
        blobs = f"{about.blobs}, {bytes_text(about.blob_bytes)}"
        table.add_row(about.name, taken, bytes_text(about.table_bytes), blobs)
    Console(soft_wrap=True).print(table)


@command.command("restore")
@click.argument("name")
@where_options
@click.option(
    "--keep-as", help="The name under which the present is kept. [default: before-restore-…]"
)
def restore(
    name: str, data: Path, endpoint: str | None, store: str | None, keep_as: str | None
) -> None:
    """Go back to the state NAME, also while Serein runs; the present state is kept as a snapshot.

    Clients of a running server wait for a moment; a request that is not done within half a second is refused (503), and SDKs repeat
    it. The server's own credentials are asked for as by the API (`--auth strict`: the root user's, or an administrator's).
    """
    place = Place(data, endpoint, store)
    if place.server() is not None:
        asked = {"restore": name} if keep_as is None else {"restore": name, "keep_as": keep_as}
        told = place.ask(asked, RESTORE_S_MAX)
        click.echo(
            f"{place.data or endpoint} is as it was at {name}; clients waited for {told['paused_s']:.2f} s. "
            f"What it was until now is kept as {told['kept_as']}."
        )
        return
    now = time.time()
    taken = [about.name for about in snapshots.list_snapshots(place.folder)]
    kept = keep_as or snapshots.name_for_the_present(now, taken)
    with one_line():
        restoring.restore(place.folder, name, now, kept)
    click.echo(f"{data} is as it was at {name}. What it was until now is kept as {kept}.")


@command.command("branch")
@click.argument("name")
@click.argument("target", type=click.Path(path_type=Path))
@where_options
def branch(name: str, target: Path, data: Path, endpoint: str | None, store: str | None) -> None:
    """Make a data directory TARGET of its own that begins as the snapshot NAME."""
    folder = Place(data, endpoint, store).folder
    with one_line():
        snapshots.branch(folder, name, target)
    click.echo(f"Start it beside the other one: serein up --data {target} --port 4570")


@command.command("delete")
@click.argument("name")
@where_options
def delete(name: str, data: Path, endpoint: str | None, store: str | None) -> None:
    """Forget the snapshot NAME."""
    place = Place(data, endpoint, store)
    if place.data is None:
        place.ask({"delete": name})
    else:
        with one_line():
            snapshots.delete(place.data, name)
    click.echo(f"Deleted {name}.")


@command.command("diff")
@click.argument("name")
@click.argument("other", required=False)
@where_options
@click.option("--all", "shows_all", is_flag=True, help="Show second tables and counters, too.")
def diff(
    name: str,
    other: str | None,
    data: Path,
    endpoint: str | None,
    store: str | None,
    shows_all: bool,
) -> None:
    """Say what has changed between the snapshot NAME and now, or the snapshot OTHER.

    Exit code 0, whether or not anything has.
    """
    folder = Place(data, endpoint, store).folder
    with one_line():
        before = snapshots.folder_of(folder, name)
        after = folder if other is None else snapshots.folder_of(folder, other)
        found = look_into(before, lambda old: look_into(after, lambda new: _found(old, new)))
    said = joined([pair for pair in found if shows_all or pair[0].table not in BESIDE])
    marks = {"added": "+", "removed": "-", "changed": "~"}
    for one in said[:SHOWN_MAX] if not shows_all else said:
        details = f"  ({one.details})" if one.details else ""
        click.echo(f"{marks[one.what]} {one.kind} {one.name}{details}")
    if len(said) > SHOWN_MAX and not shows_all:
        click.echo(f"… and {len(said) - SHOWN_MAX} more (--all shows them)")
    counts = {what: sum(one.what == what for one in said) for what in marks}
    if not said:
        click.echo("Nothing has changed.")
    else:
        click.echo(", ".join(f"{count} {what}" for what, count in counts.items() if count))


def _found(before: Snapshot, after: Snapshot) -> list[tuple[Change, Said]]:
    words = Words(before, after)
    found = []
    for change in differences(before, after):
        found.append((change, words.of(change)))
        if len(found) >= CHANGES_MAX:
            click.echo(f"Only the first {CHANGES_MAX} changes are looked at.", err=True)
            break
    return found
