"""Who waits for a place to run, served in turn between functions."""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")
PATIENCE_S = 0.1  # of a function that has no place at all
LONG_PATIENCE_S = 2.0  # of one that has some: they come free for it


def nobody(key: str) -> bool:
    """No function has a place."""
    return False


class Waiting(Generic[T]):
    """A queue per function, and a turn between the functions.

    A warm place goes to its own function's next caller, unless another function has waited for too long: cold starts are costly,
    but nobody is starved by a busy neighbour. Too long is little for a function without any place, and more for others: when
    there are too few places for everybody, places that change hands all the time would be spent on cold starts alone.
    """

    def __init__(self, size_max: int) -> None:
        self._size_max = size_max
        self._size = 0
        self._queues: OrderedDict[str, deque[tuple[float, asyncio.Future[T]]]] = OrderedDict()

    def __len__(self) -> int:
        return self._size

    @property
    def full(self) -> bool:
        """Whether one more would be too many."""
        return self._size >= self._size_max

    def add(self, key: str, now: float) -> asyncio.Future[T]:
        """The future of a place for `key`."""
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._queues.setdefault(key, deque()).append((now, future))
        self._size += 1
        return future

    def next(
        self, now: float, warm_key: str | None, has_place: Callable[[str], bool] = nobody
    ) -> tuple[str, asyncio.Future[T]] | None:
        """Who is to be served next, given that a warm place of `warm_key` is free (or any, for None).

        None when nobody waits, or nobody for whom the warm place should be given up.
        """
        self._drop_cancelled()
        if not self._queues:
            return None
        key = next(iter(self._queues))
        if warm_key is not None and key != warm_key:
            waited_s = now - self._queues[key][0][0]
            has_some = has_place(key)
            if waited_s < (LONG_PATIENCE_S if has_some else PATIENCE_S):
                if warm_key in self._queues:
                    key = warm_key
                elif has_some:
                    return None
        queue = self._queues[key]
        _, future = queue.popleft()
        self._size -= 1
        if queue:
            self._queues.move_to_end(key)
        else:
            del self._queues[key]
        return key, future

    def longer_than(self, moment: float) -> int:
        """How many have waited since before `moment`."""
        return sum(
            1
            for queue in self._queues.values()
            for since, future in queue
            if since <= moment and not future.done()
        )

    def fail_all(self, error: Exception) -> None:
        """Nobody will be served any more."""
        for queue in self._queues.values():
            for _, future in queue:
                if not future.done():
                    future.set_exception(error)
        self._queues.clear()
        self._size = 0

    def _drop_cancelled(self) -> None:
        for key in list(self._queues):
            queue = self._queues[key]
            while queue and queue[0][1].done():
                queue.popleft()
                self._size -= 1
            if queue:
                return
            del self._queues[key]
