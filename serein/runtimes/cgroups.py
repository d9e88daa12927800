"""Memory and process limits by control groups, version 1 or 2, where this process may make them."""

from __future__ import annotations

import errno
import os
from typing import Protocol

_ROOT = "/sys/fs/cgroup"
_SERVER = "serein-server-"  # the group that the server moves into, where its own must be empty
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


class Files:
    """The host's control groups, as the file system that they are."""

    def read(self, path: str) -> str:
        """A file's text. Raises OSError."""
        with open(path, encoding="utf-8") as file:
            return file.read()

    def write(self, path: str, value: int | str) -> None:
        """Write to a file that is there, in one go. Raises OSError."""
        descriptor = os.open(path, os.O_WRONLY)
        try:
            os.write(descriptor, str(value).encode())
        finally:
            os.close(descriptor)

    def make(self, path: str) -> None:
        """Make a group, unless it is there. Raises OSError."""
        os.makedirs(path, exist_ok=True)

    def remove(self, path: str) -> None:
        """Take an empty group away. Raises OSError."""
        os.rmdir(path)

    def names(self, path: str) -> list[str]:
        """What is in a group. Raises OSError."""
        return os.listdir(path)

    def writable(self, path: str) -> bool:
        """Whether groups can most likely be made there."""
        return os.path.isdir(path) and os.access(path, os.W_OK)


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

    def __init__(
        self, memory: str, pids: str | None, cpu: str | None, files: Files | None = None
    ) -> None:
        self._files = files or Files()
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
                self._files.make(path)
            if self._pids is not None:
                self._files.write(f"{self._pids}/{slot}/pids.max", _PROCESSES_MAX)
        return paths

    def limit(self, slot: int, memory_mb: int, share: int) -> None:
        """Bound the slot's memory; what an earlier tenant left in caches is dropped by the kernel."""
        limit = f"{self._memory}/{slot}/memory.limit_in_bytes"
        self._files.write(limit, memory_mb * 1024 * 1024)
        if self._cpu is not None and self._shares.get(slot) != share:
            self._shares[slot] = share
            self._files.write(f"{self._cpu}/{slot}/cpu.shares", max(_SHARES_MIN, share))

    def oom_kills(self, slot: int) -> int:
        """The count in memory.oom_control."""
        return _counted(self._files, f"{self._memory}/{slot}/memory.oom_control", "oom_kill")

    def remove(self) -> None:
        """Take all groups away."""
        for base in filter(None, (self._memory, self._pids, self._cpu)):
            _remove_groups(self._files, base, self._made)


class GroupsV2:
    """One hierarchy with all controllers."""

    name = "cgroup v2"

    def __init__(self, base: str, *, weighs: bool, files: Files | None = None) -> None:
        self._files = files or Files()
        self._base = base
        self._weighs = weighs
        self._made: set[int] = set()

    def paths(self, slot: int) -> list[str]:
        """The slot's group."""
        path = f"{self._base}/{slot}"
        if slot not in self._made:
            self._made.add(slot)
            self._files.make(path)
            self._files.write(path + "/pids.max", _PROCESSES_MAX)
            for file, value in (("memory.oom.group", 1), ("memory.swap.max", 0)):
                try:
                    self._files.write(f"{path}/{file}", value)
                except FileNotFoundError:
                    continue  # kernels without swap, or before 4.19
        return [path]

    def limit(self, slot: int, memory_mb: int, share: int) -> None:
        """Bound the slot's memory and weigh its processor time."""
        self._files.write(f"{self._base}/{slot}/memory.max", memory_mb * 1024 * 1024)
        if self._weighs:
            weight = min(_WEIGHT_MAX, max(1, share * 100 // _SHARES_DEFAULT))
            self._files.write(f"{self._base}/{slot}/cpu.weight", weight)

    def oom_kills(self, slot: int) -> int:
        """The count in memory.events."""
        return _counted(self._files, f"{self._base}/{slot}/memory.events", "oom_kill")

    def remove(self) -> None:
        """Take all groups away."""
        _remove_groups(self._files, self._base, self._made)


def find_limits(name: str, files: Files | None = None, pid: int | None = None) -> Limits:
    """The best that this machine allows; groups are made below this process's own, as `name`."""
    files = files or Files()
    own = _own_groups(files)
    _sweep(files, own)
    for attempt in (_version_1, _version_2):
        try:
            found = attempt(files, own, name, pid or os.getpid())
        except OSError:
            continue
        if found is not None:
            return found
    return NoLimits()


def are_writable(files: Files | None = None) -> bool:
    """Whether groups can most likely be made here, without making any."""
    files = files or Files()
    own = _own_groups(files)
    for controller in ("memory", ""):
        if controller in own:
            parent = (f"{_ROOT}/{controller}".rstrip("/") + own[controller]).rstrip("/")
            for path in (parent, f"{_ROOT}/{controller}".rstrip("/")):
                if files.writable(path):
                    return True
    return False


def _sweep(files: Files, own: dict[str, str]) -> None:
    """Take away what servers left that were killed: groups are named after their process."""
    for controller in ("memory", "pids", "cpu", ""):
        parent = (f"{_ROOT}/{controller}".rstrip("/") + own.get(controller, "")).rstrip("/")
        for base in {parent, f"{_ROOT}/{controller}".rstrip("/"), os.path.dirname(parent)}:
            try:
                names = [n for n in files.names(base) if n.startswith("serein-")]
            except OSError:
                continue
            for name in names:
                pid = name.removeprefix(_SERVER).removeprefix("serein-").partition("-")[0]
                if pid.isdigit() and not os.path.exists(f"/proc/{pid}"):
                    folder = f"{base}/{name}"
                    slots = {int(n) for n in files.names(folder) if n.isdigit()}
                    _remove_groups(files, folder, slots)


def _own_groups(files: Files) -> dict[str, str]:
    """Controller → this process's group; the empty controller is version 2's."""
    try:
        rows = [line.split(":", 2) for line in files.read("/proc/self/cgroup").splitlines()]
    except OSError:
        return {}
    return {name: path for _, names, path in rows for name in names.split(",")}


def _version_1(files: Files, own: dict[str, str], name: str, pid: int) -> Limits | None:
    if "memory" not in own:
        return None
    made: dict[str, str] = {}
    for controller in ("memory", "pids", "cpu"):
        if controller not in own:
            continue
        base = f"{_ROOT}/{controller}{own[controller].rstrip('/')}"
        try:
            files.names(base)
        except OSError:
            base = f"{_ROOT}/{controller}"
        try:
            files.make(f"{base}/{name}")
        except OSError:
            if controller == "memory":
                raise
            continue
        made[controller] = f"{base}/{name}"
    return GroupsV1(made["memory"], made.get("pids"), made.get("cpu"), files)


def _version_2(files: Files, own: dict[str, str], name: str, pid: int) -> Limits | None:
    parent = f"{_ROOT}{own.get('', '').rstrip('/')}"
    if os.path.basename(parent).startswith(_SERVER):
        parent = os.path.dirname(
            parent
        )  # of a server that was here before, whose process this one has
    places = [parent] if parent == _ROOT else [parent, _ROOT]
    for place in places:
        try:
            _hand_down(files, place, pid)
            base = f"{place}/{name}"
            files.make(base)
            files.write(base + "/cgroup.subtree_control", "+memory +pids")
        except OSError:
            if place == places[-1]:
                raise
            continue
        try:
            files.write(place + "/cgroup.subtree_control", "+cpu")
            files.write(base + "/cgroup.subtree_control", "+cpu")
        except OSError:
            return GroupsV2(base, weighs=False, files=files)
        return GroupsV2(base, weighs=True, files=files)
    return None


def _hand_down(files: Files, group: str, pid: int) -> None:
    """Let the groups below this one have the controllers. Raises OSError.

    Only a group without processes may, but for the root: https://docs.kernel.org/admin-guide/cgroup-v2.html#no-internal-process-constraint.
    Where the server alone is in it (a service with `Delegate=yes`, a container), it moves into a group of its own.
    """
    control = group + "/cgroup.subtree_control"
    if {"memory", "pids"} <= set(files.read(control).split()):
        return
    try:
        files.write(control, "+memory +pids")
    except OSError as error:
        inside = files.read(group + "/cgroup.procs").split()
        if error.errno != errno.EBUSY or inside != [str(pid)]:
            raise
        files.make(f"{group}/{_SERVER}{pid}")
        files.write(f"{group}/{_SERVER}{pid}/cgroup.procs", pid)
        files.write(control, "+memory +pids")


def _counted(files: Files, path: str, name: str) -> int:
    try:
        for line in files.read(path).splitlines():
            key, _, value = line.partition(" ")
            if key == name:
                return int(value)
    except OSError:
        pass
    return 0


def _remove_groups(files: Files, base: str, slots: set[int]) -> None:
    for path in (*(f"{base}/{slot}" for slot in slots), base):
        try:
            files.remove(path)
        except OSError:
            continue  # a process is still ending in it: an empty group costs nothing
