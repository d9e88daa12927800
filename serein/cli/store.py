"""`serein store`: moving everything from one store to another."""

from __future__ import annotations

import time

import click

from serein.assembly.stores import blobs_at
from serein.cli.keeping import blobs_option, bytes_text, run
from serein.store.keeping.addresses import opened_source, opened_store
from serein.store.keeping.copying import Copied, copy_store


@click.group("store")
def command() -> None:
    """Move everything that Serein holds from one kind of store to another."""


@command.command("copy")
@click.argument("source")
@click.argument("target")
@blobs_option("--source-blobs", "the source's blobs, where it is a database that has one")
@blobs_option("--target-blobs", "the target's blobs, where it is a database that is to have one")
@click.option("-q", "--quiet", is_flag=True, help="Say nothing while it goes on.")
def copy(
    source: str, target: str, source_blobs: str | None, target_blobs: str | None, quiet: bool
) -> None:
    """Copy all tables and blobs from SOURCE to TARGET, which must be empty.

    Each is a data directory, or the URL of a PostgreSQL database. When it ends every record has been compared by count and
    checksum on both sides, and every byte of every blob. SOURCE may be in use: what is copied is one state of it, and what is
    written later stays behind; so stop Serein first if you mean to move.

    \b
      serein store copy .serein postgresql://serein@db.example/serein
      serein store copy postgresql://serein@db.example/serein /var/lib/serein
      serein store copy .serein /mnt/new/serein
    """
    started = time.perf_counter()
    say = (lambda _: None) if quiet else (lambda what: click.echo(f"  {what}", err=True))

    async def work() -> Copied:
        async with (
            opened_source(source, blobs_at(source_blobs)) as given,
            opened_store(target, blobs_at(target_blobs)) as taken,
        ):
            return await copy_store(given, taken, say)

    copied = run(work())
    took_s = time.perf_counter() - started
    click.echo(
        f"Copied and verified: {copied.rows} records in {len(copied.tables)} tables, "
        f"{copied.blobs} blobs ({bytes_text(copied.blob_bytes)}), in {took_s:.1f} s."
    )
