"""How many JSON POSTs a second the front takes, beside uvicorn where that is installed.

    python benchmarks/front.py [--seconds 3] [--connections 32]

Needs wrk. Each server runs in a process of its own; the ratios within one run are what counts.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib.util
import multiprocessing
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import orjson
import uvloop

from serein.front.server import Server
from serein.wire.http import HttpRequest, HttpResponse

SCRIPT = """
wrk.method = "POST"
wrk.body = '{"TableName":"things","Key":{"id":{"S":"0123456789"}}}'
wrk.headers["Content-Type"] = "application/x-amz-json-1.0"
wrk.headers["X-Amz-Target"] = "DynamoDB_20120810.GetItem"
wrk.headers["X-Amz-Date"] = "20250101T000000Z"
wrk.headers["User-Agent"] = "Boto3/1.40 md/Botocore#1.40 ua/2.0 os/linux lang/python#3.11"
wrk.headers["Authorization"] = "AWS4-HMAC-SHA256 Credential=AKIA/20250101/us-east-1/dynamodb/aws4_request"
"""


def handle(request: HttpRequest) -> HttpResponse:
    body = request.body
    assert isinstance(body, bytes)
    answer = orjson.dumps({"Item": orjson.loads(body)["Key"]})
    return HttpResponse(200, [("Content-Type", "application/x-amz-json-1.0")], answer)


async def handle_later(request: HttpRequest) -> HttpResponse:
    return handle(request)


def serve_front(port: int) -> None:
    async def main() -> None:
        await Server(handle).listen("127.0.0.1", port)
        await asyncio.Event().wait()

    uvloop.run(main())


def serve_front_tasks(port: int) -> None:
    async def main() -> None:
        await Server(handle_later).listen("127.0.0.1", port)
        await asyncio.Event().wait()

    uvloop.run(main())


async def asgi(scope: dict[str, object], receive: Callable, send: Callable) -> None:  # type: ignore[type-arg]
    body = b""
    while True:
        event = await receive()
        body += event.get("body", b"")
        if not event.get("more_body"):
            break
    answer = orjson.dumps({"Item": orjson.loads(body)["Key"]})
    headers = [(b"content-type", b"application/x-amz-json-1.0")]
    headers.append((b"content-length", b"%d" % len(answer)))
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": answer})


def serve_uvicorn(port: int) -> None:
    uvicorn = importlib.import_module("uvicorn")
    uvicorn.run(
        asgi,
        host="127.0.0.1",
        port=port,
        loop="uvloop",
        http="httptools",
        access_log=False,
        lifespan="off",
        log_level="error",
    )


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def cpu_seconds(pid: int) -> float:
    """Processor time that the process has used so far (Linux)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def measure(
    serve: Callable[[int], None], seconds: int, connections: int, script: str
) -> tuple[float, float]:
    """Requests a second, and microseconds of processor time for each (steadier on a busy machine)."""
    port = free_port()
    process = multiprocessing.get_context("fork").Process(target=serve, args=(port,), daemon=True)
    process.start()
    try:
        for _ in range(200):
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except OSError:
                time.sleep(0.05)
        assert process.pid is not None
        before_s = cpu_seconds(process.pid)
        command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "-s", script]
        done = subprocess.run(
            [*command, f"http://127.0.0.1:{port}/"], capture_output=True, text=True, check=True
        )
        if "Non-2xx" in done.stdout:
            raise SystemExit(done.stdout)
        found = re.search(r"Requests/sec:\s+([\d.]+)", done.stdout)
        assert found is not None
        count = re.search(r"(\d+) requests in", done.stdout)
        assert count is not None
        used_s = cpu_seconds(process.pid) - before_s
        return float(found[1]), used_s / int(count[1]) * 1e6
    finally:
        process.terminate()
        process.join()


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--seconds", type=int, default=3)
    options.add_argument("--connections", type=int, default=32)
    given = options.parse_args()
    if shutil.which("wrk") is None:
        sys.exit("wrk is not installed")
    servers = [("front, answered at once", serve_front), ("front, by a task", serve_front_tasks)]
    if importlib.util.find_spec("uvicorn"):
        servers.append(("uvicorn", serve_uvicorn))
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        script.write(SCRIPT)
        script.flush()
        for name, serve in servers:
            rate, cpu_us = measure(serve, given.seconds, given.connections, script.name)
            print(f"{name:28} {rate:10,.0f} requests/s  {cpu_us:6.1f} us of CPU each")


if __name__ == "__main__":
    main()
