"""`serein doctor`: what is wrong with the store, the machine or the sandbox, and how to mend it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path

import click
import orjson

from serein.cli import doctor_machine, doctor_store
from serein.cli.doctor_findings import Finding
from serein.cli.keeping import blobs_option, data_option
from serein.store.keeping.addresses import is_url

MARKS = {"ok": click.style("ok  ", "green"), "warn": click.style("warn", "yellow")}
BAD = click.style("BAD ", "red", bold=True)


@click.command("doctor")
@data_option
@click.option("--store", metavar="URL", help="Look at a PostgreSQL database, in place of --data.")
@blobs_option("--blobs", "the database's blobs, where it has one")
@click.option("--host", default="127.0.0.1", show_default=True, help="Where Serein is to listen.")
@click.option("--port", type=click.IntRange(1, 65535), default=4566, show_default=True)
@click.option("--quick", is_flag=True, help="Do not read all records and blobs.")
@click.option("--json", "as_json", is_flag=True, help="Say it as JSON, a finding a line.")
def command(
    data: Path,
    store: str | None,
    blobs: str | None,
    host: str,
    port: int,
    quick: bool,
    as_json: bool,
) -> None:
    """Look at the store, the machine and the sandbox; say what is wrong and how to mend it.

    Nothing is changed, and Serein may be running. Every record and every byte of every blob is compared with its checksum;
    --quick leaves that out. Exit code 1 when something is BAD: what is a `warn` works, but not as well as it could.
    """
    sections: list[tuple[str, Callable[[], Iterator[Finding]]]] = [
        ("Machine", lambda: doctor_machine.findings(host, port)),
        ("Languages", doctor_machine.languages),
        ("Sandbox", lambda: iter(asyncio.run(doctor_machine.sandbox()))),
    ]
    if store is not None and is_url(store):
        sections.insert(
            0, ("Store", lambda: iter(asyncio.run(doctor_store.database(store, blobs))))
        )
    else:
        sections.insert(0, ("Store", lambda: doctor_store.directory(data, reads=not quick)))
    bad = 0
    for title, look in sections:
        if not as_json:
            click.echo(click.style(title, bold=True))
        for finding in look():
            bad += finding.level == "bad"
            _tell(finding, title, as_json)
    if bad and not as_json:
        click.echo(f"{bad} {'thing is' if bad == 1 else 'things are'} BAD.")
    raise click.exceptions.Exit(1 if bad else 0)


def _tell(finding: Finding, title: str, as_json: bool) -> None:
    if as_json:
        told = {"about": title.lower(), "level": finding.level, "said": finding.said}
        click.echo(orjson.dumps({**told, "mend": finding.mend} if finding.mend else told).decode())
        return
    click.echo(f"  {MARKS.get(finding.level, BAD)} {finding.said}")
    if finding.mend:
        click.echo(f"       → {finding.mend}")
