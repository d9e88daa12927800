"""Memory and process limits by control groups, version 1 or 2, where this process may make them."""

from __future__ import annotations

import os
from typing import Protocol

_V1_ROOT = "/sys/fs/cgroup"
_PROCESSES_MAX = 1024
_SHARES_DEFAULT = 1024
_SHARES_MIN = 2
_WEIGHT_MAX = 10_000


class Limits(Protocol):
    """A kind of control group: what it is called in the report, and how it is handled."""

    name: str

    def paths(self, slot: int) -> list[str]:
        """The groups of a slot, made if need be, for its process to join."""
        ...

    def limit(self, slot: int, memory_mb: int, share: int) -> None:
        """Bound the slot's memory; its share of the processors beside other functions is as its `share` to theirs."""
        ...

    def oom_kills(self, slot: int) -> int:
        """How often the kernel killed in this slot for memory."""
        ...

    def remove(self) -> None:
        """Take all groups away; their processes have ended."""
        ...


class NoLimits:
    """For machines without writable control groups: resource limits have to do."""

    name = "rlimit"

    def paths(self, slot: int) -> list[str]:
        """None."""
        return []

    def limit(self, slot: int, memory_mb: int, share: int) -> None:
        """Nothing: the child lowers its own RLIMIT_DATA."""

    def oom_kills(self, slot: int) -> int:
        """Unknown, so none."""
        return 0

    def remove(self) -> None:
        """Nothing to take away."""


class GroupsV1:
    """`memory`, `pids` and `cpu` as hierarchies of their own."""

    name = "cgroup v1"

    def __init__(self, memory: str, pids: str | None, cpu: str | None) -> None:
        self._memory = memory
        self._pids = pids
        self._cpu = cpu
        self._shares: dict[int, int] = {}
        self._made: set[int] = set()

    def paths(self, slot: int) -> list[str]:
        """The slot's memory group, and its pids and cpu groups where there are such."""
        paths = [f"{base}/{slot}" for base in (self._memory, self._pids, self._cpu) if base]
        if slot not in self._made:
            self._made.add(slot)
            for path in paths:
                os.makedirs(path, exist_ok=True)
            if self._pids is not None:
                _write(f"{self._pids}/{slot}/pids.max", _PROCESSES_MAX)
        return paths

    def limit(self, slot: int, memory_mb: int, share: int) -> None:
        """Bound the slot's memory; what an earlier tenant left in caches is dropped by the kernel."""
        _write(f"{self._memory}/{slot}/memory.limit_in_bytes", memory_mb * 1024 * 1024)
        if self._cpu is not None and self._shares.get(slot) != share:
            self._shares[slot] = share
            _write(f"{self._cpu}/{slot}/cpu.shares", max(_SHARES_MIN, share))

    def oom_kills(self, slot: int) -> int:
        """The count in memory.oom_control."""
        return _counted(f"{self._memory}/{slot}/memory.oom_control", "oom_kill")

    def remove(self) -> None:
        """Take all groups away."""
        for base in filter(None, (self._memory, self._pids, self._cpu)):
            _remove_groups(base, self._made)


class GroupsV2:
    """One hierarchy with all controllers."""

    name = "cgroup v2"

    def __init__(self, base: str, *, weighs: bool) -> None:
        self._base = base
        self._weighs = weighs
        self._made: set[int] = set()

    def paths(self, slot: int) -> list[str]:
        """The slot's group."""
        path = f"{self._base}/{slot}"
        if slot not in self._made:
            self._made.add(slot)
            os.makedirs(path, exist_ok=True)
            _write(path + "/pids.max", _PROCESSES_MAX)
            _write(path + "/memory.oom.group", 1)
        return [path]

    def limit(self, slot: int, memory_mb: int, share: int) -> None:
        """Bound the slot's memory and weigh its processor time."""
        _write(f"{self._base}/{slot}/memory.max", memory_mb * 1024 * 1024)
        if self._weighs:
            weight = min(_WEIGHT_MAX, max(1, share * 100 // _SHARES_DEFAULT))
            _write(f"{self._base}/{slot}/cpu.weight", weight)

    def oom_kills(self, slot: int) -> int:
        """The count in memory.events."""
        return _counted(f"{self._base}/{slot}/memory.events", "oom_kill")

    def remove(self) -> None:
        """Take all groups away."""
        _remove_groups(self._base, self._made)


def find_limits(name: str) -> Limits:
    """The best that this machine allows; groups are made below this process's own, as `name`."""
    own = _own_groups()
    _sweep(own)
    for attempt in (_version_1, _version_2):
        try:
            found = attempt(own, name)
        except OSError:
            continue
        if found is not None:
            return found
    return NoLimits()


def are_writable() -> bool:
    """Whether groups can most likely be made here, without making any."""
    own = _own_groups()
    for controller in ("memory", ""):
        if controller in own:
            parent = f"{_V1_ROOT}/{controller}{own[controller]}".rstrip("/")
            for path in (parent, f"{_V1_ROOT}/{controller}".rstrip("/")):
                if os.path.isdir(path) and os.access(path, os.W_OK):
                    return True
    return False


def _sweep(own: dict[str, str]) -> None:
    """Take away what servers left that were killed: groups are named after their process."""
    for controller in ("memory", "pids", "cpu", ""):
        parent = f"{_V1_ROOT}/{controller}{own.get(controller, '')}".rstrip("/")
        for base in {parent, f"{_V1_ROOT}/{controller}"}:
            try:
                names = [n for n in os.listdir(base) if n.startswith("serein-")]
            except OSError:
                continue
            for name in names:
                pid = name.split("-")[1]
                if pid.isdigit() and not os.path.exists(f"/proc/{pid}"):
                    folder = f"{base}/{name}"
                    slots = {int(n) for n in os.listdir(folder) if n.isdigit()}
                    _remove_groups(folder, slots)


def _own_groups() -> dict[str, str]:
    """Controller → this process's group; the empty controller is version 2's."""
    try:
        with open("/proc/self/cgroup", encoding="utf-8") as file:
            rows = [line.rstrip("\n").split(":", 2) for line in file]
    except OSError:
        return {}
    return {name: path for _, names, path in rows for name in names.split(",")}


def _version_1(own: dict[str, str], name: str) -> Limits | None:
    if "memory" not in own:
        return None
    made: dict[str, str] = {}
    for controller in ("memory", "pids", "cpu"):
        if controller not in own:
            continue
        base = f"{_V1_ROOT}/{controller}{own[controller].rstrip('/')}"
        if not os.path.isdir(base):
            base = f"{_V1_ROOT}/{controller}"
        try:
            os.makedirs(f"{base}/{name}", exist_ok=True)
        except OSError:
            if controller == "memory":
                raise
            continue
        made[controller] = f"{base}/{name}"
    return GroupsV1(made["memory"], made.get("pids"), made.get("cpu"))


def _version_2(own: dict[str, str], name: str) -> Limits | None:
    parent = f"{_V1_ROOT}{own.get('', '').rstrip('/')}"
    with open(parent + "/cgroup.subtree_control", encoding="utf-8") as file:
        enabled = file.read().split()
    if "memory" not in enabled:
        # Only a group without processes may enable controllers for those below it (the root may always).
        _write(parent + "/cgroup.subtree_control", "+memory +pids")
    base = f"{parent}/{name}"
    os.makedirs(base, exist_ok=True)
    _write(base + "/cgroup.subtree_control", "+memory +pids")
    try:
        _write(parent + "/cgroup.subtree_control", "+cpu")
        _write(base + "/cgroup.subtree_control", "+cpu")
    except OSError:
        return GroupsV2(base, weighs=False)
    return GroupsV2(base, weighs=True)


def _write(path: str, value: int | str) -> None:
    descriptor = os.open(path, os.O_WRONLY)
    try:
        os.write(descriptor, str(value).encode())
    finally:
        os.close(descriptor)


def _counted(path: str, name: str) -> int:
    try:
        with open(path, encoding="ascii") as file:
            for line in file:
                key, _, value = line.partition(" ")
                if key == name:
                    return int(value)
    except OSError:
        pass
    return 0


def _remove_groups(base: str, slots: set[int]) -> None:
    for path in (*(f"{base}/{slot}" for slot in slots), base):
        try:
            os.rmdir(path)
        except OSError:
            continue  # a process is still ending in it: an empty group costs nothing
