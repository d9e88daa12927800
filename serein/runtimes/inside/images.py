"""A child's way into the root of an image, and to the program that the image names."""

from __future__ import annotations

import os
from typing import TypedDict

from serein.runtimes.inside import syscalls

_NO_FOLDER = 125
_NO_PROGRAM = 127
_FROM_OURS = ("/etc/hosts", "/etc/resolv.conf")


class ImageView(TypedDict):
    """What the pool tells of an image."""

    root: str  # the folder on the host
    folder: str  # where its program starts, as the image sees it


def enter_image(image: ImageView, root: int, tmp_options: str) -> None:
    """Make an image's root this process's own, in a mount namespace of its own.

    The image has no say in where anything is mounted: each mount is made when its root is the process's root already, so that a
    link in it leads nowhere else. What is of the host is taken from the sandboxes' root, behind `root`.
    """
    tree = syscalls.open_read_only_tree(image["root"])
    syscalls.setns(root, syscalls.CLONE_NEWNS)
    syscalls.unshare(syscalls.CLONE_NEWNS)
    devices = syscalls.open_whole_tree("/dev")
    files = [(path, syscalls.open_whole_tree(path)) for path in _FROM_OURS]
    syscalls.attach_tree(tree, "/var/task")
    os.chdir("/var/task")
    syscalls.pivot_root(".", ".")
    syscalls.attach_tree(devices, "/dev")
    for path, opened in files:
        syscalls.attach_tree(opened, path)
    flags = syscalls.MS_NOSUID | syscalls.MS_NODEV
    syscalls.mount("tmpfs", "/tmp", "tmpfs", flags, tmp_options)
    # While the old root is still there: without root the kernel mounts a /proc only where there is one to be seen.
    syscalls.mount("proc", "/proc", "proc", flags | syscalls.MS_NOEXEC, "hidepid=2")
    syscalls.unmount_detached(".")
    os.chdir("/")


def enter_folder(image: ImageView) -> None:
    """Go to where the image's program starts; ends the process when that is no folder."""
    try:
        os.chdir(image["folder"])
    except OSError:
        os._exit(_NO_FOLDER)


def find_program(name: str, path: str) -> str:
    """A program by its name, as a shell finds it; what has a slash is taken as it is. Ends the process where there is none."""
    if "/" in name:
        return name
    for folder in path.split(":"):
        found = f"{folder or '.'}/{name}"
        if os.path.isfile(found) and os.access(found, os.X_OK):
            return found
    os._exit(_NO_PROGRAM)
