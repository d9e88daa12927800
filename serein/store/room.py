"""How much room is left, as the store tells it."""

from __future__ import annotations

import msgspec


class Room(msgspec.Struct, frozen=True):
    """How much is free, and how much has to be."""

    free_bytes: int
    free_bytes_min: int
    short: bool

    def prometheus(self) -> list[str]:
        """As lines of Prometheus' text format."""
        return [
            "# HELP serein_store_free_bytes Free on the disk of the data directory.",
            "# TYPE serein_store_free_bytes gauge",
            f"serein_store_free_bytes {self.free_bytes}",
            "# HELP serein_store_full Whether writes are refused since there is too little room.",
            "# TYPE serein_store_full gauge",
            f"serein_store_full {int(self.short)}",
        ]
