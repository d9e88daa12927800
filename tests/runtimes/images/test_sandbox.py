"""What a program in an image can do: what its image and its sandbox give it, and nothing else."""

from __future__ import annotations

import json
import os
import shutil
import stat
import subprocess
import sys
import tarfile
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from serein.base.clock import SystemClock
from serein.base.ids import SystemRandomness
from serein.runtimes import FunctionSpec, Invocation, Pool, PoolSettings
from serein.runtimes.images.configuration import parse_configuration
from serein.runtimes.images.larder import Larder
from serein.runtimes.images.programs import Overrides, image_root
from tests.oci import Entry, Image, archive, digest_of, entry
from tests.runtimes.conftest import Bench
from tests.runtimes.test_unprivileged import ROOT
from tests.runtimes.test_unprivileged import _python as unprivileged_python

BUSYBOX = shutil.which("busybox")
TOOLS = (
    *("awk", "cat", "chroot", "dd", "echo", "grep", "id", "kill", "ls", "mknod", "mount"),
    *("rm", "sh", "touch", "tr", "umount", "wget"),
)
# A custom runtime as a shell script: https://docs.aws.amazon.com/lambda/latest/dg/runtimes-walkthrough.html
LOOP = """#!/bin/sh
api=http://$AWS_LAMBDA_RUNTIME_API/2018-06-01/runtime/invocation
while true; do
  wget -Y off -q -S -O /tmp/event $api/next 2>/tmp/headers
  id=$(grep -i lambda-runtime-aws-request-id /tmp/headers | awk '{print $2}' | tr -d '\\r')
  sh -c "$(cat /tmp/event | tr -d '"')" >/tmp/out 2>&1
  code=$?
  text=$(cat /tmp/out | tr '\\n"\\\\' '|  ')
  wget -Y off -q -O /dev/null --post-data "[$code,\\"$text\\"]" $api/$id/response
done
"""
NOBODY = 65_534

pytestmark = pytest.mark.skipif(BUSYBOX is None, reason="busybox is not installed")


def shell_image(*more: Entry) -> Image:
    """An image with a shell and little else."""
    assert BUSYBOX is not None
    program = Path(BUSYBOX).read_bytes()
    if b"ld-linux" in program[:4096]:
        pytest.skip("busybox is not static here")
    links = [entry(f"bin/{name}", type=tarfile.SYMTYPE, linkname="busybox") for name in TOOLS]
    base = [entry("bin/busybox", program, mode=0o755), *links]
    base.append(entry("loop.sh", LOOP.encode(), mode=0o755))
    config = {"Entrypoint": ["/loop.sh"], "WorkingDir": "/tmp"}
    return Image([archive(base), archive([entry("marker", b"ours"), *more])], config)


async def unpacked(image: Image, folder: Path) -> FunctionSpec:
    """A function made of an image."""

    async def read(digest: str) -> AsyncIterator[bytes]:
        yield image.blobs[digest]

    configuration = parse_configuration(image.config)
    digests = [digest_of(layer) for layer in image.layers]
    root = await Larder(folder).prepare(configuration, digests, read)
    return FunctionSpec(
        key=image.digest,
        name="f",
        version="$LATEST",
        runtime="provided",
        handler="",
        code=root,
        image=image_root(root, configuration, Overrides()),
        timeout_s=10.0,
    )


Shell = Callable[..., tuple[int, str]]


@pytest.fixture(scope="module")
def shell(sandboxed: Bench) -> Shell:
    """Runs a command in a function's image; its exit code and what it wrote."""

    def run(command: str, *more: Entry) -> tuple[int, str]:
        spec = sandboxed.run(unpacked(shell_image(*more), sandboxed.work / "images"))
        outcome = sandboxed.invoke(spec, command)
        assert outcome.error is None, outcome.payload
        code, text = json.loads(outcome.payload)
        return code, text

    return run


def test_the_image_is_all_there_is(shell: Shell):
    code, text = shell("ls /")
    assert (code, text.split("|")[:-1]) == (
        0,
        ["bin", "dev", "etc", "loop.sh", "marker", "proc", "tmp"],
    )
    assert shell("cat /marker; id -u; cat /etc/hosts")[1].startswith("ours7000")


@pytest.mark.parametrize(
    "command",
    [
        "touch /attack",
        "touch /etc/hosts",
        "echo x > /marker",
        "rm /marker",
        "touch /proc/attack",
        "touch /dev/attack",
        "mount -t tmpfs none /bin",
        "mount -o remount,rw /",
        "umount /proc",
        "umount -l /etc/hosts",
        "mknod /tmp/disk b 254 0",
        "chroot /tmp /bin/sh",
        "cat /proc/1/environ /etc/shadow",
        "cat /proc/kcore",
        "kill -9 2147483647",
        "ls /proc/1/cwd/../../../home",
    ],
)
def test_attacks(shell: Shell, command: str):
    code, text = shell(command)
    assert code != 0, text
    assert shell("cat /marker")[1] == "ours"


def test_devices_and_links_of_its_own(shell: Shell):
    assert (
        shell(
            "echo x > /dev/null; dd if=/dev/zero bs=4 count=1 2>/dev/null | cat > /tmp/z; ls -l /tmp/z"
        )[0]
        == 0
    )
    out = entry("out", type=tarfile.SYMTYPE, linkname="../../../../../../../../etc")
    host = entry("host", type=tarfile.SYMTYPE, linkname="/proc/1/root/../../usr")
    assert shell("ls /out", out)[1] == "hosts|resolv.conf|"
    assert shell("ls /host/bin", host)[0] != 0


def test_mount_points_that_are_links(shell: Shell):
    """The sandbox's own mounts are where they belong, whatever the image has there."""
    links = [
        entry(name, type=tarfile.SYMTYPE, linkname="/marker.d") for name in ("proc", "tmp", "dev")
    ]
    etc = entry("etc", type=tarfile.SYMTYPE, linkname="/elsewhere")
    code, text = shell("ls -d /proc/self /dev/null /elsewhere/hosts; touch /tmp/x", *links, etc)
    assert code == 0, text


def test_set_user_id_bits_are_gone(shell: Shell):
    tool = entry("become", b"#!/bin/sh\nid -u\n", mode=0o6755)
    _, text = shell("ls -l /become; /become", tool)
    assert text.startswith("-rwxr-xr-x")


ADAPTER = """#!/bin/sh
api=http://$AWS_LAMBDA_RUNTIME_API
wget -Y off -q -S -O /dev/null --header 'Lambda-Extension-Name: adapter' --post-data '{"events":[]}' \\
  $api/2020-01-01/extension/register 2>/tmp/registered
own=$(grep -i lambda-extension-identifier /tmp/registered | awk '{print $2}' | tr -d '\\r')
wget -Y off -q -O /dev/null --header "Lambda-Extension-Identifier: $own" $api/2020-01-01/extension/event/next &
until wget -Y off -q -O /dev/null http://127.0.0.1:8080/page; do sleep 0.05; done
while true; do
  wget -Y off -q -S -O /tmp/event $api/2018-06-01/runtime/invocation/next 2>/tmp/headers
  id=$(grep -i lambda-runtime-aws-request-id /tmp/headers | awk '{print $2}' | tr -d '\\r')
  page=$(wget -Y off -q -O - http://127.0.0.1:8080/page)
  wget -Y off -q -O /dev/null --post-data "\\"$page\\"" $api/2018-06-01/runtime/invocation/$id/response
done
"""


def test_a_web_server_behind_an_adapter(sandboxed: Bench):
    """A web app deployed unchanged, with an extension that asks for the events and passes them on by HTTP.

    https://github.com/awslabs/aws-lambda-web-adapter
    """
    applets = subprocess.run([BUSYBOX or "", "--list"], capture_output=True, check=True).stdout
    if b"\nhttpd\n" not in applets:
        pytest.skip("this busybox has no web server")
    image = shell_image(
        entry("opt/extensions/adapter", ADAPTER.encode(), mode=0o755),
        entry("www/page", b"a page"),
        entry("bin/httpd", type=tarfile.SYMTYPE, linkname="busybox"),
    )
    image = Image(image.unpressed, {"Cmd": ["httpd", "-f", "-p", "127.0.0.1:8080", "-h", "/www"]})
    spec = sandboxed.run(unpacked(image, sandboxed.work / "images"))
    for _ in range(3):
        outcome = sandboxed.invoke(spec, 1)
        assert (outcome.error, outcome.payload) == (None, b'"a page"')


_UNPRIVILEGED = """
import asyncio, json, pathlib, sys
sys.path[:0] = {paths!r}
from tests.runtimes.images.test_sandbox import try_without_root
print(json.dumps(asyncio.run(try_without_root(pathlib.Path(sys.argv[1])))))
"""


async def try_without_root(work: Path) -> list[object]:
    """How a pool of this process shuts a function in, and what that sees; for a process without root."""
    pool = Pool(
        PoolSettings(work=str(work / "pool"), blanks=0, processes_max=2),
        clock=SystemClock(),
        randomness=SystemRandomness(),
    )
    await pool.start()
    try:
        if any("namespaces" in reason for reason in pool.isolation.reasons):
            return [str(pool.isolation.reasons)]
        spec = await unpacked(shell_image(), work / "images")
        invocation = Invocation(request_id="1-1", arn="a")
        command = "cat /marker; ls /; touch /attack; ls /proc/self/ns"
        outcome = await pool.invoke(spec, json.dumps(command).encode(), invocation)
        return ["ran", outcome.payload.decode()]
    finally:
        await pool.close()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
@pytest.mark.skipif(shutil.which("setpriv") is None, reason="setpriv is not installed")
def test_a_server_without_root():
    python = unprivileged_python()
    if python is None:
        pytest.skip("no Python of this version that everybody may run")
    site = next((p for p in sys.path if p.endswith("site-packages")), "")
    for path in (str(ROOT), site):
        if not path or not all(
            p.stat().st_mode & stat.S_IXOTH for p in [Path(path), *Path(path).parents]
        ):
            pytest.skip("this checkout cannot be read by others")
    work = Path("/var/tmp") / f"serein-test-images-{os.getpid()}"
    work.mkdir(mode=0o700)
    os.chown(work, NOBODY, NOBODY)
    command = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", python, "-c"]
    try:
        ran = subprocess.run(
            [*command, _UNPRIVILEGED.format(paths=[str(ROOT), site]), str(work)],
            capture_output=True,
            text=True,
            timeout=60,
            env={"PATH": "/usr/bin:/bin:/usr/local/bin", "HOME": str(work)},
            check=False,
        )
    finally:
        shutil.rmtree(work)
    assert ran.returncode == 0, ran.stderr[-2000:]
    answer = json.loads(ran.stdout.splitlines()[-1])
    if answer[0] != "ran":
        pytest.skip(f"no user namespaces here: {answer[0]}")
    assert answer[1].startswith("["), (answer[1], ran.stderr[-2000:])
    _, text = json.loads(answer[1])
    assert text.startswith("oursbin|dev|etc|loop.sh|marker|proc|tmp|")
    assert "Read-only file system" in text
