"""`serein snapshot`: states of a data directory under names, on this machine."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from serein.cli.keeping import bytes_text, data_option, missing_blobs, one_line
from serein.cli.record_words import BESIDE, Said, Words, joined
from serein.store.interface import Snapshot
from serein.store.keeping import snapshots
from serein.store.keeping.differences import Change, differences
from serein.store.keeping.sources import look_into

SHOWN_MAX = 200
CHANGES_MAX = 100_000


@click.group("snapshot")
def command() -> None:
    """Keep states of the data directory under names, go back to them, branch from them, see what has changed.

    Taken while Serein runs, in one consistent state; blobs (the bytes of objects, code archives) are shared and cost nothing. Snapshots lie in
    the data directory: they guard against mistakes, not against a broken disk (for that: `serein backup`).

    \b
      serein snapshot save before-the-migration
      serein snapshot diff before-the-migration      what has changed since
      serein snapshot restore before-the-migration   with Serein stopped; the present is kept as a snapshot, too
      serein snapshot branch before-the-migration /tmp/try && serein up --data /tmp/try --port 4570
    """


@command.command("save")
@click.argument("name")
@data_option
def save(name: str, data: Path) -> None:
    """Keep the present state as NAME; Serein may be running."""
    started = time.perf_counter()
    with one_line():
        about = snapshots.save(data, name, time.time(), missing_blobs)
    took_s = time.perf_counter() - started
    how = "shared" if about.shared else "copied"
    click.echo(
        f"Saved {name} in {took_s:.2f} s: tables {bytes_text(about.table_bytes)} ({how}), "
        f"{about.blobs} blobs {bytes_text(about.blob_bytes)} (shared)."
    )


@command.command("list")
@data_option
def list_(data: Path) -> None:
    """Say which snapshots there are, the oldest first."""
    found = snapshots.list_snapshots(data)
    if not found:
        click.echo(f"There are no snapshots of {data}.")
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
@data_option
@click.option(
    "--keep-as", help="The name under which the present is kept. [default: before-NAME-…]"
)
def restore(name: str, data: Path, keep_as: str | None) -> None:
    """Go back to the state NAME. Stop Serein first; the present state is kept as a snapshot."""
    now = time.time()
    kept = keep_as or datetime.fromtimestamp(now, UTC).strftime("before-restore-%Y%m%d-%H%M%S")
    with one_line():
        snapshots.restore(data, name, now, kept)
    click.echo(f"{data} is as it was at {name}. What it was until now is kept as {kept}.")


@command.command("branch")
@click.argument("name")
@click.argument("target", type=click.Path(path_type=Path))
@data_option
def branch(name: str, target: Path, data: Path) -> None:
    """Make a data directory TARGET of its own that begins as the snapshot NAME."""
    with one_line():
        snapshots.branch(data, name, target)
    click.echo(f"Start it beside the other one: serein up --data {target} --port 4570")


@command.command("delete")
@click.argument("name")
@data_option
def delete(name: str, data: Path) -> None:
    """Forget the snapshot NAME."""
    with one_line():
        snapshots.delete(data, name)
    click.echo(f"Deleted {name}.")


@command.command("diff")
@click.argument("name")
@click.argument("other", required=False)
@data_option
@click.option("--all", "shows_all", is_flag=True, help="Show second tables and counters, too.")
def diff(name: str, other: str | None, data: Path, shows_all: bool) -> None:
    """Say what has changed between the snapshot NAME and now, or the snapshot OTHER.

    Exit code 0, whether or not anything has.
    """
    with one_line():
        before = snapshots.folder_of(data, name)
        after = data if other is None else snapshots.folder_of(data, other)
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
