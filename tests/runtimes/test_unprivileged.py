"""A server without root shuts functions in by a user namespace of its own."""

from __future__ import annotations

import json
import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
NOBODY = 65_534
PROGRAM = """
import asyncio, json, pathlib, socket, sys, threading
sys.path[:0] = {paths!r}
from serein.base.clock import SystemClock
from serein.base.ids import SystemRandomness, new_uuid
from serein.runtimes import FunctionSpec, Invocation, Pool, PoolSettings

HANDLER = '''
import json, os, socket
def attempt(do):
    try:
        do()
    except OSError as error:
        return type(error).__name__
    return "allowed"
def handler(event, context):
    rows = (line.split(":\\\\t", 1) for line in open("/proc/self/status").read().splitlines())
    status = dict(row for row in rows if len(row) == 2)
    return {{
        "uid": os.getuid(), "pid": os.getpid(),
        "processes": [p for p in os.listdir("/proc") if p.isdigit()],
        "caps": [status[n] for n in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")],
        "seccomp": status["Seccomp"],
        "shadow": attempt(lambda: open("/etc/shadow")),
        "code": attempt(lambda: open("/var/task/x", "w")),
        "tmp": attempt(lambda: open("/tmp/x", "w")),
        "net": attempt(lambda: socket.create_connection(("169.254.169.254", 80), 1)),
        "granted": "HTTPS_PROXY" in os.environ
        or socket.create_connection(("127.0.0.1", event), 2).recv(5).decode(),
        "root": attempt(lambda: os.setuid(0)),
    }}
'''

async def main():
    work = pathlib.Path(sys.argv[1])
    code = work / "code"
    code.mkdir()
    (code / "app.py").write_text(HANDLER)
    server = socket.create_server(("127.0.0.1", 0))
    port = server.getsockname()[1]
    threading.Thread(target=lambda: server.accept()[0].send(b"hello"), daemon=True).start()
    settings = PoolSettings(
        work=str(work / "pool"), blanks=0, processes_max=2, reachable=(("127.0.0.1", port),)
    )
    pool = Pool(settings, clock=SystemClock(), randomness=SystemRandomness())
    await pool.start()
    spec = FunctionSpec(
        key="k", name="f", version="1", runtime="python3.11", handler="app.handler", code=str(code)
    )
    invocation = Invocation(request_id=new_uuid(SystemRandomness()), arn="a")
    outcome = await pool.invoke(spec, str(port).encode(), invocation)
    isolation = [pool.isolation.standing, list(pool.isolation.reasons)]
    print(json.dumps([isolation, json.loads(outcome.payload)]))
    await pool.close()

asyncio.run(main())
"""


def _python() -> str | None:
    """A Python of this version that everybody may run."""
    for folder in ("/usr/local/bin", "/usr/bin"):
        path = f"{folder}/python{sys.version_info[0]}.{sys.version_info[1]}"
        if os.path.exists(path) and os.stat(path).st_mode & stat.S_IXOTH:
            return path
    return None


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
@pytest.mark.skipif(shutil.which("setpriv") is None, reason="setpriv is not installed")
@pytest.mark.parametrize("capability", ["", "net_admin"])
def test_functions_of_an_unprivileged_server(capability: str):
    python = _python()
    site = next((p for p in sys.path if p.endswith("site-packages")), "")
    for path in (str(ROOT), site):
        if not path or not all(
            p.stat().st_mode & stat.S_IXOTH for p in [Path(path), *Path(path).parents]
        ):
            pytest.skip("this checkout cannot be read by others")
    if python is None:
        pytest.skip("no Python of this version that everybody may run")
    work = Path("/var/tmp") / f"serein-test-{os.getpid()}"
    work.mkdir(mode=0o700)
    os.chown(work, NOBODY, NOBODY)
    command = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]
    if capability:
        # Some kernels let nobody filter sockets without it.
        command += [f"--{kind}-caps=-all,+{capability}" for kind in ("inh", "ambient")]
    command += [python, "-c"]
    try:
        ran = subprocess.run(
            [*command, PROGRAM.format(paths=[str(ROOT), site]), str(work)],
            capture_output=True,
            text=True,
            timeout=60,
            env={"PATH": "/usr/bin:/bin", "HOME": str(work)},
            check=False,
        )
    finally:
        shutil.rmtree(work)
    assert ran.returncode == 0, ran.stderr
    (standing, reasons), seen = json.loads(ran.stdout)
    if any("namespaces" in reason for reason in reasons):
        pytest.skip(f"no user namespaces here: {reasons}")
    assert standing in ("sandboxed", "partial")
    assert seen.get("pid") == 1, seen
    assert seen["processes"] == ["1"]
    assert [int(caps, 16) for caps in seen["caps"]] == [0] * 5
    assert seen["seccomp"] == "2"
    assert seen["uid"] != 0
    assert seen["shadow"] in ("FileNotFoundError", "PermissionError")
    assert seen["tmp"] == "allowed"
    assert seen["root"] != "allowed"
    assert seen["code"] == "OSError"
    assert seen["net"] == "OSError"
    # Where sockets cannot be pinned to their peers functions have the proxy.
    assert seen["granted"] in ((True, "hello") if not capability else ("hello",))
