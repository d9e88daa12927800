"""Java and Ruby: which are on the machine, what a sandbox shows of them, and the command that runs a function.

Each is a program of its own, executed with its environment complete, that speaks frames with the pool.
"""

from __future__ import annotations

import functools
import logging
import os
import re
import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path

import msgspec

from serein.runtimes import java_client
from serein.runtimes.interpreters import INSIDE, INSIDE_SANDBOX
from serein.runtimes.java_client import Java, JavaClient
from serein.runtimes.spec import FunctionSpec, RuntimeUnavailable

log = logging.getLogger(__name__)

JAVA_OLDEST = 11  # that the client is compiled for
_HEAP_SHARE = 0.8
_HEAP_MB_MIN = 32
_NAMED = re.compile(r"java(\d+)")
_RUBY_LIMIT_S = 10.0
_RUBY_FACTS = "puts RUBY_VERSION, RbConfig.ruby, $LOAD_PATH, Gem.default_dir"
_RUBY_SHARED = "/usr/share/rubygems-integration"
_CALLED = {
    "java": "Java (a JDK of version 11 or later)",
    "ruby": "Ruby",
    "dotnet": ".NET",
    "nodejs": "Node.js",
    "go": "Go",
}


class Ruby(msgspec.Struct, frozen=True):
    """A Ruby: `shown` are the folders that a sandbox has to show for it."""

    executable: str
    version: str
    shown: tuple[str, ...]


class Languages(msgspec.Struct, frozen=True, kw_only=True):
    """What a station runs besides Python and Node.js."""

    java: Java | None = None
    client: JavaClient | None = None
    ruby: Ruby | None = None

    @property
    def binds(self) -> dict[str, str]:
        """Path inside a sandbox → path on the host."""
        found: dict[str, str] = {}
        if self.java is not None and self.client is not None:
            found[java_client.FOLDER] = self.client.folder
            found.update({path: path for path in self.java.shown})
        if self.ruby is not None:
            found.update({path: path for path in self.ruby.shown})
        return found

    @property
    def readable(self) -> list[str]:
        """Host paths that are read where there is no sandbox."""
        return list(self.binds.values())

    def command(self, spec: FunctionSpec, opt: str | None, *, sandboxed: bool) -> list[str]:
        """What runs a function. Raises RuntimeUnavailable when this station does not have its language."""
        if spec.runtime.startswith("java") and self.java is not None and self.client is not None:
            return [*self._java_command(self.java, self.client, spec, opt, sandboxed), spec.handler]
        if spec.runtime.startswith("ruby") and self.ruby is not None:
            bootstrap = f"{INSIDE_SANDBOX if sandboxed else INSIDE}/ruby/bootstrap.rb"
            # Without these three a start takes a third less; they only reword error messages.
            spare = [
                "--disable=did_you_mean",
                "--disable=error_highlight",
                "--disable=syntax_suggest",
            ]
            known = [flag for flag in spare if _knows(self.ruby.version, flag)]
            return [
                self.ruby.executable,
                *known,
                bootstrap,
                *([] if sandboxed or not opt else [opt]),
            ]
        raise RuntimeUnavailable(missing_words(spec.runtime))

    def _java_command(
        self, java: Java, client: JavaClient, spec: FunctionSpec, opt: str | None, sandboxed: bool
    ) -> list[str]:
        heap_mb = max(_HEAP_MB_MIN, int(spec.memory_mb * _HEAP_SHARE))
        options = [*java_client.OPTIONS, f"-Xmx{heap_mb}m"]
        if sandboxed:
            options += [f"-XX:SharedArchiveFile={java_client.ARCHIVE}"]
            options += ["-cp", java_client.CLASS_PATH]
        else:
            options += [f"-Dserein.opt={opt or '/opt'}", "-cp", client.jar]
        return [java.executable, *options, "serein.Main"]


def _knows(version: str, flag: str) -> bool:
    numbers = tuple(int(part) for part in re.findall(r"\d+", version)[:2])
    needed = {"error_highlight": (3, 1), "syntax_suggest": (3, 2)}
    return numbers >= needed.get(flag.partition("=")[2], (0, 0))


def missing_words(runtime: str) -> str:
    """What is said when a runtime's language is not on this machine."""
    family = re.match(r"[a-z]*", runtime)
    called = _CALLED.get(family[0] if family else "")
    if called is None:
        return f"Serein does not run the runtime {runtime}"
    if called == ".NET":
        return f"{runtime}: Serein has no runtime client for .NET; deploy it as provided.al2023 (native AOT)"
    if called == "Go":
        return f"{runtime} is deprecated: build the function as a bootstrap for provided.al2023"
    return f"{called} is not installed on this machine, which {runtime} needs"


def missing(runtime: str) -> str:
    """Why functions of a runtime cannot run here; "" when they can, as far as can be told without starting anything."""
    if runtime.startswith(("python", "provided")) or not runtime:
        return ""
    if runtime.startswith("nodejs"):
        there = shutil.which("node") is not None
    elif runtime.startswith("java"):
        there = bool(installed_javas()) and compiler_of(installed_javas().values()) is not None
    elif runtime.startswith("ruby"):
        there = shutil.which("ruby") is not None
    else:
        there = False
    return "" if there else missing_words(runtime)


def family_of(runtime: str, warned: set[str]) -> str:
    """The station that runs a runtime: `python`, `nodejs`, `provided`, `java17`, `ruby`. Raises RuntimeUnavailable.

    That another version stands in is said once; `warned` are the runtimes of which it was.
    """
    for family in ("python", "nodejs", "provided"):
        if runtime.startswith(family):
            return family
    words = missing(runtime)
    if words:
        raise RuntimeUnavailable(words)
    other = "" if runtime in warned else stand_in(runtime)
    if other:
        warned.add(runtime)
        log.warning("%s is not installed: %s runs its functions", runtime, other)
    if runtime.startswith("ruby"):
        return "ruby"
    if not runtime.startswith("java"):
        raise RuntimeUnavailable(missing_words(runtime))
    return f"java{nearest_java(installed_javas(), runtime).version}"


def stand_in(runtime: str) -> str:
    """What runs the functions of a runtime that is not installed in its own version: "Java 25"; "" when it is."""
    if runtime.startswith("java") and installed_javas():
        match = _NAMED.match(runtime)
        found = nearest_java(installed_javas(), runtime).version
        return "" if match and int(match[1]) == found else f"Java {found}"
    if runtime.startswith("ruby"):
        ruby = find_ruby()
        if ruby is not None and not f"ruby{ruby.version}".startswith(runtime):
            return f"Ruby {ruby.version}"
    return ""


def find_languages(family: str, work: Path) -> Languages:
    """What a station of this family runs; all there is for `provided`. Blocking: compiles the Java client at first use.

    Raises RuntimeUnavailable.
    """
    if family == "ruby":
        ruby = find_ruby()
        if ruby is None:
            raise RuntimeUnavailable(missing_words("ruby"))
        return Languages(ruby=ruby)
    if not family.startswith("java"):
        return Languages()
    java = nearest_java(installed_javas(), family)
    client = java_client.prepare(java, compiler_of(installed_javas().values()), work)
    return Languages(java=java, client=client)


# Java.


@functools.cache
def installed_javas() -> dict[int, Java]:
    """Major version → Java, of those that are found in the usual places."""
    found: dict[int, Java] = {}
    for home in _java_homes():
        java = java_client.look(home)
        if java is not None and java.version >= JAVA_OLDEST:
            found.setdefault(java.version, java)
    return found


def _java_homes() -> Iterable[Path]:
    named = os.environ.get("JAVA_HOME")
    if named:
        yield Path(named)
    executable = shutil.which("java")
    if executable:
        yield Path(os.path.realpath(executable)).parent.parent
    for parent in ("/usr/lib/jvm", "/usr/java", Path.home() / ".sdkman/candidates/java"):
        if os.path.isdir(parent):
            yield from sorted(Path(parent).iterdir(), reverse=True)


def nearest_java(installed: dict[int, Java], runtime: str) -> Java:
    """The Java for a runtime: its own version, else the next newer one, else the newest."""
    match = _NAMED.match(runtime)
    wanted = int(match[1]) if match else 0
    newer = sorted(version for version in installed if version >= wanted)
    return installed[newer[0] if newer else max(installed)]


def compiler_of(javas: Iterable[Java]) -> str | None:
    """A Java compiler, of whatever version."""
    for java in javas:
        path = os.path.join(java.home, "bin", "javac")
        if os.access(path, os.X_OK):
            return path
    return shutil.which("javac")


# Ruby.


@functools.cache
def find_ruby() -> Ruby | None:
    """The Ruby on the machine's path. Asks it, which takes a moment."""
    executable = shutil.which("ruby")
    if executable is None:
        return None
    try:
        told = subprocess.run(
            [executable, "-e", _RUBY_FACTS],
            capture_output=True,
            check=True,
            timeout=_RUBY_LIMIT_S,
            text=True,
        ).stdout.splitlines()
    except (OSError, subprocess.SubprocessError):
        return None
    version, real, *folders = told
    real = os.path.realpath(real)
    prefix = os.path.dirname(os.path.dirname(real))
    shown = [prefix] if not prefix.startswith("/usr") or prefix == "/usr/local" else []
    shown += [folder for folder in (*folders, _RUBY_SHARED) if _is_hidden(folder, shown)]
    return Ruby(real, version, tuple(dict.fromkeys(shown)))


def _is_hidden(folder: str, shown: list[str]) -> bool:
    """Whether a sandbox would not see a folder by itself; gems that were installed here are not the functions' business."""
    if not os.path.isdir(folder) or folder.startswith(("/usr/lib", "/usr/bin", "/var/lib/gems")):
        return False
    return not any(folder.startswith(path + "/") for path in shown)
