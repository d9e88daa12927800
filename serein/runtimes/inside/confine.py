"""A forked child shuts itself in: first what is alike for every function, then what its function asks for.

The order matters and is explained step by step; a step that fails ends the child before any code of the function ran.
"""

from __future__ import annotations

import errno
import fcntl
import os
import resource
import socket
import struct
from collections.abc import Mapping
from typing import Any, TypedDict

from serein.runtimes.inside import images, syscalls

ENDPOINT_PORT = 4566
RUNTIME_API_PORT = 9001
PROXY_PORT = 3128
NAMES_PORT = 53
CHANNEL = 3  # the descriptor of the frame socket in a function's process

_SIOCSIFFLAGS = 0x8914
_IFF_UP_RUNNING = 0x41
_FILES_MAX = 1024  # https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
_THREADS_MAX = 1024
_TMP_INODES_MAX = 262_144

_LANDLOCK_READ = 0b1101  # execute, read a file, read a folder
_LANDLOCK_FILES = {1: (1 << 13) - 1, 2: (1 << 14) - 1, 3: (1 << 15) - 1, 4: (1 << 15) - 1}
_LANDLOCK_FILES_LATEST = (1 << 16) - 1
_LANDLOCK_TCP_BIND_CONNECT = 0b11
_LANDLOCK_TCP_CONNECT = 0b10
_LANDLOCK_ABSTRACT_SOCKETS_AND_SIGNALS = 0b11
_LANDLOCK_READABLE = (
    "/usr",
    "/lib",
    "/lib64",
    "/bin",
    "/etc/ssl",
    "/etc/pki",
    "/etc/ld.so.cache",
    "/etc/alternatives",
    "/etc/localtime",
    "/etc/hosts",
    "/etc/resolv.conf",
    "/etc/nsswitch.conf",
    "/proc/self",
)


class Machine(TypedDict):
    """What the zygote found that this machine can do."""

    namespaces: bool
    change_user: bool
    nested: bool  # whether all of this happens in a user namespace of its own
    seccomp: bool
    watch: bool  # whether the server is asked about calls that name an address
    landlock: int  # version, 0 for none
    readable: list[str]  # for Landlock: what the runtime reads
    port: int  # Serein's own: addresses that it gave out lead there


class Assignment(TypedDict):
    """What the pool wants a blank child to become."""

    code: str | None  # None: mounted later
    opt: str | None
    tmp: str | None  # a folder on the host, where there is no private /tmp
    tmp_mb: int
    user: int
    data_limit_mb: int | None  # RLIMIT_DATA, where no cgroup counts memory
    environment: dict[str, str]
    handler: str
    command: list[str] | None  # executed when there is one, else Python serves in process
    stdin: bool  # whether the command finds the channel in place of its standard input
    image: images.ImageView | None  # its root, if it is not the sandboxes' own
    extensions: list[str]  # programs that are started before it
    snapshot: bool  # whether others are to be forked from it once it is initialised
    ports: list[int]  # TCP ports that Landlock leaves open


def become_blank(
    machine: Machine, cgroups: list[str], watch: syscalls.SeccompProgram | None
) -> dict[str, int]:
    """Own session, cgroups and namespaces, loopback up. Returns the descriptors that the pool is to serve, by name.

    Without a session of its own, `kill(0, …)` in the function would reach the zygote.
    """
    os.setsid()
    for path in cgroups:
        # Host paths: before the file system changes. This process has one thread, and version 1 moves a thread that
        # names itself without a lock for which moving a process waits some 12 ms.
        tasks = path + "/tasks"
        file = tasks if os.path.exists(tasks) else path + "/cgroup.procs"
        descriptor = os.open(file, os.O_WRONLY)
        os.write(descriptor, b"0")
        os.close(descriptor)
    if not machine["namespaces"]:
        syscalls.prctl(syscalls.PR_SET_CHILD_SUBREAPER, 1)
        return {}
    syscalls.unshare(
        syscalls.CLONE_NEWIPC
        | syscalls.CLONE_NEWUTS
        | syscalls.CLONE_NEWCGROUP
        | syscalls.CLONE_NEWNET
    )
    socket.sethostname("169.254.10.1")
    syscalls.drop_bounding_set()
    served = _listen_inside("names" if watch is not None else "proxy", machine["port"])
    if watch is not None:
        # From here on whoever binds or connects waits for the pool.
        served["watch"] = watch.install_watched()
    return served


def _listen_inside(way_out: str, own_port: int) -> dict[str, int]:
    """Loopback up, and listeners at Serein's addresses in this network namespace, which has no other way out."""
    datagrams = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    fcntl.ioctl(datagrams, _SIOCSIFFLAGS, struct.pack("16sH14x", b"lo", _IFF_UP_RUNNING))
    last = NAMES_PORT if way_out == "names" else PROXY_PORT
    served: dict[str, int] = {}
    ports = {"endpoint": ENDPOINT_PORT, "runtime_api": RUNTIME_API_PORT, way_out: last}
    if own_port and own_port not in ports.values():
        ports["own"] = own_port  # the URLs of queues, for one, have it
    for name, port in ports.items():
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", port))
        listener.listen(64)
        served[name] = listener.detach()
    if way_out == "names":
        datagrams.bind(("127.0.0.1", NAMES_PORT))
        served["name_datagrams"] = datagrams.detach()
    return served


def settle(
    machine: Machine,
    assignment: Assignment,
    root: int | None,
    filter_program: syscalls.SeccompProgram | None,
) -> None:
    """Take on the function's file system, limits and user, and give up every right; not to be undone."""
    if machine["namespaces"] and root is not None:
        _enter_root(assignment, root)
    _limit(assignment)
    if machine["change_user"]:
        os.setgroups([])
        os.setresgid(assignment["user"], assignment["user"], assignment["user"])
        os.setresuid(assignment["user"], assignment["user"], assignment["user"])
    if machine["namespaces"]:
        syscalls.drop_capabilities()
        # A change of user makes /proc/self another's; the function owns what it is.
        syscalls.prctl(syscalls.PR_SET_DUMPABLE, 1)
    syscalls.prctl(syscalls.PR_SET_NO_NEW_PRIVS, 1)
    # After the change of user, which clears it.
    syscalls.prctl(syscalls.PR_SET_PDEATHSIG, 9)
    if not machine["namespaces"] and machine["landlock"]:
        _restrict_by_landlock(machine, assignment)
    if filter_program is not None:
        filter_program.install()


def _enter_root(assignment: Assignment, root: int) -> None:
    image = assignment["image"]
    if image is not None:
        images.enter_image(image, root, _tmp_options(assignment["tmp_mb"]))
        return
    # Trees are opened while the host's paths are still to be seen, attached when they no longer are.
    code = syscalls.open_read_only_tree(assignment["code"]) if assignment["code"] else None
    opt = syscalls.open_read_only_tree(assignment["opt"]) if assignment["opt"] else None
    syscalls.setns(root, syscalls.CLONE_NEWNS)
    syscalls.unshare(syscalls.CLONE_NEWNS)
    if code is not None:
        syscalls.attach_tree(code, "/var/task")
    if opt is not None:
        syscalls.attach_tree(opt, "/opt")
    flags = syscalls.MS_NOSUID | syscalls.MS_NODEV
    syscalls.mount("tmpfs", "/tmp", "tmpfs", flags, _tmp_options(assignment["tmp_mb"]))
    syscalls.mount("proc", "/proc", "proc", flags | syscalls.MS_NOEXEC, "hidepid=2")
    os.chdir("/var/task")


def _tmp_options(size_mb: int) -> str:
    return f"size={size_mb}m,nr_inodes={_TMP_INODES_MAX},mode=1777"


def attach_code(pid: int, own_mounts: int, request: Mapping[str, Any]) -> None:
    """In the zygote: give a child its code, its layers and the size of its /tmp, and come back."""
    code = syscalls.open_read_only_tree(request["code"])
    opt = syscalls.open_read_only_tree(request["opt"]) if request["opt"] else None
    theirs = os.open(f"/proc/{pid}/ns/mnt", os.O_RDONLY | os.O_CLOEXEC)
    try:
        if os.fstat(theirs).st_ino == os.fstat(own_mounts).st_ino:
            # Never on the host: the pool asks only once the child has said that it is inside.
            raise OSError(errno.EBUSY, "the child has not entered its root")
        syscalls.setns(theirs, syscalls.CLONE_NEWNS)
        syscalls.attach_tree(code, "/var/task")
        if opt is not None:
            syscalls.attach_tree(opt, "/opt")
        flags = syscalls.MS_NOSUID | syscalls.MS_NODEV | syscalls.MS_REMOUNT
        syscalls.mount("tmpfs", "/tmp", "tmpfs", flags, _tmp_options(request["tmp_mb"]))
    finally:
        syscalls.setns(own_mounts, syscalls.CLONE_NEWNS)
        os.close(theirs)


def _limit(assignment: Assignment) -> None:
    _lower(resource.RLIMIT_CORE, 0)
    _lower(resource.RLIMIT_NOFILE, _FILES_MAX)
    _lower(resource.RLIMIT_FSIZE, assignment["tmp_mb"] * 1024 * 1024)
    if assignment["user"]:
        # The limit counts per user: it means something only where each environment has its own.
        _lower(resource.RLIMIT_NPROC, _THREADS_MAX)
    if assignment["data_limit_mb"] is not None:
        _lower(resource.RLIMIT_DATA, assignment["data_limit_mb"] * 1024 * 1024)


def _lower(kind: int, value: int) -> None:
    """Set soft and hard limit to `value`, or to the hard limit where that is lower already."""
    _, hard = resource.getrlimit(kind)
    if hard != resource.RLIM_INFINITY:
        value = min(value, hard)
    resource.setrlimit(kind, (value, value))


def _restrict_by_landlock(machine: Machine, assignment: Assignment) -> None:
    version = machine["landlock"]
    every = _LANDLOCK_FILES.get(version, _LANDLOCK_FILES_LATEST)
    network = _LANDLOCK_TCP_BIND_CONNECT if version >= 4 else 0
    scoped = _LANDLOCK_ABSTRACT_SOCKETS_AND_SIGNALS if version >= 6 else 0
    ruleset = syscalls.landlock_ruleset(every, network, scoped, version)
    for path in (*_LANDLOCK_READABLE, *machine["readable"], assignment["code"], assignment["opt"]):
        if path and os.path.isdir(path):
            syscalls.landlock_allow_path(ruleset, path, _LANDLOCK_READ & every)
        elif path:
            syscalls.landlock_allow_path(ruleset, path, 0b0101)
    for name in ("null", "zero", "full", "random", "urandom"):
        syscalls.landlock_allow_path(ruleset, "/dev/" + name, 0b0110)
    if assignment["tmp"]:
        syscalls.landlock_allow_path(ruleset, assignment["tmp"], every)
    if network:
        for port in assignment["ports"]:
            syscalls.landlock_allow_port(ruleset, port, _LANDLOCK_TCP_CONNECT)
    syscalls.landlock_restrict(ruleset)
    os.close(ruleset)
