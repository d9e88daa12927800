"""`serein restore`: see `backup.py`."""

from __future__ import annotations

from serein.cli.backup import restore_command as command

__all__ = ["command"]
