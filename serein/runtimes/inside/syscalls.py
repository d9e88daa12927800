"""Linux system calls that Python has no face for, by way of libc; every failure is an OSError that names the call.

Nothing here is resolved after a fork: the library is loaded when the module is.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import struct

CLONE_NEWNS = 0x0002_0000
CLONE_NEWCGROUP = 0x0200_0000
CLONE_NEWUTS = 0x0400_0000
CLONE_NEWIPC = 0x0800_0000
CLONE_NEWUSER = 0x1000_0000
CLONE_NEWPID = 0x2000_0000
CLONE_NEWNET = 0x4000_0000

MS_RDONLY = 1
MS_NOSUID = 2
MS_NODEV = 4
MS_NOEXEC = 8
MS_REMOUNT = 32
MS_BIND = 4096
MS_REC = 16384
MS_PRIVATE = 1 << 18
MNT_DETACH = 2

PR_SET_PDEATHSIG = 1
PR_SET_DUMPABLE = 4
PR_SET_NAME = 15
PR_CAPBSET_DROP = 24
PR_SET_CHILD_SUBREAPER = 36
PR_SET_NO_NEW_PRIVS = 38

_MOUNT_ATTR_RDONLY = 0x1
_MOUNT_ATTR_NOSUID = 0x2
_MOUNT_ATTR_NODEV = 0x4
_OPEN_TREE_CLONE = 1
_OPEN_TREE_CLOEXEC = os.O_CLOEXEC
_MOVE_MOUNT_F_EMPTY_PATH = 0x4
_AT_FDCWD = -100
_AT_RECURSIVE = 0x8000
_AT_EMPTY_PATH = 0x1000
_CAPABILITY_VERSION_3 = 0x2008_0522
_CAPABILITY_LAST = 40

_ARM = platform.machine() == "aarch64"
_NR_CAPSET = 91 if _ARM else 126
_NR_PIVOT_ROOT = 41 if _ARM else 155
_NR_SECCOMP = 277 if _ARM else 317
_FILTER_NEW_LISTENER = 1 << 3
_FILTER_WAIT_KILLABLE = 1 << 5
_NR_OPEN_TREE = 428
_NR_MOVE_MOUNT = 429
_NR_CLOSE_RANGE = 436
_NR_MOUNT_SETATTR = 442
_NR_LANDLOCK_CREATE_RULESET = 444
_NR_LANDLOCK_ADD_RULE = 445
_NR_LANDLOCK_RESTRICT_SELF = 446

_libc = ctypes.CDLL(None, use_errno=True)
_syscall = _libc.syscall
_syscall.restype = ctypes.c_long
_prctl = _libc.prctl
_NO_CAPABILITIES = ctypes.create_string_buffer(struct.pack("<6I", 0, 0, 0, 0, 0, 0), 24)
_CAPABILITY_HEADER = ctypes.create_string_buffer(struct.pack("<Ii", _CAPABILITY_VERSION_3, 0), 8)


def _checked(result: int, what: str) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")
    return result


def _number(value: int) -> ctypes.c_long:
    return ctypes.c_long(value)


def unshare(flags: int) -> None:
    """Leave the namespaces named by `flags` for new ones."""
    _checked(_libc.unshare(ctypes.c_int(flags)), f"unshare({flags:#x})")


def setns(descriptor: int, kind: int) -> None:
    """Enter the namespace behind `descriptor`."""
    _checked(_libc.setns(ctypes.c_int(descriptor), ctypes.c_int(kind)), f"setns({kind:#x})")


def mount(source: str, target: str, kind: str | None, flags: int, options: str = "") -> None:
    """mount(2)."""
    result = _libc.mount(
        source.encode(),
        target.encode(),
        kind.encode() if kind is not None else None,
        ctypes.c_ulong(flags),
        options.encode() if options else None,
    )
    _checked(result, f"mount({target})")


def unmount_detached(target: str) -> None:
    """Take the mount at `target` out of sight; it ends when nobody uses it."""
    _checked(_libc.umount2(target.encode(), ctypes.c_int(MNT_DETACH)), f"umount2({target})")


def pivot_root(new: str, old: str) -> None:
    """pivot_root(2)."""
    _checked(_syscall(_number(_NR_PIVOT_ROOT), new.encode(), old.encode()), "pivot_root")


def make_read_only(target: str) -> None:
    """Make the mount at `target` and all below it read-only and blind to set-user-id bits.

    Not NODEV: /dev/null and its siblings are bind mounts below the root.
    """
    attributes = struct.pack("<4Q", _MOUNT_ATTR_RDONLY | _MOUNT_ATTR_NOSUID, 0, 0, 0)
    result = _syscall(
        _number(_NR_MOUNT_SETATTR),
        _number(_AT_FDCWD),
        target.encode(),
        _number(_AT_RECURSIVE),
        attributes,
        _number(len(attributes)),
    )
    _checked(result, f"mount_setattr({target})")


def open_read_only_tree(path: str) -> int:
    """A descriptor of a detached, read-only copy of the mount at `path`, for `attach_tree`."""
    tree = _checked(
        _syscall(
            _number(_NR_OPEN_TREE),
            _number(_AT_FDCWD),
            path.encode(),
            _number(_OPEN_TREE_CLONE | _OPEN_TREE_CLOEXEC),
        ),
        f"open_tree({path})",
    )
    attributes = struct.pack(
        "<4Q", _MOUNT_ATTR_RDONLY | _MOUNT_ATTR_NOSUID | _MOUNT_ATTR_NODEV, 0, 0, 0
    )
    result = _syscall(
        _number(_NR_MOUNT_SETATTR),
        _number(tree),
        b"",
        _number(_AT_EMPTY_PATH),
        attributes,
        _number(len(attributes)),
    )
    _checked(result, f"mount_setattr({path})")
    return tree


def open_whole_tree(path: str) -> int:
    """A descriptor of a detached copy of what is mounted at `path` and below, as it is, for `attach_tree`."""
    flags = _OPEN_TREE_CLONE | _OPEN_TREE_CLOEXEC | _AT_RECURSIVE
    tree = _syscall(_number(_NR_OPEN_TREE), _number(_AT_FDCWD), path.encode(), _number(flags))
    return _checked(tree, f"open_tree({path})")


def attach_tree(tree: int, target: str) -> None:
    """Mount a detached tree at `target` and close its descriptor."""
    result = _syscall(
        _number(_NR_MOVE_MOUNT),
        _number(tree),
        b"",
        _number(_AT_FDCWD),
        target.encode(),
        _number(_MOVE_MOUNT_F_EMPTY_PATH),
    )
    _checked(result, f"move_mount({target})")
    os.close(tree)


def prctl(option: int, value: int) -> None:
    """prctl(2) with one argument."""
    zero = ctypes.c_ulong(0)
    _checked(_prctl(ctypes.c_int(option), ctypes.c_ulong(value), zero, zero, zero), "prctl")


def drop_bounding_set() -> None:
    """Give up, for good, every capability that a later exec could bring back."""
    zero = ctypes.c_ulong(0)
    option = ctypes.c_int(PR_CAPBSET_DROP)
    for capability in range(_CAPABILITY_LAST + 1):
        # EINVAL for capabilities that this kernel does not know.
        _prctl(option, ctypes.c_ulong(capability), zero, zero, zero)


def drop_capabilities() -> None:
    """Empty the permitted, effective and inheritable sets."""
    result = _syscall(_number(_NR_CAPSET), _CAPABILITY_HEADER, _NO_CAPABILITIES)
    _checked(result, "capset")


def close_from(first: int) -> None:
    """Close every descriptor from `first` on."""
    result = _syscall(
        _number(_NR_CLOSE_RANGE), _number(first), ctypes.c_ulong(0xFFFF_FFFF), _number(0)
    )
    _checked(result, "close_range")


class SeccompProgram:
    """A filter ready to be installed: the memory that the kernel reads, laid out before any fork."""

    def __init__(self, code: bytes) -> None:
        self._code = ctypes.create_string_buffer(code, len(code))
        address = ctypes.addressof(self._code)
        header = struct.pack("@HP", len(code) // 8, address)
        self._header = ctypes.create_string_buffer(header, len(header))

    def install(self) -> None:
        """Bind this thread and its children to the filter; no_new_privs must be set."""
        self._install(0)

    def install_watched(self) -> int:
        """The same; returns the descriptor at which whoever is to answer for the kernel hears of calls.

        A caller who waits is woken by deadly signals only, where the kernel (5.19) knows that.
        """
        try:
            return self._install(_FILTER_NEW_LISTENER | _FILTER_WAIT_KILLABLE)
        except OSError as error:
            if error.errno != errno.EINVAL:
                raise
            return self._install(_FILTER_NEW_LISTENER)

    def _install(self, flags: int) -> int:
        set_mode_filter = _number(1)
        result = _syscall(_number(_NR_SECCOMP), set_mode_filter, _number(flags), self._header)
        return _checked(result, "seccomp")


def landlock_version() -> int:
    """The kernel's Landlock version, 0 where it has none."""
    return max(0, int(_syscall(_number(_NR_LANDLOCK_CREATE_RULESET), None, _number(0), _number(1))))


def landlock_ruleset(handled_files: int, handled_network: int, scoped: int, version: int) -> int:
    """A descriptor of a new ruleset; what the kernel's version does not know is left out."""
    attributes = struct.pack("<QQQ", handled_files, handled_network, scoped)
    size = 24 if version >= 6 else 16 if version >= 4 else 8
    result = _syscall(
        _number(_NR_LANDLOCK_CREATE_RULESET), attributes[:size], _number(size), _number(0)
    )
    return _checked(result, "landlock_create_ruleset")


def landlock_allow_path(ruleset: int, path: str, access: int) -> None:
    """Allow `access` below `path`; a path that does not exist is passed over."""
    try:
        parent = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return
    try:
        rule = struct.pack("<Qi", access, parent)
        path_beneath = _number(1)
        result = _syscall(
            _number(_NR_LANDLOCK_ADD_RULE), _number(ruleset), path_beneath, rule, _number(0)
        )
        _checked(result, f"landlock_add_rule({path})")
    finally:
        os.close(parent)


def landlock_allow_port(ruleset: int, port: int, access: int) -> None:
    """Allow `access` (bind, connect) to a TCP port."""
    rule = struct.pack("<QQ", access, port)
    net_port = _number(2)
    result = _syscall(_number(_NR_LANDLOCK_ADD_RULE), _number(ruleset), net_port, rule, _number(0))
    _checked(result, "landlock_add_rule(port)")


def landlock_restrict(ruleset: int) -> None:
    """Bind this thread and its children to the ruleset; no_new_privs must be set."""
    result = _syscall(_number(_NR_LANDLOCK_RESTRICT_SELF), _number(ruleset), _number(0))
    _checked(result, "landlock_restrict_self")
