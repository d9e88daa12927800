"""How a function is run in an image, and why it could not be."""

from __future__ import annotations

import os

import msgspec

from serein.runtimes.images.configuration import ImageConfiguration
from serein.runtimes.images.trees import Tree
from serein.runtimes.spec import ImageRoot

# https://docs.docker.com/engine/containers/run/#environment-variables
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class Overrides(msgspec.Struct, frozen=True, kw_only=True):
    """What a function says instead of its image; None where it says nothing."""

    entry_point: tuple[str, ...] | None = None
    command: tuple[str, ...] | None = None
    folder: str | None = None


def image_root(root: str, configuration: ImageConfiguration, overrides: Overrides) -> ImageRoot:
    """How a function is run in an image: what it says itself goes before what the image says.

    An entry point of its own does away with the image's command, as it does everywhere.
    """
    running = configuration.running
    entry_point = overrides.entry_point
    command = overrides.command
    if command is None:
        command = tuple(running.Cmd or ()) if entry_point is None else ()
    if entry_point is None:
        entry_point = tuple(running.Entrypoint or ())
    folder = overrides.folder or running.WorkingDir or "/"
    return ImageRoot(
        root=root,
        command=(*entry_point, *command),
        handler=command[0] if command else "",
        folder=folder if folder.startswith("/") else f"/{folder}",
        environment={"PATH": _PATH, **configuration.environment},
        extensions=tuple(_extensions(root)),
    )


def _extensions(root: str) -> list[str]:
    """The external extensions that an image brings. Blocking, briefly."""
    tree = Tree(root)
    folder = tree.folder_or_none(("opt", "extensions"))
    if folder is None:
        return []
    found = []
    for name in sorted(os.listdir(tree.path(folder))):
        file = tree.file_or_none(f"/opt/extensions/{name}")
        if file is not None and os.path.isfile(file) and os.stat(file).st_mode & 0o111:
            found.append(f"/opt/extensions/{name}")
    return found


def entrypoint_words(code: int | None, image: ImageRoot) -> tuple[str, str] | None:
    """What is wrong with an image's program that could not be executed: kind and words. Blocking, briefly.

    `code` is that of the child on its way: 125 for the folder, 127 for a program that is not there, 126 for one that is none.
    """
    if code == 125:
        return "Runtime.InvalidWorkingDir", f"chdir {image.folder}: no such file or directory"
    program = image.command[0] if image.command else ""
    tree = Tree(image.root)
    path = image.environment.get("PATH", "")
    places = [program] if "/" in program else [f"{one}/{program}" for one in path.split(":") if one]
    if program and not program.startswith("/") and "/" in program:
        places = [f"{image.folder}/{program}"]
    found = map(tree.file_or_none, places if program else [])
    file = next((one for one in found if one is not None and os.path.isfile(one)), None)
    kind = "Runtime.InvalidEntrypoint"
    if file is not None and "/" not in program and not os.stat(file).st_mode & 0o001:
        file = None
    if code == 127 and file is None:
        if program and "/" not in program:
            return kind, f'exec: "{program}": executable file not found in $PATH'
        return kind, f"fork/exec {program}: no such file or directory"
    if code == 127 and file is not None and not _has_interpreter(tree, file):
        return kind, f"fork/exec {program}: no such file or directory"
    if code == 126 and file is not None:
        why = "exec format error" if os.stat(file).st_mode & 0o001 else "permission denied"
        return kind, f"fork/exec {program}: {why}"
    return None


def _has_interpreter(tree: Tree, file: str) -> bool:
    """Whether the interpreter that a script names is there."""
    try:
        with open(file, "rb") as opened:
            head = opened.read(256)
    except OSError:
        return True
    if not head.startswith(b"#!"):
        return True
    words = head[2:].split(b"\n", 1)[0].split()
    return bool(words) and tree.file_or_none(os.fsdecode(words[0])) is not None
