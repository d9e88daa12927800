"""What the doctor finds."""

from __future__ import annotations

from typing import Literal

import msgspec


class Finding(msgspec.Struct, frozen=True):
    """One thing that was looked at: what was found, and where it is not well, how to mend it."""

    level: Literal["ok", "warn", "bad"]
    said: str
    mend: str = ""
