"""A zygote with what it takes to make environments of one family of runtimes from it."""

from __future__ import annotations

import asyncio
import os
import shutil
from pathlib import Path
from typing import Any

import msgspec

from serein.runtimes import interpreters, names, notifications
from serein.runtimes.languages import Languages, find_languages
from serein.runtimes.spec import FunctionSpec, RuntimeUnavailable
from serein.runtimes.zygote import Zygote

EARLY_MAX = 2
WARM_LIMIT_S = 5.0
TMP_MB = 512  # of a child that does not know its function yet
_WRAPPER = "AWS_LAMBDA_EXEC_WRAPPER"
BARE_VARIABLES = {"PATH": "/usr/local/bin:/usr/bin:/bin", "LANG": "en_US.UTF-8", "TZ": ":UTC"}
_PASSWD = "root:x:0:0:root:/root:/sbin/nologin\n"
_HOSTS = "127.0.0.1 localhost sandbox.localdomain sandbox\n::1 localhost ip6-localhost\n"
_NSSWITCH = "passwd: files\ngroup: files\nhosts: files dns\n"


class Station(msgspec.Struct, kw_only=True):
    """A running zygote, and the facts that assignments need."""

    family: str
    zygote: Zygote
    python: interpreters.Python
    python_path: str
    node: str | None
    languages: Languages = Languages()
    key: str = ""
    early: int = 0  # children asked for before everything was preloaded

    async def warmth(self) -> None:
        """Wait until what is preloaded is there, but for the first few calls.

        A crowd that comes just after the start would else load it all over again, each for itself, and be slower together.
        """
        warm = self.zygote.warm
        if self.family != "python" or warm is None or warm.done():
            return
        self.early += 1
        if self.early > EARLY_MAX:
            await asyncio.wait([warm], timeout=WARM_LIMIT_S)

    @property
    def sandboxed(self) -> bool:
        """Whether its children have namespaces and a root of their own."""
        return bool(self.zygote.machine.get("namespaces"))

    @property
    def needs_proxy(self) -> bool:
        """Whether its children reach the world by a proxy: the kernel does not ask where they connect."""
        return self.sandboxed and not self.zygote.machine.get("watch")

    def command(self, spec: FunctionSpec | None, opt: str | None) -> list[str] | None:
        """What a child executes; None for Python's own."""
        if self.family == "python":
            return None
        if self.family == "nodejs":
            return self._node_command()
        if self.family != "provided":
            if spec is None:
                return None
            return self.languages.command(spec, opt, sandboxed=self.sandboxed)
        if spec is not None and spec.image is not None:
            return list(spec.image.command) or [""]
        if spec is None or spec.runtime.startswith("provided"):
            # https://docs.aws.amazon.com/lambda/latest/dg/runtimes-custom.html: the function's, else a layer's
            own = spec is None or opt is None or os.path.exists(f"{spec.code}/bootstrap")
            command = ["/var/task/bootstrap" if own else "/opt/bootstrap"]
        elif spec.runtime.startswith("nodejs"):
            command = self._node_command()
        elif not spec.runtime.startswith("python"):
            command = self.languages.command(spec, opt, sandboxed=self.sandboxed)
        else:
            command = [self.python.executable, "-B", f"{interpreters.INSIDE_SANDBOX}/wrapped.py"]
        wrapper = wrapper_of(spec) if spec is not None else ""
        # https://docs.aws.amazon.com/lambda/latest/dg/runtimes-modify.html#runtime-wrapper
        return [wrapper, *command] if wrapper else command

    def _node_command(self) -> list[str]:
        if self.node is None:
            raise RuntimeUnavailable("Node.js is not installed on this machine")
        bootstrap = "/var/runtime" if self.sandboxed else str(interpreters.INSIDE / "node")
        return [self.node, "--expose-gc", f"{bootstrap}/bootstrap.mjs"]


def wrapper_of(spec: FunctionSpec) -> str:
    """The program that a managed runtime is to be started by, "" when none is."""
    return "" if spec.runtime.startswith("provided") else spec.environment.get(_WRAPPER, "")


def extensions_in(opt: str | None) -> list[str]:
    """The external extensions of a function's layers, as the sandbox sees them."""
    if opt is None:
        return []
    try:
        names = sorted(os.listdir(f"{opt}/extensions"))
    except OSError:
        return []
    return [
        f"/opt/extensions/{name}"
        for name in names
        if os.path.isfile(f"{opt}/extensions/{name}")
        and os.access(f"{opt}/extensions/{name}", os.X_OK)
    ]


async def make_station(
    family: str,
    python: interpreters.Python,
    work: Path,
    *,
    isolate: bool,
    user_base: int,
    users: int,
    port: int,
) -> Station:
    """Start the zygote of a family, or of `provided/<family>` for a runtime started by somebody else.

    Raises RuntimeUnavailable, ZygoteDied.
    """
    family, _, managed = family.partition("/")
    languages = await asyncio.to_thread(find_languages, managed or family, work)
    node = interpreters.find_node()
    if family == "nodejs" and node is None:
        raise RuntimeUnavailable("Node.js is not installed on this machine")
    packages = interpreters.link_packages(python, work / "packages")
    people = "".join(
        f"sbx_user{user}:x:{user}:{user}::/home/sbx_user{user}:/sbin/nologin\n"
        for user in range(user_base, user_base + users)
    )
    plan = {
        "isolate": isolate,
        "root": {
            "binds": interpreters.root_binds(python, node) | languages.binds,
            "files": {
                "/etc/passwd": _PASSWD + people,
                "/etc/group": "root:x:0:\n",
                "/etc/hosts": names.hosts(_HOSTS),
                "/etc/nsswitch.conf": _NSSWITCH,
                "/etc/resolv.conf": names.resolver_configuration(),
            },
        },
        "readable": [
            python.prefix,
            str(packages),
            *python.packages.values(),
            str(interpreters.INSIDE),
            *languages.readable,
        ]
        + ([os.path.dirname(node)] if node else []),
        "path": sorted({str(Path(path).parent) for path in python.packages.values()}),
        "plain_path": [str(packages)],
        "watch": notifications.can_answer(),
        "port": port,
        "user": user_base,
        "preload": list(interpreters.PYTHON_PRELOAD) if family == "python" else [],
    }
    zygote = Zygote(python.executable, plan)
    await zygote.start()
    if family == "provided" and not zygote.machine.get("namespaces"):
        await zygote.close()
        raise RuntimeUnavailable("custom runtimes need a sandbox, and this machine allows none")
    return Station(
        family=family,
        zygote=zygote,
        python=python,
        python_path=":".join(zygote.path),
        node=node,
        languages=languages,
    )


def assignment_of(
    station: Station,
    spec: FunctionSpec | None,
    *,
    user: int,
    opt: str | None,
    tmp: str | None,
    data_limit_mb: int | None,
    environment: dict[str, str],
    ports: list[int],
) -> dict[str, Any]:
    """What a child settles on; without a spec its code is mounted later."""
    return {
        "code": spec.code if spec is not None else None,
        "opt": opt,
        "tmp": tmp,
        "tmp_mb": spec.ephemeral_mb if spec is not None else TMP_MB,
        "user": user if station.sandboxed else 0,
        "data_limit_mb": data_limit_mb,
        "environment": environment,
        "handler": spec.handler if spec is not None else "",
        "command": station.command(spec, opt),
        "stdin": spec is not None and spec.runtime.startswith("java"),
        "snapshot": False,
        "image": _image_view(spec),
        "extensions": _extensions(station, spec, opt),
        "ports": ports,
    }


def _image_view(spec: FunctionSpec | None) -> dict[str, str] | None:
    if spec is None or spec.image is None:
        return None
    return {"root": spec.image.root, "folder": spec.image.folder}


def _extensions(station: Station, spec: FunctionSpec | None, opt: str | None) -> list[str]:
    if spec is not None and spec.image is not None:
        return list(spec.image.extensions)
    return extensions_in(opt) if station.family == "provided" else []


def remove_folder(path: str) -> None:
    """Remove a folder and what is in it; what cannot be removed stays."""
    shutil.rmtree(path, ignore_errors=True)


def port_of(endpoint: str) -> int:
    """The port in an http:// URL."""
    port = endpoint.rpartition(":")[2].rstrip("/")
    return int(port) if port.isdigit() else 80
