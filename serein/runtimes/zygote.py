"""The pool's end of the conversation with a zygote process."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
from pathlib import Path
from typing import Any, Protocol

import orjson

_MESSAGE_BYTES_MAX = 65_536
_DESCRIPTORS_MAX = 8
_START_LIMIT_S = 30.0
_END_LIMIT_S = 6.0

# Makes the modules of `inside` importable by their full names without running the packages above them.
_PROGRAM = """
import sys, types
for name, path in (("serein", {top!r}), ("serein.runtimes", {runtimes!r})):
    module = types.ModuleType(name)
    module.__path__ = [path]
    sys.modules[name] = module
import json
from serein.runtimes.inside import zygote
zygote.main({descriptor}, json.loads({plan!r}))
"""


class Listener(Protocol):
    """Who is told of a forked child's life."""

    def on_spawned(self, pid: int, pidfd: int) -> None:
        """The child runs; the descriptor is the listener's to close."""
        ...

    def on_blank(self, served: dict[str, int]) -> None:
        """The child is shut in; these descriptors are to be served, and closed: listeners in its network, and its calls."""
        ...

    def on_settled(self) -> None:
        """The child is in its own file system and has no rights any more; it is about to run its command."""
        ...

    def on_socket(self, descriptor: int | None) -> None:
        """A TCP socket in the child's network; or there is none."""
        ...

    def on_device(self, device: int | None) -> None:
        """The child's network has a device, with this as its other end; or cannot have one."""
        ...

    def on_attached(self, done: bool) -> None:
        """The function's code is mounted, or could not be."""
        ...

    def on_exited(self, code: int | None) -> None:
        """The child has ended: exit status, negative signal number, or None when it could not even start."""
        ...


class ZygoteDied(Exception):
    """The zygote ended, or never started; the message says why where it is known."""


class Zygote:
    """A zygote process, started for one interpreter."""

    def __init__(self, python: str, plan: dict[str, Any]) -> None:
        self.machine: dict[str, Any] = {}
        self.missing: tuple[str, ...] = ()
        self.python_version = ""
        self.warm: asyncio.Future[None] | None = None  # done when what is preloaded is loaded
        self.path: list[str] = []  # where functions find AWS's packages
        self._python = python
        self._plan = plan
        self._listeners: dict[int, Listener] = {}
        self._process: subprocess.Popen[bytes] | None = None
        self._socket: socket.socket | None = None
        self._ready: asyncio.Future[None] | None = None
        self._gone: asyncio.Future[None] | None = None

    @property
    def alive(self) -> bool:
        """Whether it can still fork."""
        return self._socket is not None

    @property
    def pid(self) -> int | None:
        """Its process, while there is one."""
        return self._process.pid if self._process is not None else None

    async def start(self) -> None:
        """Start the process and wait until it is ready to fork. Raises ZygoteDied."""
        loop = asyncio.get_running_loop()
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            package = Path(__file__).resolve().parent
            program = _PROGRAM.format(
                top=str(package.parent),
                runtimes=str(package),
                descriptor=theirs.fileno(),
                plan=orjson.dumps(self._plan).decode(),
            )
            self._process = subprocess.Popen(
                [self._python, "-I", "-S", "-B", "-c", program],
                stdin=subprocess.DEVNULL,
                pass_fds=(theirs.fileno(),),
                # Nothing of the server's: a function can read what its process was started with.
                env={"PATH": "/usr/local/bin:/usr/bin:/bin", "LC_ALL": "C.UTF-8"},
                start_new_session=True,
            )
        ours.setblocking(False)
        self._socket = ours
        self._ready = loop.create_future()
        self._gone = loop.create_future()
        self.warm = loop.create_future()
        loop.add_reader(ours.fileno(), self._on_readable)
        try:
            await asyncio.wait_for(asyncio.shield(self._ready), _START_LIMIT_S)
        except TimeoutError:
            await self.close()
            raise ZygoteDied("the zygote did not become ready in time") from None
        except BaseException:
            await self.close()
            raise

    def fork(
        self,
        number: int,
        cgroups: list[str],
        descriptors: tuple[int, ...],
        listener: Listener,
        assignment: dict[str, Any] | None,
        *,
        ahead: bool = False,
    ) -> None:
        """Ask for a child that holds these ends of its channel and its logs; `ahead` of any need. Raises ZygoteDied.

        With an assignment it executes that one's command; without, it waits for an ASSIGN frame.
        """
        if self._socket is None:
            raise ZygoteDied("the zygote has ended")
        request = {
            "op": "fork",
            "id": number,
            "cgroups": cgroups,
            "assignment": assignment,
            "ahead": ahead,
        }
        message = orjson.dumps(request)
        self._listeners[number] = listener
        try:
            socket.send_fds(self._socket, [message], list(descriptors))
        except OSError as error:
            del self._listeners[number]
            raise ZygoteDied(f"the zygote does not listen: {error}") from error

    def make_socket(self, number: int) -> None:
        """Ask for a TCP socket in a child's network; its listener is told. Raises ZygoteDied."""
        if self._socket is None:
            raise ZygoteDied("the zygote has ended")
        try:
            self._socket.send(orjson.dumps({"op": "socket", "id": number}))
        except OSError as error:
            raise ZygoteDied(f"the zygote does not listen: {error}") from error

    def attach(self, number: int, code: str, opt: str | None, tmp_mb: int) -> None:
        """Ask to mount code in a child that began without; its listener is told. Raises ZygoteDied."""
        if self._socket is None:
            raise ZygoteDied("the zygote has ended")
        request = {"op": "attach", "id": number, "code": code, "opt": opt, "tmp_mb": tmp_mb}
        try:
            self._socket.send(orjson.dumps(request))
        except OSError as error:
            raise ZygoteDied(f"the zygote does not listen: {error}") from error

    def make_device(self, number: int) -> None:
        """Ask for a device in a child's network; its listener is told. Raises ZygoteDied."""
        if self._socket is None:
            raise ZygoteDied("the zygote has ended")
        try:
            self._socket.send(orjson.dumps({"op": "device", "id": number}))
        except OSError as error:
            raise ZygoteDied(f"the zygote does not listen: {error}") from error

    async def close(self) -> None:
        """End the process and every child it forked."""
        if self._process is None:
            return
        if self._socket is not None:
            self._socket.shutdown(socket.SHUT_WR)
        if self.machine.get("namespaces"):
            # Its children are to die with it, and theirs with them; without namespaces it has to clear up.
            self._process.kill()
        if self._gone is not None and not self._gone.done():
            try:
                await asyncio.wait_for(asyncio.shield(self._gone), _END_LIMIT_S)
            except TimeoutError:
                pass
        self._forget()
        # Its children asked to die with it.
        try:
            os.kill(self._process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self._process.wait()
        self._process = None

    def _on_readable(self) -> None:
        while self._socket is not None:
            try:
                data, descriptors, _, _ = socket.recv_fds(
                    self._socket, _MESSAGE_BYTES_MAX, _DESCRIPTORS_MAX
                )
            except BlockingIOError:
                return
            except OSError:
                data, descriptors = b"", []
            if not data:
                self._forget()
                return
            self._on_event(orjson.loads(data), list(descriptors))

    def _on_event(self, message: dict[str, Any], descriptors: list[int]) -> None:
        event = message["event"]
        if event == "ready":
            self.machine = message["machine"]
            self.missing = tuple(message["missing"])
            self.python_version = message["version"]
            self.path = message["path"]
            if self._ready is not None and not self._ready.done():
                self._ready.set_result(None)
            return
        if event == "warm":
            if self.warm is not None and not self.warm.done():
                self.warm.set_result(None)
            return
        # What names no child is of another version of the zygote, installed while this server ran.
        listener = self._listeners.get(message.get("id", 0))
        if listener is None:
            for descriptor in descriptors:
                os.close(descriptor)
        elif event == "spawned":
            pid = message["pid"]
            if self.machine.get("nested"):
                pid = _pid_here(descriptors[0]) or pid
            listener.on_spawned(pid, descriptors[0])
        elif event == "blank":
            listener.on_blank(dict(zip(message["names"], descriptors, strict=False)))
        elif event == "device":
            listener.on_device(descriptors[0] if descriptors else None)
        elif event == "socket":
            listener.on_socket(descriptors[0] if descriptors else None)
        elif event == "settled":
            listener.on_settled()
        elif event in ("attached", "lost"):
            listener.on_attached(event == "attached")
        elif event == "exited":
            del self._listeners[message["id"]]
            listener.on_exited(message["code"])
        elif event == "failed":
            del self._listeners[message["id"]]
            listener.on_exited(None)

    def _forget(self) -> None:
        if self._socket is None:
            return
        asyncio.get_running_loop().remove_reader(self._socket.fileno())
        self._socket.close()
        self._socket = None
        for future in (self._ready, self._gone):
            if future is not None and not future.done():
                if future is self._gone:
                    future.set_result(None)
                else:
                    future.set_exception(ZygoteDied("the zygote ended before it was ready"))
        listeners, self._listeners = self._listeners, {}
        for listener in listeners.values():
            listener.on_exited(None)


def _pid_here(pidfd: int) -> int | None:
    """The number that this process knows a child by: the zygote is in a process namespace of its own."""
    with open(f"/proc/self/fdinfo/{pidfd}", encoding="ascii") as file:
        for line in file:
            if line.startswith("Pid:"):
                pid = int(line.split()[1])
                return pid if pid > 0 else None
    return None
