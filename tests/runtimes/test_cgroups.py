"""Control groups: version 2 against a model of its files, by the rules of
https://docs.kernel.org/admin-guide/cgroup-v2.html; version 1 and version 2 for real where the machine has them."""

from __future__ import annotations

import errno
import os

import pytest

from serein.runtimes.cgroups import Files, GroupsV2, NoLimits, are_writable, find_limits
from tests.runtimes.conftest import Bench

ROOT = "/sys/fs/cgroup"


class Unified(Files):
    """A hierarchy of version 2: who may enable what, which files there are, and where processes may be."""

    def __init__(
        self, own: str, *, root: bool = True, controllers: str = "cpu memory pids"
    ) -> None:
        self.own = own
        self.is_root = root
        self.delegated = own
        self.controllers = set(controllers.split())
        self.enabled: dict[str, set[str]] = {ROOT: set(self.controllers)}
        self.processes: dict[str, set[str]] = {ROOT: {"1"}}
        self.values: dict[str, str] = {}
        path = ""
        for name in own.strip("/").split("/"):
            if name:
                path += "/" + name
                self.enabled[ROOT + path] = set()
                self.processes[ROOT + path] = set()
        parents = [ROOT + "/".join(own.split("/")[:n]) for n in range(1, own.count("/") + 1)]
        for parent in parents:
            self.enabled[parent] = set(self.controllers)
        self.processes[ROOT + own.rstrip("/")].add("77")

    def read(self, path: str) -> str:
        if path == "/proc/self/cgroup":
            return f"0::{self.own}\n"
        group, _, file = path.rpartition("/")
        self._check(group)
        if file == "cgroup.subtree_control":
            return " ".join(sorted(self.enabled[group])) + "\n"
        if file == "cgroup.procs":
            return "".join(f"{pid}\n" for pid in sorted(self.processes[group]))
        return self.values.get(path, "oom 0\noom_kill 0\n")

    def write(self, path: str, value: int | str) -> None:
        group, _, file = path.rpartition("/")
        self._check(group)
        self._may(group)
        if file == "cgroup.subtree_control":
            wanted = {name.lstrip("+") for name in str(value).split()}
            if not wanted <= self._available(group):
                raise OSError(errno.ENOENT, "no such controller here")
            if group != ROOT and self.processes[group]:
                raise OSError(errno.EBUSY, "processes in it")
            self.enabled[group] |= wanted
        elif file == "cgroup.procs":
            if self.enabled[group]:
                raise OSError(errno.EBUSY, "controllers are enabled")
            for processes in self.processes.values():
                processes.discard(str(value))
            self.processes[group].add(str(value))
        else:
            if file.partition(".")[0] not in self._available(group):
                raise FileNotFoundError(path)
            self.values[path] = str(value)

    def make(self, path: str) -> None:
        parent = os.path.dirname(path)
        self._check(parent)
        self._may(parent)
        self.enabled.setdefault(path, set())
        self.processes.setdefault(path, set())

    def remove(self, path: str) -> None:
        if self.processes[path] or any(one.startswith(path + "/") for one in self.enabled):
            raise OSError(errno.EBUSY, path)
        del self.enabled[path], self.processes[path]

    def names(self, path: str) -> list[str]:
        self._check(path)
        return [one.rpartition("/")[2] for one in self.enabled if os.path.dirname(one) == path]

    def writable(self, path: str) -> bool:
        return path in self.enabled and (self.is_root or path.startswith(ROOT + self.delegated))

    def _available(self, group: str) -> set[str]:
        return self.controllers if group == ROOT else self.enabled[os.path.dirname(group)]

    def _check(self, group: str) -> None:
        if group not in self.enabled:
            raise FileNotFoundError(group)

    def _may(self, group: str) -> None:
        if not self.is_root and not group.startswith(ROOT + self.delegated):
            raise PermissionError(errno.EACCES, group)


def test_a_service_alone_in_its_group():
    # systemd: Delegate=yes; also the first process of a container
    files = Unified("/system.slice/serein.service", root=False)
    assert are_writable(files)
    limits = find_limits("serein-77-x", files, pid=77)
    assert limits.name == "cgroup v2"
    own = f"{ROOT}/system.slice/serein.service"
    assert files.processes[own] == set()
    assert files.processes[f"{own}/serein-server-77"] == {"77"}
    assert limits.paths(3) == [f"{own}/serein-77-x/3"]
    limits.limit(3, 640, 128)
    base = f"{own}/serein-77-x/3"
    assert files.values == {
        f"{base}/pids.max": "1024",
        f"{base}/memory.oom.group": "1",
        f"{base}/memory.swap.max": "0",
        f"{base}/memory.max": str(640 * 1024 * 1024),
        f"{base}/cpu.weight": "12",
    }
    limits.limit(3, 10_752, 10_240)
    assert files.values[f"{base}/cpu.weight"] == "1000", "as 10,240 is to 1,024"
    limits.remove()
    assert f"{own}/serein-77-x" not in files.enabled


def test_a_process_joins_its_group():
    files = Unified("/")
    limits = find_limits("serein-77-x", files, pid=77)
    (path,) = limits.paths(1)
    files.write(path + "/cgroup.procs", 90)
    assert files.processes[path] == {"90"}
    assert limits.oom_kills(1) == 0
    files.values[path + "/memory.events"] = "low 0\noom 3\noom_kill 2\n"
    assert limits.oom_kills(1) == 2
    limits.remove()
    assert path in files.enabled, "one that is not empty stays"


def test_others_in_the_group_are_left_alone():
    files = Unified("/user.slice/session-3.scope", root=False)
    files.processes[f"{ROOT}/user.slice/session-3.scope"].add("78")
    assert isinstance(find_limits("serein-77-x", files, pid=77), NoLimits)
    assert files.processes[f"{ROOT}/user.slice/session-3.scope"] == {"77", "78"}


def test_root_in_a_session_makes_groups_at_the_top():
    files = Unified("/user.slice/session-3.scope", root=True)
    files.processes[f"{ROOT}/user.slice/session-3.scope"].add("78")
    limits = find_limits("serein-77-x", files, pid=77)
    assert limits.paths(1) == [f"{ROOT}/serein-77-x/1"]


def test_controllers_that_are_not_there():
    assert isinstance(find_limits("n", Unified("/", controllers="hugetlb"), pid=77), NoLimits)
    files = Unified("/", controllers="memory pids")
    limits = find_limits("serein-77-x", files, pid=77)
    limits.paths(1)
    limits.limit(1, 640, 128)  # nothing to weigh processor time with
    assert not any("cpu" in path for path in files.values)


def test_what_a_killed_server_left_is_taken_away():
    files = Unified("/")
    gone = 4_194_305  # more than the highest number of a process
    for path in (f"serein-{gone}-ab", f"serein-{gone}-ab/1", f"serein-server-{gone}"):
        files.make(f"{ROOT}/{path}")
    files.make(f"{ROOT}/serein-{os.getpid()}-cd")
    find_limits("serein-77-x", files, pid=77)
    left = [name for name in files.names(ROOT) if name.startswith("serein-")]
    assert sorted(left) == sorted([f"serein-{os.getpid()}-cd", "serein-77-x"])


def test_for_real_where_the_machine_has_it():
    try:
        with open(f"{ROOT}/cgroup.controllers", encoding="ascii") as file:
            if "memory" not in file.read().split():
                pytest.skip("the memory controller is not in version 2's hierarchy here")
    except OSError:
        pytest.skip("no hierarchy of version 2 is mounted here")
    limits = find_limits(f"serein-{os.getpid()}-real")
    try:
        if not isinstance(limits, GroupsV2):
            pytest.skip("groups cannot be made here")
        (path,) = limits.paths(1)
        limits.limit(1, 640, 128)
        with open(path + "/memory.max", encoding="ascii") as file:
            assert int(file.read()) == 640 * 1024 * 1024
    finally:
        limits.remove()


def test_too_much_memory_is_awss_error(sandboxed: Bench):
    # https://docs.aws.amazon.com/lambda/latest/dg/troubleshooting-invocation.html: the process is killed
    source = "def handler(event, context):\n    held = bytearray(8 << 30)\n    return len(held)\n"
    outcome = sandboxed.invoke(sandboxed.function(source, memory_mb=128, timeout_s=20.0))
    assert b'"errorType":"Runtime.ExitError"' in outcome.payload.replace(b'": "', b'":"')
    assert outcome.payload.endswith(b'Runtime exited with error: signal: killed"}')
    assert b"Max Memory Used: 128 MB" in outcome.tail
