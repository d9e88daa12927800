"""The zygote: a small, single-threaded interpreter that forks a function's process in a few milliseconds.

It speaks SOCK_SEQPACKET with the pool: JSON messages, with descriptors passed along. One request, one fork. It ends
when the pool does, and its children end with it.
"""

from __future__ import annotations

import contextlib
import gc
import os
import select
import shutil
import signal
import site
import socket
import ssl
import sys
import tempfile
import time
from collections.abc import Iterator
from typing import Any, TypedDict

from serein.runtimes.inside import confine, device, python, roots, sdk, seccomp, syscalls
from serein.runtimes.inside.child import Channel, Child, Findings

REHEARSALS = 10
END_LIMIT_S = 5.0


class ZygotePlan(TypedDict):
    """What the pool tells the zygote at its start."""

    isolate: bool
    root: roots.RootPlan
    readable: list[str]
    path: list[str]  # where AWS's packages are, if the root shows nothing else there
    plain_path: list[str]  # where they are by themselves, for functions without a root
    preload: list[str]
    watch: bool  # whether the server can answer for the kernel
    port: int  # Serein's own
    user: int  # who functions are where this process has only its own user to give


def main(descriptor: int, plan: ZygotePlan) -> None:
    """Serve the pool at the other end of `descriptor` until it is gone."""
    syscalls.prctl(syscalls.PR_SET_CHILD_SUBREAPER, 1)
    with contextlib.suppress(OSError):
        # Functions take their turn, but do not push the server off its processor each time they are woken: every
        # request would cost it two changes of context more (measured: a fifth of its time at 16 callers).
        os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))
    give_interactive_names()
    findings = Findings()
    if plan["isolate"] and os.geteuid() != 0:
        enter_user_namespace(plan["user"], findings)
    channel = Channel(descriptor)
    examine(plan, findings)
    if findings.machine["namespaces"]:
        # Without namespaces somebody has to stay behind and clear up: the zygote, when its channel ends.
        syscalls.prctl(syscalls.PR_SET_PDEATHSIG, signal.SIGKILL)
    path = plan["path"] if findings.machine["namespaces"] else plan["plain_path"]
    sys.path[:] = [*path, *sys.path]
    channel.send(
        {
            "event": "ready",
            "machine": findings.machine,
            "missing": findings.missing,
            "path": path,
            "version": sys.version.split()[0],
        }
    )
    Zygote(channel, findings, plan["preload"]).serve()


def enter_user_namespace(user: int, findings: Findings) -> None:
    """Without root: become `user` of a namespace of one's own, in which one has every right. Returns in a forked child.

    Its process and mount namespaces are left behind, too: only from those that it owns can it make others and come back.
    """
    owner, group = os.getuid(), os.getgid()
    try:
        syscalls.unshare(syscalls.CLONE_NEWUSER | syscalls.CLONE_NEWNS | syscalls.CLONE_NEWPID)
    except OSError as error:
        findings.missing.append(f"namespaces need root, or user namespaces: {error.strerror}")
        return
    for name, text in (
        ("setgroups", "deny"),
        ("uid_map", f"{user} {owner} 1"),
        ("gid_map", f"{user} {group} 1"),
    ):
        with open(f"/proc/self/{name}", "w", encoding="ascii") as file:
            file.write(text)
    child = os.fork()
    if child:
        # The first process of the new process namespace is the zygote; this one only tells its end.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        os.closerange(3, 64)
        _, status = os.waitpid(child, 0)
        os._exit(max(0, os.waitstatus_to_exitcode(status)))
    syscalls.prctl(syscalls.PR_SET_PDEATHSIG, signal.SIGKILL)
    findings.machine["nested"] = True
    try:
        syscalls.mount("none", "/", None, syscalls.MS_REC | syscalls.MS_PRIVATE)
        flags = syscalls.MS_NOSUID | syscalls.MS_NODEV | syscalls.MS_NOEXEC
        syscalls.mount("proc", "/proc", "proc", flags)
    except OSError as error:
        findings.missing.append(f"user namespaces: /proc cannot be mounted: {error.strerror}")


def examine(plan: ZygotePlan, findings: Findings) -> None:
    """Try what isolation needs, on a child that is thrown away, and build the root."""
    machine = findings.machine
    machine["readable"], machine["port"] = plan["readable"], plan["port"]
    try:
        findings.program = syscalls.SeccompProgram(seccomp.seccomp_code())
        machine["seccomp"] = True
    except NotImplementedError as error:
        findings.missing.append(str(error))
    if not plan["isolate"]:
        findings.missing.append("isolation was switched off")
    elif os.geteuid() == 0 or (machine["nested"] and not findings.missing):
        try:
            findings.root = _build_root(plan["root"], holds_proc=machine["nested"])
            machine["namespaces"] = True
            machine["change_user"] = not machine["nested"]
        except OSError as error:
            findings.missing.append(f"namespaces: {error.strerror}")
    if machine["namespaces"] and plan.get("watch"):
        watch = syscalls.SeccompProgram(seccomp.watch_code())
        if _can_watch(watch):
            findings.watch = watch
            machine["watch"] = True
    if not machine["namespaces"]:
        machine["landlock"] = syscalls.landlock_version()
        if not machine["landlock"]:
            findings.missing.append("the kernel has no Landlock")


def _build_root(plan: roots.RootPlan, *, holds_proc: bool) -> int:
    """A descriptor of the mount namespace that holds the sandboxes' root. Raises OSError."""
    ready, done = socket.socketpair()
    child = os.fork()
    if child == 0:
        code = 1
        done.close()
        try:
            syscalls.unshare(
                syscalls.CLONE_NEWIPC
                | syscalls.CLONE_NEWUTS
                | syscalls.CLONE_NEWCGROUP
                | syscalls.CLONE_NEWNET
                | syscalls.CLONE_NEWPID
            )
            roots.enter_new_root(plan, holds_proc=holds_proc)
            ready.sendall(b"\0" * 8)
            ready.recv(1)
            code = 0
        except OSError as error:
            ready.sendall((error.errno or 1).to_bytes(8, "little") + str(error).encode()[:900])
        finally:
            os._exit(code)
    ready.close()
    try:
        answer = done.recv(1024)
        failed = int.from_bytes(answer[:8], "little")
        if failed or not answer:
            raise OSError(failed or 5, answer[8:].decode() or "the root could not be built")
        return os.open(f"/proc/{child}/ns/mnt", os.O_RDONLY | os.O_CLOEXEC)
    finally:
        done.close()
        os.waitpid(child, 0)


def _can_watch(watch: syscalls.SeccompProgram) -> bool:
    """Whether the kernel lets a process be asked about: tried on a child, for there is no way back."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            watch.install_watched()
            code = 0
        finally:
            os._exit(code)
    return os.waitpid(child, 0)[1] == 0


_ABSENT_INSIDE = ("awscrt",)


def _warm_up(modules: list[str], preloaded: dict[str, bool]) -> Iterator[None]:
    """Import what functions mostly need, step by step, so that a request need not wait for all of it.

    `preloaded` gets the top-level names that a function's own module may take over: True for packages outside the
    standard library, which go together.
    """
    # The zygote sees Serein's whole environment, its children only AWS's packages: what boto3 takes when it
    # happens to be there must not be taken.
    sys.modules.update(dict.fromkeys(_ABSENT_INSIDE))  # type: ignore[arg-type]
    before = set(sys.modules)
    for name in modules:
        try:
            __import__(name)
        except Exception:
            continue  # a package that this version of Python is too old or too new for
        standard: frozenset[str] = getattr(
            sys, "stdlib_module_names", frozenset()
        )  # Python 3.9 has no such list
        for loaded in {loaded.partition(".")[0] for loaded in set(sys.modules) - before}:
            preloaded[loaded] = loaded not in standard
        yield
    if modules:
        yield from sdk.warm_up()
        _rehearse()
    for name in _ABSENT_INSIDE:
        del sys.modules[name]
    gc.collect()
    gc.freeze()


def _rehearse() -> None:
    """Do once what every child will do, so that what is loaded and set up on first use is there before the fork."""
    ssl.RAND_bytes(16)
    folder = tempfile.mkdtemp(prefix="serein-rehearsal-")
    try:
        with open(folder + "/rehearsal_of_serein.py", "w", encoding="utf-8") as file:
            file.write("def handler(event, context):\n    return event\n")
        sys.path.insert(0, folder)
        for _ in range(REHEARSALS):
            python.find_handler("rehearsal_of_serein.handler")
            del sys.modules["rehearsal_of_serein"]
    finally:
        sys.path.remove(folder)
        sys.path_importer_cache.pop(folder, None)
        shutil.rmtree(folder, ignore_errors=True)
        tempfile.tempdir = None  # each child has its own


class Zygote:
    """The loop: forks on request, tells of each child's end."""

    def __init__(self, channel: Channel, findings: Findings, modules: list[str]) -> None:
        self._channel = channel
        self._findings = findings
        self._preloaded: dict[str, bool] = {}
        self._steps: Iterator[None] | None = _warm_up(modules, self._preloaded)
        self._children: dict[int, int] = {}
        self._dumps = python.encoder()
        self._own_pids = os.open("/proc/self/ns/pid", os.O_RDONLY | os.O_CLOEXEC)
        self._own_mounts = os.open("/proc/self/ns/mnt", os.O_RDONLY | os.O_CLOEXEC)
        self._own_network = os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC)

    def serve(self) -> None:
        """Answer the pool until it is gone, then leave nobody behind."""
        wake_read, wake_write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.set_wakeup_fd(wake_write, warn_on_full_buffer=False)
        poll = select.poll()
        poll.register(self._channel.fileno(), select.POLLIN)
        poll.register(wake_read, select.POLLIN)
        gc.disable()
        while True:
            events = poll.poll(None if self._steps is None else 0)
            if not events:
                self._step()
            for descriptor, _ in events:
                if descriptor == wake_read:
                    os.read(wake_read, 4096)
                    self._reap()
                    continue
                received = self._channel.receive()
                if received is None:
                    self._end()
                    return
                if received[0]["op"] == "attach":
                    self._attach(received[0])
                elif received[0]["op"] == "device":
                    self._make_device(received[0])
                elif received[0]["op"] == "socket":
                    self._make_socket(received[0])
                else:
                    self._fork(*received)

    def _step(self) -> None:
        """A little of the warming up, when nobody asks for anything."""
        if self._steps is not None and next(self._steps, self._steps) is self._steps:
            self._steps = None
            self._channel.send({"event": "warm"})

    def _attach(self, request: dict[str, Any]) -> None:
        """Mount a function's code in the file system of a child that has begun without it."""
        pid = next((p for p, number in self._children.items() if number == request["id"]), None)
        event = {"event": "attached", "id": request["id"]}
        if pid is not None:
            try:
                confine.attach_code(pid, self._own_mounts, request)
            except OSError as error:
                event = {"event": "lost", "id": request["id"], "reason": str(error)}
        self._channel.send(event)

    def _make_socket(self, request: dict[str, Any]) -> None:
        """A TCP socket that belongs to a child's network, for the pool."""
        pid = next((p for p, number in self._children.items() if number == request["id"]), None)
        passed: tuple[int, ...] = ()
        if pid is not None:
            try:
                passed = (device.make_socket(pid, self._own_network),)
            except OSError as error:
                request = {**request, "reason": str(error)}
        self._channel.send({**request, "event": "socket"}, passed)
        for descriptor in passed:
            os.close(descriptor)

    def _make_device(self, request: dict[str, Any]) -> None:
        """Give a child's network a device; its other end goes to the pool."""
        pid = next((p for p, number in self._children.items() if number == request["id"]), None)
        passed: tuple[int, ...] = ()
        if pid is not None:
            try:
                passed = (device.make_device(pid, self._own_network),)
            except OSError as error:
                request = {**request, "reason": str(error)}
        self._channel.send({**request, "event": "device"}, passed)
        for descriptor in passed:
            os.close(descriptor)

    def _fork(self, request: dict[str, Any], descriptors: list[int]) -> None:
        namespaces = self._findings.machine["namespaces"]
        try:
            if namespaces:
                syscalls.unshare(syscalls.CLONE_NEWPID)
            try:
                pid = os.fork()
                if pid == 0:
                    signal.set_wakeup_fd(-1)
                    child = Child(self._channel, self._findings, self._preloaded, self._dumps)
                    child.run(request, descriptors)
            finally:
                if namespaces:
                    # Else the next unshare fails, and no thread can start here.
                    syscalls.setns(self._own_pids, syscalls.CLONE_NEWPID)
            self._children[pid] = request["id"]
            pidfd = os.pidfd_open(pid)
            message = {"event": "spawned", "id": request["id"], "pid": pid}
            self._channel.send(message, (pidfd,))
            os.close(pidfd)
        except OSError as error:
            message = {"event": "failed", "id": request["id"], "reason": str(error)}
            self._channel.send(message)
        finally:
            for descriptor in descriptors:
                os.close(descriptor)

    def _reap(self) -> None:
        reaped = False
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                break
            if pid == 0:
                break
            reaped = True
            number = self._children.pop(pid, None)
            if number is not None:
                code = os.waitstatus_to_exitcode(status)
                self._channel.send({"event": "exited", "id": number, "code": code})
        if reaped and not self._findings.machine["namespaces"]:
            # The children of a killed orphan fall to the zygote in turn: each death is a reason to look.
            self._kill_orphans()

    def _kill_orphans(self) -> None:
        """Without a pid namespace, what a dead function left behind falls to the zygote; it ends here."""
        with open(f"/proc/self/task/{os.getpid()}/children", encoding="ascii") as file:
            for text in file.read().split():
                if int(text) not in self._children:
                    os.kill(int(text), signal.SIGKILL)

    def _end(self) -> None:
        """Kill everybody, and whoever falls to the zygote because of that, until nobody is left."""
        for pid in self._children:
            os.kill(pid, signal.SIGKILL)
        deadline = time.monotonic() + END_LIMIT_S
        while time.monotonic() < deadline:
            try:
                pid, _ = os.waitpid(-1, 0)
            except ChildProcessError:
                return
            self._children.pop(pid, None)
            self._kill_orphans()


def give_interactive_names() -> None:
    """`exit`, `quit` and their like, which a start without the site module lacks."""
    site.setquit()
    site.setcopyright()
    site.sethelper()
