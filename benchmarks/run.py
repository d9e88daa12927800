"""`make bench`: Serein side by side with peers and the bare floor, in one run, on the same signed requests.

Serein runs with a durable store and authorisation on: a user of its own, with an identity policy, signs the requests.
Peers (moto server, ministack, dynalite) run from an environment of their own that is made on first use; wrk must be installed,
and npm for dynalite, which knows DynamoDB alone.

Behind the table: what each stage of a request costs, the door among them (door.py).

usage: python benchmarks/run.py [--only ddb_get,s3_put_1k] [--seconds 4] [--rounds 3] [--no-peers]

`--only ddb_sizes --items 10000000`: a DynamoDB table of that size against one of 10,000 items (benchmarks/sizes.py).
`--only ddb,ddbmany,ddbgsi`: all of DynamoDB; single items, batches and transactions, tables with 1, 5 and 20 global indexes.

`--only workers`: 1 and 2 worker processes, in turns (benchmarks/workers.py).

The store by itself has two cases, run when they are named: `--only store_commits,store_size` (benchmarks/commits.py;
`--items` says how large the large table is).
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import venv
from collections.abc import Iterator
from pathlib import Path

import boto3

HERE = Path(__file__).parent
PEERS = Path(os.environ.get("SEREIN_BENCH_PEERS", HERE / ".peers"))
ALL = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}


def free_port() -> int:
    """A port of loopback that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def peers() -> Path:
    """The folder of the peers' programs, installed on first use."""
    if not (PEERS / "bin" / "moto_server").exists():
        print("installing the peers (once) ...", flush=True)
        venv.create(PEERS, with_pip=True)
        subprocess.run(
            [PEERS / "bin" / "pip", "install", "-q", "moto[server]", "ministack"], check=True
        )
    return PEERS / "bin"


def dynalite() -> Path | None:
    """The program of dynalite, installed on first use; None without npm."""
    folder = PEERS / "dynalite"
    program = folder / "node_modules" / ".bin" / "dynalite"
    if not program.exists() and shutil.which("npm") is not None:
        folder.mkdir(parents=True, exist_ok=True)
        subprocess.run(["npm", "install", "--silent", "dynalite"], cwd=folder, check=True)
    return program if program.exists() else None


@contextlib.contextmanager
def running(command: list[str], url: str, **environment: str) -> Iterator[str]:
    """A server as a process; ready when its port answers."""
    process = subprocess.Popen(
        command,
        env={**os.environ, **environment},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        host, port = url.removeprefix("http://").split(":")
        for _ in range(400):
            try:
                socket.create_connection((host, int(port)), timeout=1).close()
                break
            except OSError:
                time.sleep(0.05)
        time.sleep(0.5)
        yield url
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()


def user_of(endpoint: str) -> dict[str, str]:
    """Keys of a user whose policy allows everything: each call is signed, verified and judged."""
    iam = boto3.client(
        "iam",
        endpoint_url=endpoint,
        region_name="us-east-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
    )
    iam.create_user(UserName="bench")
    iam.put_user_policy(UserName="bench", PolicyName="all", PolicyDocument=json.dumps(ALL))
    key = iam.create_access_key(UserName="bench")["AccessKey"]
    return {
        "AWS_ACCESS_KEY_ID": key["AccessKeyId"],
        "AWS_SECRET_ACCESS_KEY": key["SecretAccessKey"],
    }


def store_alone(cases: str, items: str) -> int:
    """The store's own cases, in a process of their own; its exit code."""
    command = ["-m", "benchmarks.commits", "--only", cases.replace("store_", ""), "--items", items]
    return subprocess.run([sys.executable, *command], cwd=HERE.parent, check=False).returncode


def start_peers(stack: contextlib.ExitStack) -> list[str]:
    """Start moto, ministack and (where it is installed) dynalite; `name=url` of each."""
    programs, ends = peers(), []
    port = free_port()
    command = [str(programs / "moto_server"), "-p", str(port)]
    ends.append("moto=" + stack.enter_context(running(command, f"http://127.0.0.1:{port}")))
    port = free_port()
    ministack = running(
        [str(programs / "ministack")],
        f"http://127.0.0.1:{port}",
        BIND_HOST="127.0.0.1",
        GATEWAY_PORT=str(port),
    )
    ends.append("ministack=" + stack.enter_context(ministack))
    node = dynalite()
    if node is not None:
        port = free_port()
        # A table is to be there after 500 ms, as it is by default; it keeps everything in memory.
        command = [str(node), "--host", "127.0.0.1", "--port", str(port)]
        ends.append("dynalite=" + stack.enter_context(running(command, f"http://127.0.0.1:{port}")))
    return ends


def main() -> None:
    """Start everybody, compare, stop everybody."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--only")
    parser.add_argument("--seconds", default="4")
    parser.add_argument("--rounds", default="3")
    parser.add_argument("--conns", default="16")
    parser.add_argument("--json")
    parser.add_argument("--no-peers", action="store_true")
    parser.add_argument("--items", default="300000")
    given = parser.parse_args()
    if given.only == "ddb_sizes":
        command = [sys.executable, str(HERE / "sizes.py"), "--items", given.items]
        command += ["--seconds", given.seconds, "--rounds", given.rounds, "--conns", given.conns]
        sys.exit(subprocess.run(command, check=False).returncode)
    if (given.only or "").startswith("store_"):
        sys.exit(store_alone(given.only, given.items))
    if given.only == "workers":
        command = [sys.executable, str(HERE / "workers.py"), "--seconds", given.seconds]
        sys.exit(subprocess.run([*command, "--rounds", given.rounds], check=False).returncode)
    if shutil.which("wrk") is None:
        sys.exit("wrk is needed: apt-get install wrk (or your system's package)")
    with contextlib.ExitStack() as stack, tempfile.TemporaryDirectory() as data:
        port = free_port()
        serein = [
            sys.executable,
            "-m",
            "serein.cli.main",
            "up",
            "--port",
            str(port),
            "--data",
            data,
        ]
        ours = stack.enter_context(running(serein, f"http://127.0.0.1:{port}"))
        ends = [f"serein={ours}"]
        floor = free_port()
        command = [sys.executable, str(HERE / "floor.py"), str(floor)]
        ends.append("floor=" + stack.enter_context(running(command, f"http://127.0.0.1:{floor}")))
        if not given.no_peers:
            ends += start_peers(stack)
        options = ["--seconds", given.seconds, "--rounds", given.rounds, "--conns", given.conns]
        for name in ("only", "json"):
            if getattr(given, name):
                options += [f"--{name}", getattr(given, name)]
        done = subprocess.run(
            [sys.executable, str(HERE / "compare.py"), *ends, *options],
            env={**os.environ, **user_of(ours)},
            check=False,
        )
    if not given.only:
        print(
            "\nWhere one request's time goes, without sockets (the door is validate + authorise + record):"
        )
        subprocess.run([sys.executable, str(HERE / "door.py")], check=False)
    sys.exit(done.returncode)


if __name__ == "__main__":
    main()
