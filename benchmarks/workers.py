"""Throughput with 1, 2, … worker processes, in turns, on the same signed requests: `python benchmarks/workers.py`.

Durable store, authorisation on, a user of its own. wrk (one thread) is the client and runs on the same machine, so on a
machine of two cores it takes its part of them from the servers; therefore the servers' own processor time is counted, too:
requests/s that one core of server time would serve, and how many cores the server had.

usage: python benchmarks/workers.py [--workers 1,2] [--only ddb_get,ddb_put] [--seconds 3] [--rounds 3] [--conns 16]
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shutil
import statistics
import sys
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

import run
from botocore.credentials import Credentials
from cases import groups_of
from ends import End
from replay import wrk

TICKS_PER_S = os.sysconf("SC_CLK_TCK")


class Server:
    """One server under measurement."""

    def __init__(self, workers: int, url: str) -> None:
        self.workers = workers
        self.url = url
        key = run.user_of(url)
        self.credentials = Credentials(key["AWS_ACCESS_KEY_ID"], key["AWS_SECRET_ACCESS_KEY"])
        self.requests: dict[str, Any] = {}
        self.measured: dict[str, list[dict[str, float]]] = {}

    def prepare(self, cases: list[Any]) -> None:
        """The requests of every case, signed."""
        for case in cases:
            self.requests.update(case(End(self.url, self.credentials)))

    def processor_s(self) -> float:
        """What its processes have used so far."""
        with urllib.request.urlopen(f"{self.url}/_serein/health", timeout=10) as page:
            health = json.load(page)
        pids = [one["pid"] for one in health.get("workers", ())] or [self.pid]
        total = 0
        for pid in pids:
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            total += int(fields[11]) + int(fields[12])
        return total / TICKS_PER_S

    pid = 0

    def measure(self, label: str, seconds: int, conns: int) -> None:
        """One round of one case."""
        before, started = self.processor_s(), time.perf_counter()
        result = wrk(self.url, self.requests[label], seconds, conns)
        took_s = time.perf_counter() - started
        if result is None:
            return
        used_s = self.processor_s() - before
        result["cores"] = used_s / took_s
        result["per_core"] = result["rps"] * took_s / max(used_s, 0.001)
        self.measured.setdefault(label, []).append(result)

    def row(self, label: str) -> str:
        """The medians of a case."""
        runs = self.measured.get(label)
        if not runs:
            return "-"
        found = {name: statistics.median(one[name] for one in runs) for name in runs[0]}
        return (
            f"{found['rps']:7.0f}/s  p50 {found['p50']:5.1f}  p99 {found['p99']:6.1f} ms  "
            f"{found['cores']:4.2f} cores  {found['per_core']:6.0f}/core-s  bad {found['bad']:.0%}"
        )


def main() -> None:
    """Start a server for each number, measure them in turns, print the medians."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--workers", default="1,2")
    parser.add_argument("--only", default="ddb_get,ddb_put,ddb_query20,sqs_send,sqs_receive")
    parser.add_argument("--seconds", type=int, default=3)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--conns", type=int, default=16)
    given = parser.parse_args()
    if shutil.which("wrk") is None:
        sys.exit("wrk is needed: apt-get install wrk (or your system's package)")
    labels = given.only.split(",")
    cases = list(groups_of(labels).values())
    with contextlib.ExitStack() as stack:
        servers = []
        for count in given.workers.split(","):
            data = stack.enter_context(tempfile.TemporaryDirectory())
            port = run.free_port()
            command = [sys.executable, "-m", "serein.cli.main", "up", "--data", data]
            command += ["--port", str(port), "--workers", count]
            url = stack.enter_context(run.running(command, f"http://127.0.0.1:{port}"))
            server = Server(int(count), url)
            server.pid = listener_of(port)
            server.prepare(cases)
            servers.append(server)
        for label in labels:
            for _ in range(given.rounds):
                for server in servers:
                    server.measure(label, given.seconds, given.conns)
            for server in servers:
                print(f"{label:12} {server.workers} worker(s)  {server.row(label)}", flush=True)


def listener_of(port: int) -> int:
    """The process that was started for a port."""
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            words = (folder / "cmdline").read_bytes().split(b"\0")
            if b"serein.cli.main" in words and str(port).encode() in words:
                return int(folder.name)
    return 0


if __name__ == "__main__":
    main()
