"""The system calls that no function needs, as a BPF program written by hand.

A deny list on purpose: a function may use any library. What is refused are the ways out of a sandbox (new
namespaces, mounts, tracing, keys, kernel interfaces); they answer EPERM, or ENOSYS where libraries then fall back.
"""

from __future__ import annotations

import errno
import platform
import struct

_CLONE_ANY_NAMESPACE = (
    0x7E02_0080  # NEWNS NEWCGROUP NEWUTS NEWIPC NEWUSER NEWPID NEWNET, and NEWTIME
)
_AF_ALLOWED = (1, 2, 10, 16)  # unix, inet, inet6, netlink
_AF_NETLINK = 16
_NETLINK_ROUTE = 0  # if_nameindex needs it
_TIOCSTI = 0x5412
_TIOCLINUX = 0x541C

_LOAD = 0x20
_JUMP_EQUAL = 0x15
_JUMP_GREATER_EQUAL = 0x35
_JUMP_ANY_BIT = 0x45
_RETURN = 0x06
_ALLOW = 0x7FFF_0000
_KILL_PROCESS = 0x8000_0000
_ERRNO = 0x0005_0000
_TELL = 0x7FC0_0000  # the server is asked, and the caller waits for its answer

_AT_NUMBER = 0
_AT_ARCHITECTURE = 4
_AT_ARGUMENTS = 16

_X86_64 = 0xC000_003E
_AARCH64 = 0xC000_00B7
_X32_BIT = 0x4000_0000

# Names to numbers, for x86_64 and aarch64 (-1: there is no such call there).
_DENIED = {
    "acct": (163, 89),
    "add_key": (248, 217),
    "adjtimex": (159, 171),
    "bpf": (321, 280),
    "chroot": (161, 51),
    "clock_adjtime": (305, 266),
    "clock_settime": (227, 112),
    "create_module": (174, -1),
    "delete_module": (176, 106),
    "fanotify_init": (300, 262),
    "finit_module": (313, 273),
    "fsconfig": (431, 431),
    "fsmount": (432, 432),
    "fsopen": (430, 430),
    "fspick": (433, 433),
    "init_module": (175, 105),
    "ioperm": (173, -1),
    "iopl": (172, -1),
    "kcmp": (312, 272),
    "kexec_file_load": (320, 294),
    "kexec_load": (246, 104),
    "keyctl": (250, 219),
    "lookup_dcookie": (212, 18),
    "mknod": (133, -1),
    "mknodat": (259, 33),
    "mount": (165, 40),
    "mount_setattr": (442, 442),
    "move_mount": (429, 429),
    "name_to_handle_at": (303, 264),
    "nfsservctl": (180, 42),
    "open_by_handle_at": (304, 265),
    "open_tree": (428, 428),
    "perf_event_open": (298, 241),
    "personality": (135, 92),
    "pidfd_getfd": (438, 438),
    "pivot_root": (155, 41),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "ptrace": (101, 117),
    "quotactl": (179, 60),
    "quotactl_fd": (443, 443),
    "reboot": (169, 142),
    "request_key": (249, 218),
    "setdomainname": (171, 162),
    "sethostname": (170, 161),
    "setns": (308, 268),
    "settimeofday": (164, 170),
    "swapoff": (168, 225),
    "swapon": (167, 224),
    "syslog": (103, 116),
    "umount2": (166, 39),
    "unshare": (272, 97),
    "uselib": (134, -1),
    "userfaultfd": (323, 282),
    "vhangup": (153, 58),
}
_ABSENT = {"clone3": (435, 435), "io_uring_setup": (425, 425), "io_uring_enter": (426, 426)}
_CLONE = (56, 220)
_SOCKET = (41, 198)
_IOCTL = (16, 29)
_CONNECT = (42, 203)
_BIND = (49, 200)
_SENDTO = (44, 206)
_SENDTO_ADDRESS = 4  # which of sendto's arguments


def seccomp_code() -> bytes:
    """The filter's instructions for this machine. Raises NotImplementedError for an unknown architecture."""
    machine = platform.machine()
    if machine == "x86_64":
        column, architecture = 0, _X86_64
    elif machine == "aarch64":
        column, architecture = 1, _AARCH64
    else:
        raise NotImplementedError(f"no seccomp filter is written for {machine}")
    code = [
        _instruction(_LOAD, 0, 0, _AT_ARCHITECTURE),
        _instruction(_JUMP_EQUAL, 1, 0, architecture),
        _instruction(_RETURN, 0, 0, _KILL_PROCESS),
        _instruction(_LOAD, 0, 0, _AT_NUMBER),
    ]
    if column == 0:
        code += _refuse_when(_JUMP_GREATER_EQUAL, _X32_BIT, errno.ENOSYS)
    for numbers, error in ((_DENIED, errno.EPERM), (_ABSENT, errno.ENOSYS)):
        for pair in numbers.values():
            if pair[column] >= 0:
                code += _refuse_when(_JUMP_EQUAL, pair[column], error)
    code += _for_call(
        _CLONE[column],
        _argument(0) + _refuse_when(_JUMP_ANY_BIT, _CLONE_ANY_NAMESPACE, errno.EPERM),
    )
    code += _for_call(
        _IOCTL[column],
        _argument(1)
        + _refuse_when(_JUMP_EQUAL, _TIOCSTI, errno.EPERM)
        + _refuse_when(_JUMP_EQUAL, _TIOCLINUX, errno.EPERM),
    )
    code += _for_call(_SOCKET[column], _socket_rules())
    code.append(_instruction(_RETURN, 0, 0, _ALLOW))
    return b"".join(code)


def watch_code() -> bytes:
    """A filter that has the server asked where a call names an address: connect, bind, and sendto that is given one.

    Everything else passes at once. Raises NotImplementedError for an unknown architecture.
    """
    machine = platform.machine()
    if machine not in ("x86_64", "aarch64"):
        raise NotImplementedError(f"no seccomp filter is written for {machine}")
    column, architecture = (0, _X86_64) if machine == "x86_64" else (1, _AARCH64)
    tell = _instruction(_RETURN, 0, 0, _TELL)
    low = _AT_ARGUMENTS + 8 * _SENDTO_ADDRESS
    code = [
        _instruction(_LOAD, 0, 0, _AT_ARCHITECTURE),
        _instruction(_JUMP_EQUAL, 1, 0, architecture),
        _instruction(_RETURN, 0, 0, _KILL_PROCESS),
        _instruction(_LOAD, 0, 0, _AT_NUMBER),
        *(_instruction(_JUMP_EQUAL, 0, 1, _CONNECT[column]), tell),
        *(_instruction(_JUMP_EQUAL, 0, 1, _BIND[column]), tell),
        _instruction(_JUMP_EQUAL, 0, 5, _SENDTO[column]),
        _instruction(_LOAD, 0, 0, low),
        _instruction(_JUMP_EQUAL, 0, 2, 0),
        _instruction(_LOAD, 0, 0, low + 4),
        _instruction(_JUMP_EQUAL, 1, 0, 0),
        tell,
        _instruction(_RETURN, 0, 0, _ALLOW),
    ]
    return b"".join(code)


def _instruction(code: int, if_true: int, if_false: int, value: int) -> bytes:
    return struct.pack("<HBBI", code, if_true, if_false, value)


def _refuse_when(test: int, value: int, error: int) -> list[bytes]:
    return [_instruction(test, 0, 1, value), _instruction(_RETURN, 0, 0, _ERRNO | error)]


def _argument(index: int) -> list[bytes]:
    return [_instruction(_LOAD, 0, 0, _AT_ARGUMENTS + 8 * index)]


def _for_call(number: int, rules: list[bytes]) -> list[bytes]:
    """`rules` for one call, then allowed; others jump over them (the number is in the accumulator again)."""
    body = [*rules, _instruction(_RETURN, 0, 0, _ALLOW)]
    return [_instruction(_JUMP_EQUAL, 0, len(body), number), *body]


def _socket_rules() -> list[bytes]:
    rules = _argument(0)
    for family in _AF_ALLOWED:
        if family == _AF_NETLINK:
            inner = [
                *_argument(2),
                _instruction(_JUMP_EQUAL, 1, 0, _NETLINK_ROUTE),
                _instruction(_RETURN, 0, 0, _ERRNO | errno.EAFNOSUPPORT),
                _instruction(_RETURN, 0, 0, _ALLOW),
            ]
        else:
            inner = [_instruction(_RETURN, 0, 0, _ALLOW)]
        rules += [_instruction(_JUMP_EQUAL, 0, len(inner), family), *inner]
    return [*rules, _instruction(_RETURN, 0, 0, _ERRNO | errno.EAFNOSUPPORT)]
