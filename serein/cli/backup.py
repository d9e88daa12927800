"""`serein backup` and `serein restore`: states of a store elsewhere."""

from __future__ import annotations

import time
from pathlib import Path

import click

from serein.assembly.stores import blobs_at
from serein.cli.bucket_vault import BucketVault
from serein.cli.durations import Moment
from serein.cli.keeping import (
    address_of,
    blobs_option,
    bytes_text,
    data_option,
    one_line,
    run,
)
from serein.store.errors import StoreError
from serein.store.keeping.addresses import opened_source, opened_store
from serein.store.keeping.backups import (
    Backup,
    Manifest,
    Written,
    latest_before,
    manifests,
    prune,
    read_manifest,
    restore_backup,
)
from serein.store.keeping.vaults import DirectoryVault, Vault

_endpoint_option = click.option(
    "--endpoint-url",
    envvar="AWS_ENDPOINT_URL_S3",
    help="The S3-compatible endpoint of an s3:// vault, where it is not AWS.",
)
_store_option = click.option(
    "--store", metavar="URL", help="A PostgreSQL database, in place of --data."
)


_blobs_option = blobs_option("--blobs", "the database's blobs, where it has one")


@click.command("backup")
@click.argument("vault")
@data_option
@_store_option
@_blobs_option
@_endpoint_option
@click.option("--keep", type=click.IntRange(1), help="Then forget all but the last so many.")
@click.option("--list", "lists", is_flag=True, help="Only say which backups there are.")
def command(
    vault: str,
    data: Path,
    store: str | None,
    blobs: str | None,
    endpoint_url: str | None,
    keep: int | None,
    lists: bool,
) -> None:
    """Bring the present state to VAULT: a directory, or s3://bucket/prefix. Serein may be running.

    What is there from an earlier backup is not brought again, so take them as often as you like: each is a whole state to go
    back to (`serein restore VAULT --at TIME`). They hold everything, secret access keys too: guard the vault.

    \b
      serein backup /mnt/backups/serein
      serein backup s3://my-backups/serein --keep 30
      serein backup s3://b/serein --endpoint-url https://s3.example.org
      serein backup /mnt/backups/serein --store postgresql://…
    """
    with one_line():
        place = vault_at(vault, endpoint_url)
        if lists:
            _tell_list(place)
            return

    async def work() -> Written:
        async with opened_source(address_of(data, store), blobs_at(blobs)) as source:
            return await Backup(source, place, time.time()).run()

    started = time.perf_counter()
    written = run(work())
    manifest = written.manifest
    took_s = time.perf_counter() - started
    click.echo(
        f"Backup {manifest.name}: {manifest.rows} records, {len(manifest.blobs)} blobs; "
        f"new: {written.segments_new} segments, {written.blobs_new} blobs, "
        f"{bytes_text(written.bytes_new)}, in {took_s:.1f} s."
    )
    if keep is not None:
        with one_line():
            backups, pieces = prune(place, keep)
        if backups:
            click.echo(f"Forgot {backups} older ones and {pieces} pieces that only they needed.")


def _tell_list(place: Vault) -> None:
    names = manifests(place)
    for name in names:
        manifest = read_manifest(place, name)
        size = bytes_text(sum(blob.size for blob in manifest.blobs))
        click.echo(f"{name}  {manifest.rows} records, {len(manifest.blobs)} blobs ({size})")
    if not names:
        click.echo(f"{place.words} holds no backups.")


def vault_at(address: str, endpoint_url: str | None) -> Vault:
    """The vault at an address. Raises StoreError."""
    if address.startswith("s3://"):
        return BucketVault(address, endpoint_url)
    if "://" in address:
        raise StoreError(f"{address} is no vault: name a directory or s3://bucket/prefix")
    return DirectoryVault(Path(address))


@click.command("restore")
@click.argument("vault")
@data_option
@_store_option
@_blobs_option
@_endpoint_option
@click.option("--at", "moment", type=Moment(), help="The last backup of this time or before (UTC).")
@click.option("--backup", "name", help="The backup of this name (serein backup VAULT --list).")
def restore_command(
    vault: str,
    data: Path,
    store: str | None,
    blobs: str | None,
    endpoint_url: str | None,
    moment: float | None,
    name: str | None,
) -> None:
    """Bring a backup in VAULT into an empty data directory or database; every piece is verified.

    \b
      serein restore /mnt/backups/serein --data .serein-restored
      serein restore s3://my-backups/serein --at 2026-07-01T12:00 --data .serein-restored
    """

    async def work(place: Vault, manifest: Manifest) -> None:
        async with opened_store(address_of(data, store), blobs_at(blobs)) as target:
            await restore_backup(place, manifest, target)

    with one_line():
        place = vault_at(vault, endpoint_url)
        manifest = read_manifest(place, name or latest_before(place, moment))
    run(work(place, manifest))
    click.echo(
        f"Restored {manifest.name}: {manifest.rows} records, {len(manifest.blobs)} blobs, "
        f"into {address_of(data, None) if store is None else 'the database'}."
    )
