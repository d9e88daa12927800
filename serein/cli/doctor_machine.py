"""The doctor's look at the machine and at the sandbox of functions."""

from __future__ import annotations

import os
import platform
import resource
import socket
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from http.client import HTTPException
from pathlib import Path

import apsw
import orjson

from serein.base.clock import SystemClock
from serein.base.ids import SystemRandomness
from serein.cli.doctor_findings import Finding
from serein.cli.keeping import bytes_text
from serein.runtimes.languages import missing, stand_in
from serein.runtimes.pool import probe_isolation

FILES_MIN = 4096
MEMORY_BYTES_MIN = 512_000_000
WRITTEN_AT = 1_760_000_000.0
"""A clock that shows an earlier time than this code was written is wrong."""


def findings(host: str, port: int) -> Iterator[Finding]:
    """Python, SQLite, limits, clock, port, names."""
    yield _python()
    yield Finding("ok", f"SQLite {apsw.sqlite_lib_version()}, {platform.platform()}")
    yield _files()
    yield from _memory()
    yield _clock()
    yield _port(host, port)
    yield _names()


def _python() -> Finding:
    version = platform.python_version()
    if platform.python_implementation() != "CPython":
        return Finding(
            "warn",
            f"{platform.python_implementation()} {version} has not been tried",
            "use CPython",
        )
    return Finding("ok", f"Python {version}")


def _files() -> Finding:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    said = f"{soft} files and connections may be open"
    if soft < FILES_MIN:
        most = "as many as you like" if hard == resource.RLIM_INFINITY else f"up to {hard}"
        return Finding(
            "warn",
            f"only {said}: many clients would be refused",
            f"ulimit -n {FILES_MIN * 4} before serein up ({most} are allowed), or LimitNOFILE= in its systemd unit",
        )
    return Finding("ok", said)


def _memory() -> Iterator[Finding]:
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
    except OSError:
        return
    found = {line.partition(":")[0]: line.partition(":")[2].split() for line in lines}
    free = int(found.get("MemAvailable", ["0"])[0]) * 1024
    if free and free < MEMORY_BYTES_MIN:
        yield Finding(
            "warn",
            f"only {bytes_text(free)} of memory are free",
            "functions reserve their MemorySize: fewer run at a time",
        )
    elif free:
        yield Finding("ok", f"{bytes_text(free)} of memory are free")


def _clock() -> Finding:
    now = time.time()
    shown = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(now))
    mend = "set the clock and keep it set (timedatectl set-ntp true)"
    if now < WRITTEN_AT:
        return Finding("bad", f"the clock shows {shown}, which is past", mend)
    synchronised = Path("/run/systemd/timesync/synchronized")
    if synchronised.parent.exists() and not synchronised.exists():
        return Finding("warn", f"the clock shows {shown} and is not synchronised", mend)
    return Finding("ok", f"the clock shows {shown}")


def _port(host: str, port: int) -> Finding:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((host, port))
            return Finding("ok", f"port {port} is free")
        except PermissionError:
            return Finding(
                "bad", f"port {port} is for root alone", "choose one from 1024 on with --port"
            )
        except OSError as error:
            if _is_serein(host, port):
                return Finding("ok", f"Serein answers on port {port}")
            return Finding(
                "bad",
                f"port {port} of {host} cannot be had: {error.strerror}",
                "stop what listens there, or choose another one with --port",
            )


def languages() -> Iterator[Finding]:
    """Which runtimes of functions run here, besides Python and custom ones."""
    for runtime in ("nodejs22.x", "java21", "ruby3.4"):
        words = missing(runtime)
        other = "" if words else stand_in(runtime)
        if words:
            yield Finding("warn", words, "install it, if there are such functions")
        elif other:
            yield Finding("ok", f"{runtime} functions run on {other}")
        else:
            yield Finding("ok", f"{runtime} functions run here")


def _is_serein(host: str, port: int) -> bool:
    shown = f"[{host}]" if ":" in host else host
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(f"http://{shown}:{port}/_serein/health", timeout=3) as answer:
            return bool(orjson.loads(answer.read()).get("edition") == "serein")
    except (OSError, ValueError, HTTPException, AttributeError):
        return False


def _names() -> Finding:
    name = "bucket.s3.localhost"
    try:
        found = {str(entry[4][0]) for entry in socket.getaddrinfo(name, None)}
    except OSError:
        found = set()
    if found & {"127.0.0.1", "::1"}:
        return Finding("ok", f"{name} is this machine")
    return Finding(
        "warn",
        f"{name} cannot be resolved: clients that put the bucket in the host name do not get here",
        "use path style (s3: {addressing_style: path}), or a resolver that knows *.localhost (systemd-resolved)",
    )


async def sandbox() -> list[Finding]:
    """How functions are shut in on this machine, tried out."""
    with tempfile.TemporaryDirectory(
        prefix="serein-doctor-", dir=_sandbox_folder(), ignore_cleanup_errors=True
    ) as work:
        found = await probe_isolation(work, clock=SystemClock(), randomness=SystemRandomness())
    said = f"functions are isolated: {found.standing}"
    if found.standing == "sandboxed":
        return [Finding("ok", said)]
    return [
        Finding(
            "warn",
            said + "".join(f"; {reason}" for reason in found.reasons),
            "docs/functions.md says what a machine needs: user namespaces (sysctl kernel.unprivileged_userns_clone=1, "
            "kernel.apparmor_restrict_unprivileged_userns=0), or in a container --security-opt seccomp=unconfined",
        )
    ]


def _sandbox_folder() -> str | None:
    """Not below /tmp, which a sandbox replaces by its own: a folder of the user's, where there is one."""
    for folder in (os.environ.get("XDG_CACHE_HOME"), str(Path.home() / ".cache")):
        if folder and os.path.isdir(folder) and os.access(folder, os.W_OK):
            return folder
    return None
