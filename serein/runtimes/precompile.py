"""Python code compiled ahead: functions see their folders read-only, so each cold start would compile every module again.

A process of its own does it, politely and within limits: what it reads comes from strangers. Functions that start before it is
done compile for themselves.
"""

from __future__ import annotations

import asyncio
import contextlib
import os

_PROGRAM = """
import compileall, os, resource, sys
os.nice(19)
resource.setrlimit(resource.RLIMIT_CPU, (120, 120))
resource.setrlimit(resource.RLIMIT_AS, (1 << 31, 1 << 31))
resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
compileall.compile_dir(sys.argv[1], quiet=2, workers=1)
"""
LIMIT_S = 300.0
KNOWN_MAX = 10_000


class Precompiler:
    """Compiles one folder after the other, each once for each interpreter."""

    def __init__(self) -> None:
        self._known: set[tuple[str, str]] = set()
        self._turn = asyncio.Semaphore(1)

    async def compile(self, python: str, folder: str) -> None:
        """Compile the modules in `folder` for the interpreter; returns when it is done, or could not be."""
        if (python, folder) in self._known or not os.path.isdir(folder):
            return
        if len(self._known) >= KNOWN_MAX:
            self._known.clear()
        self._known.add((python, folder))
        async with self._turn:
            with contextlib.suppress(OSError):
                await self._run(python, folder)

    async def _run(self, python: str, folder: str) -> None:
        process = await asyncio.create_subprocess_exec(
            python,
            "-I",
            "-S",
            "-c",
            _PROGRAM,
            folder,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
            env={"PATH": "/usr/bin:/bin"},
        )
        try:
            await asyncio.wait_for(process.wait(), LIMIT_S)
        except (TimeoutError, asyncio.CancelledError):
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
            raise
