"""Which of the installed Pythons a runtime gets."""

from __future__ import annotations

import logging

from serein.runtimes import interpreters

log = logging.getLogger(__name__)


class Pythons:
    """The Pythons of this machine, looked for when the first runtime asks for another than Serein's own."""

    def __init__(self) -> None:
        self._installed: dict[interpreters.Version, str] | None = None
        self._warned: set[str] = set()

    def version_for(self, runtime: str) -> interpreters.Version:
        """The one that the runtime names, or the nearest one that is installed, with a warning."""
        wanted = interpreters.wanted_version(runtime)
        if wanted is None or wanted == interpreters.OWN:
            return interpreters.OWN
        if self._installed is None:
            self._installed = interpreters.installed_pythons()
        if wanted in self._installed:
            return wanted
        found = interpreters.nearest(self._installed, wanted)
        if runtime not in self._warned:
            self._warned.add(runtime)
            log.warning("%s is not installed: Python %d.%d runs its functions", runtime, *found)
        return found

    def find(self, version: interpreters.Version) -> interpreters.Python:
        """Where that version is."""
        return interpreters.find_python(version, (self._installed or {}).get(version, ""))
