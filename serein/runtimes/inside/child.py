"""A forked process on its way to become a function's."""

from __future__ import annotations

import array
import fcntl
import gc
import json
import os
import resource
import signal
import socket
import ssl
import sys
import time
from typing import Any

from serein.runtimes.inside import confine, frames, images, python, snapshots, syscalls

_MESSAGE_BYTES_MAX = 65_536
_DESCRIPTORS_MAX = 4


class Findings:
    """What of the isolation this machine allows, and what it does not, with the reasons."""

    def __init__(self) -> None:
        self.machine: confine.Machine = {
            "namespaces": False,
            "change_user": False,
            "nested": False,
            "seccomp": False,
            "watch": False,
            "landlock": 0,
            "readable": [],
            "port": 0,
        }
        self.missing: list[str] = []
        self.root: int | None = None
        self.program: syscalls.SeccompProgram | None = None
        self.watch: syscalls.SeccompProgram | None = None


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


class Child:
    """A forked process on its way to become a function's."""

    def __init__(
        self,
        channel: Channel,
        findings: Findings,
        preloaded: dict[str, bool],
        dumps: python.Dumps,
    ) -> None:
        self._channel = channel
        self._findings = findings
        self._preloaded = preloaded
        self._dumps = dumps

    def run(self, request: dict[str, Any], descriptors: list[int]) -> None:
        """Never returns."""
        code = 1
        try:
            self._become(request, descriptors)
            code = 0
        except SystemExit as ending:
            code = _exit_code(ending)
        except KeyboardInterrupt:
            code = 130  # as a shell tells of it
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
        extension_log = _place_descriptors(*descriptors)
        findings = self._findings
        served = confine.become_blank(findings.machine, request["cgroups"], findings.watch)
        event = {"event": "blank", "id": request["id"], "names": list(served)}
        self._channel.send(event, tuple(served.values()))
        for descriptor in served.values():
            os.close(descriptor)
        assignment: confine.Assignment | None = request["assignment"]
        if assignment is not None:
            confine.settle(findings.machine, assignment, findings.root, findings.program)
            self._channel.send({"event": "settled", "id": request["id"]})
            _execute(assignment, extension_log)
        channel = frames.FrameSocket(socket.socket(fileno=confine.CHANNEL))
        # Children that are each pid 1 of their namespace would draw the same numbers from OpenSSL.
        ssl.RAND_add(os.urandom(32), 32.0)
        _replace_streams()
        if request["ahead"]:
            python.rehearse(channel, self._dumps)
        try:
            kind, meta, _ = channel.receive()
        except (frames.Closed, OSError):
            return
        if kind == frames.ASSIGN:
            assignment = json.loads(meta)
            confine.settle(findings.machine, assignment, findings.root, findings.program)
            _execute(assignment, extension_log)
            self._serve(channel, assignment)

    def _serve(self, channel: frames.FrameSocket, assignment: confine.Assignment) -> None:
        syscalls.close_from(confine.CHANNEL + 1)
        os.environ.clear()
        os.environ.update(assignment["environment"])
        time.tzset()
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
        snapshots.provide_hooks()
        snapshot = snapshots.become_template if assignment["snapshot"] else None
        python.serve(channel, assignment["handler"], _peak_kib, self._dumps, snapshot)


def _execute(assignment: confine.Assignment, extension_log: int) -> None:
    """Become another program, which finds the channel at its descriptor; returns only for want of a command."""
    command = assignment["command"]
    if not command:
        return
    os.set_inheritable(confine.CHANNEL, True)
    environment = assignment["environment"]
    if assignment["image"] is not None:
        images.enter_folder(assignment["image"])
        os.set_inheritable(confine.CHANNEL, False)  # it is spoken to by the Runtime API alone
        command = [images.find_program(command[0], environment["PATH"]), *command[1:]]
    for extension in assignment["extensions"]:
        if os.fork() == 0:
            if extension_log >= 0:
                os.dup2(extension_log, 1)
                os.dup2(extension_log, 2)
            syscalls.close_from(confine.CHANNEL)
            _become_program([extension], environment)
    syscalls.close_from(confine.CHANNEL + 1)
    if assignment["stdin"]:
        # For those that can use no other descriptor.
        os.dup2(confine.CHANNEL, 0)
        os.set_inheritable(confine.CHANNEL, False)
    _become_program(command, environment)


def _become_program(command: list[str], environment: dict[str, str]) -> None:
    """Never returns: exit codes are a shell's."""
    try:
        os.execve(command[0], command, environment)
    except FileNotFoundError:
        os._exit(127)
    except OSError:
        os._exit(126)


def _place_descriptors(connection: int, log: int, extension_log: int = -1) -> int:
    """The channel at 3 (kept free since the start), the log at 1 and 2, nothing at 0; where extensions' log is."""
    nothing = os.open("/dev/null", os.O_RDONLY)
    os.dup2(nothing, 0)
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.dup2(connection, confine.CHANNEL, inheritable=False)
    for descriptor in (connection, log, nothing):
        os.close(descriptor)
    return extension_log


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
