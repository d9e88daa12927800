"""The root file system of the sandboxes: built once in a mount namespace of its own, entered by every environment."""

from __future__ import annotations

import errno
import os
import tempfile
from typing import TypedDict

from serein.runtimes.inside import syscalls

_DEVICES = ("null", "zero", "full", "random", "urandom")
_LINKS = {
    "/dev/fd": "/proc/self/fd",
    "/dev/stdin": "/proc/self/fd/0",
    "/dev/stdout": "/proc/self/fd/1",
    "/dev/stderr": "/proc/self/fd/2",
}
_FOLDERS = ("/proc", "/tmp", "/var/task", "/var/runtime", "/opt", "/dev", "/etc", "/run")
# Top-level names that are links into /usr on merged systems, folders on others.
_SYSTEM = ("/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32")
_SYSTEM_BELOW_USR = (
    "/usr/bin",
    "/usr/lib",
    "/usr/lib32",
    "/usr/lib64",
    "/usr/libx32",
    "/usr/share/zoneinfo",
    "/usr/share/ca-certificates",
    "/etc/ssl/certs",
    "/etc/ssl/openssl.cnf",
    "/etc/pki",
    "/etc/ca-certificates",
    "/etc/alternatives",
    "/etc/ld.so.cache",
)


class RootPlan(TypedDict):
    """What a root holds beyond the system's libraries."""

    binds: dict[str, str]  # path inside → host path, read-only
    files: dict[str, str]  # path inside → text


def enter_new_root(plan: RootPlan, *, holds_proc: bool) -> None:
    """Leave the host's file system for a new, read-only one, in a mount namespace of this process.

    `holds_proc`: without root the kernel mounts a /proc only where there is one to be seen; each environment's own then hides it.
    Raises OSError where the machine does not allow it. The caller's process is spoilt for anything else.
    """
    for path in plan["binds"]:
        if path.startswith("/tmp/"):
            # A function's own /tmp would hide it.
            raise OSError(errno.EINVAL, f"{path} is below /tmp")
    syscalls.unshare(syscalls.CLONE_NEWNS)
    syscalls.mount("none", "/", None, syscalls.MS_REC | syscalls.MS_PRIVATE)
    root = tempfile.mkdtemp(prefix="serein-root-")
    try:
        syscalls.mount("tmpfs", root, "tmpfs", syscalls.MS_NOSUID, "size=4m,mode=755")
    finally:
        # The folder is only a place to stand: detach the name, keep the mount.
        descriptor = os.open(root, os.O_PATH | os.O_DIRECTORY)
    _fill(root, plan)
    if holds_proc:
        flags = syscalls.MS_NOSUID | syscalls.MS_NODEV | syscalls.MS_NOEXEC
        syscalls.mount("proc", root + "/proc", "proc", flags)
    os.fchdir(descriptor)
    os.close(descriptor)
    syscalls.pivot_root(".", ".")
    syscalls.unmount_detached(".")
    os.chdir("/")
    syscalls.make_read_only("/")


def _fill(root: str, plan: RootPlan) -> None:
    for folder in _FOLDERS:
        os.makedirs(root + folder, mode=0o755, exist_ok=True)
    for path in _SYSTEM:
        if os.path.islink(path):
            os.symlink(os.readlink(path), root + path)
        elif os.path.isdir(path):
            _bind(path, root + path)
    for path in _SYSTEM_BELOW_USR:
        if os.path.exists(path):
            _bind(path, root + path)
    for name in _DEVICES:
        _bind("/dev/" + name, f"{root}/dev/{name}")
    for path, target in _LINKS.items():
        os.symlink(target, root + path)
    os.symlink("/run", root + "/var/run")
    for path, source in plan["binds"].items():
        _bind(source, root + path)
    for path, text in plan["files"].items():
        os.makedirs(os.path.dirname(root + path), exist_ok=True)
        with open(root + path, "w", encoding="utf-8") as file:
            file.write(text)


def _bind(source: str, target: str) -> None:
    source = os.path.realpath(source)
    if os.path.isdir(source):
        os.makedirs(target, mode=0o755, exist_ok=True)
    else:
        os.makedirs(os.path.dirname(target), mode=0o755, exist_ok=True)
        if not os.path.exists(target):
            os.close(os.open(target, os.O_CREAT | os.O_WRONLY, 0o644))
    syscalls.mount(source, target, None, syscalls.MS_BIND | syscalls.MS_REC)
