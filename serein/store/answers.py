"""What waits for a batch to become durable: one answer for each caller, whatever the engine."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any

import msgspec

from serein.store.errors import StoreUnavailable

log = logging.getLogger(__name__)


class Answer(msgspec.Struct):
    """What one caller will be told when its batch is durable."""

    future: asyncio.Future[Any]
    result: Any = None
    error: Exception | None = None
    callbacks: list[Callable[[], None]] = []

    def give(self) -> None:
        """Run the callbacks, then tell the caller."""
        for callback in self.callbacks:
            try:
                callback()
            except Exception:
                log.exception("an after_commit callback failed")
        if self.future.done():
            return
        if self.error is not None:
            self.future.set_exception(self.error)
        else:
            self.future.set_result(self.result)

    def refuse(self, error: StoreUnavailable) -> None:
        """Tell the caller that nothing was kept."""
        if not self.future.done():
            self.future.set_exception(error)
