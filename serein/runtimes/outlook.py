"""How well functions would be shut in here, as far as can be told without starting anything."""

from __future__ import annotations

import os
import platform
from pathlib import Path

from serein.runtimes import cgroups, interpreters
from serein.runtimes.settings import PoolSettings
from serein.runtimes.spec import Isolation, Standing

_FILTERED = ("x86_64", "aarch64")
_SWITCHES = (
    # File, the value that forbids user namespaces to the unprivileged, what to say.
    ("/proc/sys/kernel/unprivileged_userns_clone", "0", "kernel.unprivileged_userns_clone is 0"),
    ("/proc/sys/user/max_user_namespaces", "0", "user.max_user_namespaces is 0"),
    (
        "/proc/sys/kernel/apparmor_restrict_unprivileged_userns",
        "1",
        "kernel.apparmor_restrict_unprivileged_userns is 1",
    ),
)


def expected_isolation(settings: PoolSettings) -> Isolation:
    """What the pool will most likely find; `Pool.isolation` knows, once it has started."""
    reasons: list[str] = []
    if not settings.isolate:
        reasons.append("isolation was switched off")
    elif platform.system() != "Linux":
        reasons.append(f"{platform.system()} has no namespaces")
    else:
        reasons += _obstacles(settings)
    if settings.isolate and not cgroups.are_writable():
        reasons.append("no writable control groups: memory is limited per process only")
    if platform.machine() not in _FILTERED:
        reasons.append(f"no seccomp filter is written for {platform.machine()}")
    standing: Standing = "sandboxed"
    if reasons:
        standing = "partial" if platform.system() == "Linux" else "none"
    return Isolation(standing, tuple(reasons))


def _obstacles(settings: PoolSettings) -> list[str]:
    found: list[str] = []
    if os.geteuid() != 0:
        for file, forbidding, words in _SWITCHES:
            if _content(file) == forbidding:
                found.append(f"namespaces need root, or user namespaces: {words}")
        found += _unreadable(settings)
    shown = [interpreters.find_python().prefix, str(interpreters.INSIDE)]
    for path in shown:
        if path.startswith("/tmp/"):
            found.append(f"{path} is below /tmp, which a function's own /tmp would hide")
    return found


def _unreadable(settings: PoolSettings) -> list[str]:
    """Without root nobody but this user can be given anything; that is enough, as functions run as it."""
    parent = Path(settings.work)
    while not parent.exists() and parent != parent.parent:
        parent = parent.parent
    return [] if os.access(parent, os.W_OK) else [f"{parent} cannot be written"]


def _content(file: str) -> str:
    try:
        return Path(file).read_text().strip()
    except OSError:
        return ""
