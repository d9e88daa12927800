"""Where functions live on this machine: their folder, and how much of the machine is theirs."""

from __future__ import annotations

import tempfile
from pathlib import Path

from serein.assembly.config import Config
from serein.kernel.crew import Crew
from serein.runtimes.pool import PoolSettings

Scratch = tempfile.TemporaryDirectory[str]


def pool_settings(config: Config, crew: Crew | None) -> tuple[PoolSettings, Scratch | None]:
    """What the pool is told. Unpacked code lies beside the data; an ephemeral house has a folder that goes with it."""
    scratch = None
    if config.data is not None:
        work = config.data / "functions"
    else:
        scratch = tempfile.TemporaryDirectory(prefix="serein-", ignore_cleanup_errors=True)
        work = Path(scratch.name)
    settings = PoolSettings(
        work=str(work.absolute()),
        endpoint=f"http://127.0.0.1:{config.port}",
        processes_max=config.processes_max,
        isolate=config.isolation != "off",
        required=config.isolation == "required",
        reachable=config.functions_reach,
    )
    return settings if crew is None else crew.share_of(settings), scratch
