"""`serein up`: the server, in the foreground."""

from __future__ import annotations

import asyncio
import gc
import logging
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import click
import uvloop

from serein.assembly import Config, House, Premises, StartFailure
from serein.cli.age import age_s
from serein.cli.keeping import leave_endpoint
from serein.cli.many import WorkerCount, run_workers
from serein.cli.peers import Advertised, PeerAddress

WILDCARDS = ("0.0.0.0", "::", "")
GARBAGE_THRESHOLD = 5_000
"""New containers between two looks for cycles; Python's own 700 is a dozen requests."""
LOOPBACK = ("127.0.0.1", "::1", "localhost")


@click.command("up")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=4566,
    show_default=True,
    help="Port to listen on (0: any free one).",
)
@click.option(
    "--data",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path(".serein"),
    show_default=True,
    help="The data directory. What was acknowledged is on disk there.",
)
@click.option(
    "--store",
    metavar="URL",
    help="Keep everything in a PostgreSQL database that several nodes share, in place of --data: "
    "postgresql://user@host/db (the password in PGPASSWORD or a .pgpass file).",
)
@click.option(
    "--blobs",
    metavar="URL",
    help="With --store: keep the bytes of objects in a bucket of any S3-compatible store, "
    "s3://bucket/prefix?endpoint=https://… (keys in AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY).",
)
@click.option(
    "--ephemeral", is_flag=True, help="Keep everything in memory; nothing is left behind."
)
@click.option(
    "--auth",
    type=click.Choice(["open", "strict", "record"]),
    help="open: unknown access keys act as root of the default account (only on loopback, the default there). "
    "strict: only keys that IAM knows. record: as open, but what policies would refuse is recorded and allowed "
    "(then `serein policy suggest`).",
)
@click.option(
    "--workers",
    type=WorkerCount(),
    default=1,
    show_default=True,
    help="Worker processes that share store and port; auto: as many as there are cores.",
)
@click.option("--account", default="000000000000", show_default=True, help="The default account.")
@click.option("--region", default="us-east-1", show_default=True, help="The default region.")
@click.option(
    "--tls-port", type=click.IntRange(0, 65535), help="Also listen with TLS on this port."
)
@click.option(
    "--tls-cert", type=click.Path(path_type=Path, exists=True), help="Certificate chain, PEM."
)
@click.option("--tls-key", type=click.Path(path_type=Path, exists=True), help="Its key, PEM.")
@click.option(
    "--dev",
    is_flag=True,
    help="Development: `serein clock` may move time, `serein faults` may break things. --ephemeral in open mode implies it.",
)
@click.option(
    "--dynamodb-limits",
    is_flag=True,
    help="Hold DynamoDB to AWS's limits of pace: provisioned capacity, on-demand maxima, hot keys.",
)
@click.option(
    "--isolation",
    type=click.Choice(["auto", "required", "off"]),
    default="auto",
    show_default=True,
    help="How functions are shut in: as well as the machine allows; sandboxed or not at all; as plain processes.",
)
@click.option(
    "--max-processes",
    type=click.IntRange(1, 10_000),
    default=64,
    show_default=True,
    help="How many functions run at a time; further calls wait for their turn.",
)
@click.option(
    "--functions-reach",
    type=PeerAddress(),
    multiple=True,
    help="A server on this machine that functions may connect to (a database: 127.0.0.1:5432).",
)
@click.option(
    "--keep-free",
    type=click.IntRange(0),
    help="Megabytes to leave free on the disk of --data: with less, only what removes is written. "
    "[default: 200, at most 5 % of the disk]",
)
@click.option(
    "--advertise",
    type=Advertised(),
    help="With --store: the address at which other nodes reach this one; they hand it calls of functions that they have no "
    "place for, or that are warm here.",
)
@click.option(
    "--otlp",
    metavar="URL",
    help="Send the spans of sampled traces to an OpenTelemetry collector, by OTLP/HTTP (http://127.0.0.1:4318).",
)
@click.option("--example", type=click.Path(path_type=Path, exists=True), hidden=True)
@click.option("-v", "--verbose", is_flag=True, help="Log more.")
def command(
    host: str,
    port: int,
    data: Path,
    store: str | None,
    blobs: str | None,
    ephemeral: bool,
    auth: str | None,
    workers: int,
    account: str,
    region: str,
    dev: bool,
    max_processes: int,
    keep_free: int | None,
    example: Path | None,
    verbose: bool,
    **as_said: Any,
) -> None:
    """Start Serein and stay in the foreground; Ctrl-C stops it cleanly.

    Everything answers on one endpoint, http://127.0.0.1:4566 by default. Run again with the same --data,
    everything is still there.

    \b
      serein up                            durable, in ./.serein
      serein up --ephemeral --port 0       for a test: in memory, any free port
      serein up --auth strict              only keys that IAM knows
      serein up --store postgresql://…     one of several nodes on a database
    """
    _begin_log(verbose)
    auth = auth or ("open" if host in LOOPBACK else "strict")
    if auth != "strict" and host not in LOOPBACK:
        raise click.UsageError(
            f"--auth {auth} is for loopback only; to listen on {host} use --auth strict."
        )
    _check_usage(account, store, blobs, alone=ephemeral or workers != 1)
    _check_collector(as_said["otlp"])
    if as_said["advertise"] and not store:
        raise click.UsageError("--advertise goes with --store: it is for several nodes.")
    config = Config(
        host=host,
        port=port,
        data=None if ephemeral or store else data,
        store=store,
        blobs=blobs,
        auth_open=auth != "strict",
        auth_records=auth == "record",
        account=account,
        region=region,
        processes_max=max_processes,
        free_bytes_min=None if keep_free is None else keep_free * 1_000_000,
        development=dev or (ephemeral and auth != "strict"),
        **as_said,
    )
    try:
        if workers == 1:
            uvloop.run(_serve(config, example))
            return
        code = run_workers(config, workers, _tune, partial(_begin_example, example))
    except StartFailure as error:
        raise click.ClickException(str(error)) from error
    if code:
        raise click.exceptions.Exit(code)


def _begin_log(verbose: bool) -> None:
    logging.basicConfig(
        level=logging.INFO if verbose else logging.WARNING,
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
        stream=sys.stderr,
    )


def _check_usage(account: str, store: str | None, blobs: str | None, *, alone: bool) -> None:
    if len(account) != 12 or not account.isdigit():
        raise click.UsageError(f"--account wants 12 digits, not {account!r}.")
    if blobs and not store:
        raise click.UsageError("--blobs goes with --store; in a data directory blobs are files.")
    if store and alone:
        raise click.UsageError(
            "--store does not go with --ephemeral or --workers: start another node on the same database."
        )


def _check_collector(url: str | None) -> None:
    parts = urlsplit(url) if url is not None else None
    if parts is not None and (parts.scheme not in ("http", "https") or not parts.hostname):
        raise click.UsageError(f"--otlp wants a URL like http://127.0.0.1:4318, not {url!r}.")


def _tune() -> None:
    """What is there now stays: the collector need not look at it again, and every request leaves little for it."""
    gc.freeze()
    gc.set_threshold(GARBAGE_THRESHOLD, 20, 20)


async def _serve(config: Config, example: Path | None) -> None:
    stop = asyncio.Event()
    failures: list[str] = []

    def fail(words: str) -> None:
        failures.append(words)
        stop.set()

    premises = Premises(config, tune=_tune, on_failure=fail)
    await premises.start()
    house = premises.house
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    leave_endpoint(config.data, house.endpoint)
    where = house.whereabouts()
    click.echo(f"Serein answers at {house.endpoint} ({where}, started in {age_s():.2f} s)")
    for warning in house.warnings():
        click.echo(f"  {warning}", err=True)
    deploying = asyncio.create_task(_deploy_example(house, example)) if example else None
    try:
        await stop.wait()
        click.echo("Stopping …")
    finally:
        if deploying is not None:
            deploying.cancel()
        await premises.stop()
    if failures:
        raise StartFailure(failures[0])


def _deploying(example: Path, endpoint: str) -> list[str]:
    command = [sys.executable, "-m", "serein.cli.main", "deploy", str(example)]
    return [*command, "--endpoint", endpoint, "--param", f"PublicEndpoint={endpoint}", "--guide"]


def _begin_example(example: Path | None, endpoint: str) -> None:
    """The same for a supervisor, which waits for nobody."""
    if example is not None:
        subprocess.Popen(_deploying(example, endpoint))


async def _deploy_example(house: House, example: Path) -> None:
    """Deploy the example as any user would, by the command line, which then says what to try."""
    deploy = await asyncio.create_subprocess_exec(*_deploying(example, house.endpoint))
    try:
        code = await deploy.wait()
    except asyncio.CancelledError:
        deploy.terminate()
        await deploy.wait()
        raise
    if code:
        click.echo("The example was not deployed; Serein runs all the same.", err=True)
