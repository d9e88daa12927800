"""SnapStart: an initialised process that others are forked from, and the hooks that functions have for it.

https://docs.aws.amazon.com/lambda/latest/dg/snapstart-runtime-hooks-python.html
"""

from __future__ import annotations

import array
import json
import os
import random
import signal
import socket
import ssl
import sys
import time
import types
from collections.abc import Callable
from typing import Any

from serein.runtimes.inside import frames, syscalls

MODULE = "snapshot_restore_py"
_CHANNEL = 3
_MESSAGE_BYTES_MAX = 1024 * 1024

Hook = tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any]]


def provide_hooks() -> None:
    """Have the module that functions register their hooks with, unless they bring it themselves."""
    if MODULE in sys.modules:
        return
    before: list[Hook] = []
    after: list[Hook] = []
    module = types.ModuleType(MODULE, "Hooks of SnapStart, as AWS's runtime has them.")

    def register_before_snapshot(function: Callable[..., Any], *args: Any, **named: Any) -> None:
        before.append((function, args, named))

    def register_after_restore(function: Callable[..., Any], *args: Any, **named: Any) -> None:
        after.append((function, args, named))

    module.__dict__.update(
        register_before_snapshot=register_before_snapshot,
        register_after_restore=register_after_restore,
        get_before_snapshot=lambda: before,
        get_after_restore=lambda: after,
    )
    sys.modules[MODULE] = module


def run_before_snapshot() -> None:
    """The last registered first."""
    for function, args, named in reversed(_hooks("get_before_snapshot")):
        function(*args, **named)


def run_after_restore() -> None:
    """In the order of their registration."""
    for function, args, named in _hooks("get_after_restore"):
        function(*args, **named)


def _hooks(name: str) -> list[Hook]:
    module = sys.modules.get(MODULE)
    return list(getattr(module, name)()) if module is not None else []


def become_template(channel: frames.FrameSocket) -> frames.FrameSocket:
    """Fork whenever the pool asks; returns in each forked process, with a channel, a log and an environment of its own.

    The pool is told of a process that cannot be copied: threads do not come along.
    """
    connection = channel.connection
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    if len(os.listdir("/proc/self/task")) > 1:
        channel.send(frames.LAST_ERROR, b"threads")
        sys.exit(0)
    while True:
        data, descriptors = _receive(connection)
        if not data:
            os._exit(0)
        child = os.fork()
        if child == 0:
            return _become(data, list(descriptors))
        for descriptor in descriptors:
            os.close(descriptor)
        channel.send(frames.RESULT, b"")


def _receive(connection: socket.socket) -> tuple[bytes, array.array[int]]:
    """One FORK frame and its descriptors."""
    descriptors: array.array[int] = array.array("i")
    data = b""
    total = frames.HEADER_BYTES
    while len(data) < total:
        more, found, _, _ = socket.recv_fds(connection, _MESSAGE_BYTES_MAX, 2)
        if not more:
            return b"", descriptors
        descriptors.extend(found)
        data += more
        if len(data) >= frames.HEADER_BYTES:
            _, meta_bytes, _, _ = frames.HEADER.unpack_from(data)
            total = frames.HEADER_BYTES + meta_bytes
    return data[frames.HEADER_BYTES : total], descriptors


def _become(meta: bytes, descriptors: list[int]) -> frames.FrameSocket:
    """In the forked process: nothing of the template's but its memory."""
    os.setsid()
    syscalls.prctl(syscalls.PR_SET_PDEATHSIG, signal.SIGKILL)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    sys.stdout.flush()
    connection, log = descriptors
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.dup2(connection, _CHANNEL, inheritable=False)
    for descriptor in descriptors:
        if descriptor != _CHANNEL:
            os.close(descriptor)
    os.environ.update(json.loads(meta))
    time.tzset()
    # Copies would all draw the same numbers.
    ssl.RAND_add(os.urandom(32), 32.0)
    random.seed()
    return frames.FrameSocket(socket.socket(fileno=_CHANNEL))
