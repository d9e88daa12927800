"""The Python runtime as a program of its own: for functions with a wrapper script or with extensions.

It is started with its environment complete, and speaks frames on the descriptor that it inherits.
"""

from __future__ import annotations

import os
import sys
import types

FOLDER = os.path.dirname(os.path.abspath(__file__))
for _name, _path in (("serein", FOLDER), ("serein.runtimes", os.path.dirname(FOLDER))):
    # Importable by their full names, without the packages above them.
    _module = types.ModuleType(_name)
    _module.__path__ = [_path]
    sys.modules.setdefault(_name, _module)

import resource  # noqa: E402
import socket  # noqa: E402

from serein.runtimes.inside import confine, frames, python  # noqa: E402


def main() -> None:
    """Serve until the pool closes the channel."""
    os.environ.pop("_SEREIN_ASSIGNED", None)
    task_root = os.environ["LAMBDA_TASK_ROOT"]
    version = f"python{sys.version_info[0]}.{sys.version_info[1]}"
    layered = [f"/opt/python/lib/{version}/site-packages", "/opt/python"]
    own = [path for path in sys.path if os.path.abspath(path) != FOLDER]
    sys.path[:] = [task_root, *layered, *own]
    os.chdir(task_root)
    channel = frames.FrameSocket(socket.socket(fileno=confine.CHANNEL))
    os.set_inheritable(confine.CHANNEL, False)
    python.serve(channel, os.environ["_HANDLER"], _peak_kib, python.encoder())


def _peak_kib() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


if __name__ == "__main__":
    main()
