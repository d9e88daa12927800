"""The zygote: a small, single-threaded interpreter that forks a function's process in a few milliseconds.

It speaks SOCK_SEQPACKET with the pool: JSON messages, with descriptors passed along. One request, one fork. It ends
when the pool does, and its children end with it.
"""

from __future__ import annotations

import array
import fcntl
import gc
import json
import os
import resource
import select
import signal
import site
import socket
import ssl
import sys
import time
from typing import Any, TypedDict

from serein.runtimes.inside import confine, frames, python, roots, seccomp, syscalls

_MESSAGE_BYTES_MAX = 65_536
_DESCRIPTORS_MAX = 4


class ZygotePlan(TypedDict):
    """What the pool tells the zygote at its start."""

    isolate: bool
    root: roots.RootPlan
    readable: list[str]
    path: list[str]  # where AWS's packages are, if the root shows nothing else there
    plain_path: list[str]  # where they are by themselves, for functions without a root
    preload: list[str]


class Findings:
    """What of the isolation this machine allows, and what it does not, with the reasons."""

    def __init__(self) -> None:
        self.machine: confine.Machine = {
            "namespaces": False,
            "change_user": False,
            "seccomp": False,
            "landlock": 0,
            "readable": [],
        }
        self.missing: list[str] = []
        self.root: int | None = None
        self.program: syscalls.SeccompProgram | None = None


class Channel:
    """The zygote's end of its conversation with the pool."""

    def __init__(self, descriptor: int) -> None:
        # Out of the way of the numbers that a child gives its own descriptors, 3 kept free for its channel.
        moved = fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, 16)
        os.close(descriptor)
        nothing = os.open("/dev/null", os.O_RDONLY)
        if nothing != confine.CHANNEL:
            os.dup2(nothing, confine.CHANNEL, inheritable=False)
            os.close(nothing)
        self._socket = socket.socket(fileno=moved)

    def fileno(self) -> int:
        """The descriptor, for poll."""
        return self._socket.fileno()

    def receive(self) -> tuple[dict[str, Any], list[int]] | None:
        """The next message and its descriptors, or None when the pool is gone."""
        data, descriptors, _, _ = socket.recv_fds(
            self._socket, _MESSAGE_BYTES_MAX, _DESCRIPTORS_MAX
        )
        if not data:
            return None
        message: dict[str, Any] = json.loads(data)
        return message, list(descriptors)

    def send(self, message: dict[str, Any], descriptors: tuple[int, ...] = ()) -> None:
        """Send a message; a pool that is gone is noticed by the next receive."""
        ancillary = []
        if descriptors:
            passed = array.array("i", descriptors)
            ancillary = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, passed)]
        try:
            self._socket.sendmsg([json.dumps(message).encode()], ancillary)
        except BrokenPipeError:
            pass


def main(descriptor: int, plan: ZygotePlan) -> None:
    """Serve the pool at the other end of `descriptor` until it is gone."""
    syscalls.prctl(syscalls.PR_SET_PDEATHSIG, signal.SIGKILL)
    syscalls.prctl(syscalls.PR_SET_CHILD_SUBREAPER, 1)
    give_interactive_names()
    channel = Channel(descriptor)
    findings = examine(plan)
    path = plan["path"] if findings.machine["namespaces"] else plan["plain_path"]
    preloaded = _preload(path, plan["preload"])
    channel.send(
        {
            "event": "ready",
            "machine": findings.machine,
            "missing": findings.missing,
            "path": path,
            "version": sys.version.split()[0],
        }
    )
    Zygote(channel, findings, preloaded).serve()


def examine(plan: ZygotePlan) -> Findings:
    """Try what isolation needs, on a child that is thrown away, and build the root."""
    findings = Findings()
    machine = findings.machine
    machine["readable"] = plan["readable"]
    try:
        findings.program = syscalls.SeccompProgram(seccomp.seccomp_code())
        machine["seccomp"] = True
    except NotImplementedError as error:
        findings.missing.append(str(error))
    if not plan["isolate"]:
        findings.missing.append("isolation was switched off")
    elif os.geteuid() != 0:
        findings.missing.append("namespaces need root")
    else:
        try:
            findings.root = _build_root(plan["root"])
            machine["namespaces"] = machine["change_user"] = True
        except OSError as error:
            findings.missing.append(f"namespaces: {error.strerror}")
    if not machine["namespaces"]:
        machine["landlock"] = syscalls.landlock_version()
        if not machine["landlock"]:
            findings.missing.append("the kernel has no Landlock")
    return findings


def _build_root(plan: roots.RootPlan) -> int:
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
            roots.enter_new_root(plan)
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


def _preload(path: list[str], modules: list[str]) -> dict[str, bool]:
    """Import what functions mostly need. Returns the top-level names that a function's own module may take over:
    True for packages outside the standard library, which go together."""
    before = set(sys.modules)
    sys.path[:] = [*path, *sys.path]
    for name in modules:
        try:
            __import__(name)
        except ImportError:
            continue
    gc.collect()
    standard = sys.stdlib_module_names
    names = {name.partition(".")[0] for name in set(sys.modules) - before}
    return {name: name not in standard for name in names}


class Zygote:
    """The loop: forks on request, tells of each child's end."""

    def __init__(self, channel: Channel, findings: Findings, preloaded: dict[str, bool]) -> None:
        self._channel = channel
        self._findings = findings
        self._preloaded = preloaded
        self._children: dict[int, int] = {}
        self._own_pids = os.open("/proc/self/ns/pid", os.O_RDONLY | os.O_CLOEXEC)
        self._own_mounts = os.open("/proc/self/ns/mnt", os.O_RDONLY | os.O_CLOEXEC)

    def serve(self) -> None:
        """Answer the pool until it is gone, then leave nobody behind."""
        wake_read, wake_write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.set_wakeup_fd(wake_write, warn_on_full_buffer=False)
        poll = select.poll()
        poll.register(self._channel.fileno(), select.POLLIN)
        poll.register(wake_read, select.POLLIN)
        gc.freeze()
        gc.disable()
        while True:
            for descriptor, _ in poll.poll():
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
                else:
                    self._fork(*received)

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

    def _fork(self, request: dict[str, Any], descriptors: list[int]) -> None:
        namespaces = self._findings.machine["namespaces"]
        try:
            if namespaces:
                syscalls.unshare(syscalls.CLONE_NEWPID)
            try:
                pid = os.fork()
                if pid == 0:
                    signal.set_wakeup_fd(-1)
                    Child(self._channel, self._findings, self._preloaded).run(request, descriptors)
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
        for pid in self._children:
            os.kill(pid, signal.SIGKILL)
        deadline = time.monotonic() + 5.0
        while self._children and time.monotonic() < deadline:
            try:
                pid, _ = os.waitpid(-1, 0)
            except ChildProcessError:
                return
            self._children.pop(pid, None)
            if not self._findings.machine["namespaces"]:
                self._kill_orphans()


class Child:
    """A forked process on its way to become a function's."""

    def __init__(self, channel: Channel, findings: Findings, preloaded: dict[str, bool]) -> None:
        self._channel = channel
        self._findings = findings
        self._preloaded = preloaded

    def run(self, request: dict[str, Any], descriptors: list[int]) -> None:
        """Never returns."""
        code = 1
        try:
            self._become(request, descriptors)
            code = 0
        except SystemExit as ending:
            code = _exit_code(ending)
        except BaseException as error:
            sys.stderr.write(f"{type(error).__name__}: {error}\n")
        finally:
            for stream in (sys.stdout, sys.stderr):
                try:
                    stream.flush()
                except (OSError, ValueError):
                    pass
            os._exit(code)

    def _become(self, request: dict[str, Any], descriptors: list[int]) -> None:
        for number in (signal.SIGCHLD, signal.SIGINT, signal.SIGPIPE, signal.SIGXFSZ):
            # A runtime that is executed would inherit what Python ignores.
            if request["assignment"] is not None or number in (signal.SIGCHLD, signal.SIGINT):
                signal.signal(number, signal.SIG_DFL)
        _place_descriptors(*descriptors)
        findings = self._findings
        listeners = confine.become_blank(findings.machine, request["cgroups"])
        passed = tuple(listener.fileno() for listener in listeners)
        self._channel.send({"event": "blank", "id": request["id"]}, passed)
        for listener in listeners:
            listener.close()
        assignment: confine.Assignment | None = request["assignment"]
        if assignment is not None:
            confine.settle(findings.machine, assignment, findings.root, findings.program)
            self._channel.send({"event": "settled", "id": request["id"]})
            _execute(assignment)
        channel = frames.FrameSocket(socket.socket(fileno=confine.CHANNEL))
        try:
            kind, meta, _ = channel.receive()
        except (frames.Closed, OSError):
            return
        if kind == frames.ASSIGN:
            assignment = json.loads(meta)
            confine.settle(findings.machine, assignment, findings.root, findings.program)
            self._serve(channel, assignment)

    def _serve(self, channel: frames.FrameSocket, assignment: confine.Assignment) -> None:
        syscalls.close_from(confine.CHANNEL + 1)
        # Children that are each pid 1 of their namespace would draw the same numbers from OpenSSL.
        ssl.RAND_add(os.urandom(32), 32.0)
        os.environ.clear()
        os.environ.update(assignment["environment"])
        time.tzset()
        _replace_streams()
        task_root = assignment["environment"]["LAMBDA_TASK_ROOT"]
        os.chdir(task_root)
        version = f"python{sys.version_info.major}.{sys.version_info.minor}"
        layered = [f"/opt/python/lib/{version}/site-packages", "/opt/python"]
        if assignment["opt"] is None:
            layered = []
        elif not self._findings.machine["namespaces"]:
            layered = [assignment["opt"] + path.removeprefix("/opt") for path in layered]
        sys.path[:] = [task_root, *layered, *sys.path]
        _give_way(self._preloaded, [task_root, *layered])
        gc.enable()
        python.serve(channel, assignment["handler"], _peak_kib)


def _execute(assignment: confine.Assignment) -> None:
    """Become another program, which finds the channel at its descriptor; returns only for want of a command."""
    command = assignment["command"]
    if not command:
        return
    os.set_inheritable(confine.CHANNEL, True)
    syscalls.close_from(confine.CHANNEL + 1)
    os.execve(command[0], command, assignment["environment"])


def _place_descriptors(connection: int, log: int) -> None:
    """The channel at 3 (kept free since the start), the log at 1 and 2, nothing at 0."""
    nothing = os.open("/dev/null", os.O_RDONLY)
    os.dup2(nothing, 0)
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.dup2(connection, confine.CHANNEL, inheritable=False)
    for descriptor in (connection, log, nothing):
        os.close(descriptor)


def _replace_streams() -> None:
    """Text streams on the log, written at each line's end, whatever the text holds."""
    sys.stdout = open(1, "w", 1, "utf-8", "backslashreplace", closefd=False)  # noqa: SIM115
    sys.stderr = open(2, "w", 1, "utf-8", "backslashreplace", closefd=False)  # noqa: SIM115


def _give_way(preloaded: dict[str, bool], folders: list[str]) -> None:
    """Forget preloaded modules that the function brings itself; packages outside the standard library go together."""
    names: set[str] = set()
    for folder in folders:
        try:
            names.update(entry.name.partition(".")[0] for entry in os.scandir(folder))
        except OSError:
            continue
    taken = {name for name in names if name in preloaded}
    if not taken:
        return
    if any(preloaded[name] for name in taken):
        taken.update(name for name, packaged in preloaded.items() if packaged)
    for module in list(sys.modules):
        if module.partition(".")[0] in taken:
            del sys.modules[module]


def _peak_kib() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def _exit_code(ending: SystemExit) -> int:
    if ending.code is None:
        return 0
    if isinstance(ending.code, int):
        return ending.code & 0xFF
    sys.stderr.write(f"{ending.code}\n")
    return 1


def give_interactive_names() -> None:
    """`exit`, `quit` and their like, which a start without the site module lacks."""
    site.setquit()
    site.setcopyright()
    site.sethelper()
