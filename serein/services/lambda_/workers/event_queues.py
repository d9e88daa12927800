"""Whose accepted event runs next: a queue for each function, and a turn between them.

A function with ten thousand events, or a slow one, takes its share of the places and leaves the others theirs: it may have as
many events under way as places are left after it. One that is throttled rests, longer each time, up to five minutes.
https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-error-handling.html
"""

from __future__ import annotations

import math
from collections import OrderedDict, deque

from serein.kernel.operations import Read
from serein.services.lambda_.records import ASYNC_QUEUE, SETTINGS, AsyncEvent

REST_S_MIN = 1.0
REST_S_MAX = 300.0
LOADED_MAX = 8  # events of a queue that are held in memory before their turn

Owner = tuple[str, str, str]  # account, region, function name
Place = tuple[float, str]  # of an event in its queue: when it is due, its id


class EventQueue:
    """The events of one function, as far as they are known."""

    def __init__(self, owner: Owner) -> None:
        self.owner = owner
        self.under_way: set[Place] = set()
        self.due_at = 0.0  # when to look for the next one; infinity: when somebody rings
        self._loaded: deque[AsyncEvent] = deque()
        self._behind: Place | None = None
        self._rests_until = 0.0
        self._rest_s = 0.0

    def ring(self, due_at: float) -> None:
        """There is one that is due then, perhaps."""
        if due_at < self.due_at:
            self.due_at = due_at
            self._behind = None

    def take(self, read: Read, now: float) -> AsyncEvent | None:
        """The next one that is due and not under way."""
        if now < self._rests_until:
            return None
        if not self._loaded and self.due_at <= now:
            self._load(read, now)
        if not self._loaded:
            return None
        event = self._loaded.popleft()
        self.under_way.add((event.due_at, event.id))
        return event

    def _load(self, read: Read, now: float) -> None:
        behind = self._behind
        self._scan(read, now)
        if behind is None or self.due_at <= now:
            return
        # Events are not accepted exactly in the order of their times: before the queue counts as empty, from its start.
        self._behind = None
        if self._loaded:
            self.due_at = 0.0
        else:
            self._scan(read, now)

    def _scan(self, read: Read, now: float) -> None:
        start = self._behind or ()
        self.due_at = math.inf
        found = read.scan(
            ASYNC_QUEUE, self.owner, start=start, start_after=bool(start), skip_damaged=True
        )
        for event in found:
            if event.due_at > now or len(self._loaded) >= LOADED_MAX:
                self.due_at = event.due_at
                return
            place = (event.due_at, event.id)
            self._behind = place
            if place not in self.under_way:
                self._loaded.append(event)

    def landed(self, place: Place, now: float, *, throttled: bool) -> None:
        """One is not under way any more: it is done, or back in the queue, and then not to be overlooked."""
        self.under_way.discard(place)
        if throttled:
            self.due_at, self._behind = 0.0, None
        if not throttled:
            self._rest_s = self._rests_until = 0.0
        elif now >= self._rests_until:
            self._rest_s = min(REST_S_MAX, max(REST_S_MIN, 2 * self._rest_s))
            self._rests_until = now + self._rest_s

    @property
    def next_at(self) -> float:
        """When `take` may give one again; infinity when somebody has to ring first."""
        return max(0.0 if self._loaded else self.due_at, self._rests_until)

    @property
    def is_over(self) -> bool:
        """Whether nothing has to be remembered of it."""
        waits = self._loaded or not math.isinf(self.due_at)
        return not (waits or self.under_way or self._rests_until)


class EventQueues:
    """The queues of all functions; `places` events may be under way at once."""

    def __init__(self, places: int) -> None:
        self._places = places
        self._queues: OrderedDict[Owner, EventQueue] = OrderedDict()
        self.under_way = 0

    def look(self, read: Read) -> None:
        """Find the functions that events wait for. Costs a read for each function, not for each event."""
        after: Owner | None = None
        while True:
            found = read.scan(
                ASYNC_QUEUE,
                start=after or (),
                start_after=after is not None,
                limit=1,
                skip_damaged=True,
            )
            head = next(iter(found), None)
            if head is None:
                return
            after = (head.account, head.region, head.function)
            queue = self._queues.get(after)
            if queue is None:
                queue = self._queues[after] = EventQueue(after)
            queue.ring(head.due_at)

    def next(self, read: Read, now: float) -> AsyncEvent | None:
        """The event whose turn it is; None when nobody may run one now."""
        left = self._places - self.under_way
        if left <= 0:
            return None
        for owner in list(self._queues):
            queue = self._queues[owner]
            if queue.is_over:
                del self._queues[owner]
                continue
            if len(queue.under_way) >= min(left, _reserved(read, owner)):
                continue
            event = queue.take(read, now)
            if event is not None:
                self._queues.move_to_end(owner)
                self.under_way += 1
                return event
        return None

    def landed(self, event: AsyncEvent, now: float, *, throttled: bool) -> None:
        """An event that `next` gave is done, or back in its queue."""
        self.under_way -= 1
        queue = self._queues.get((event.account, event.region, event.function))
        if queue is not None:
            queue.landed((event.due_at, event.id), now, throttled=throttled)

    def next_at(self, now: float) -> float:
        """When something comes due that is not now; infinity when nothing is known to."""
        times = (queue.next_at for queue in self._queues.values())
        return min((at for at in times if at > now), default=math.inf)


def _reserved(read: Read, owner: Owner) -> float:
    """How many of a function's invocations may run at once, if that was set (0 is told of, not waited for)."""
    settings = read.get(SETTINGS, *owner)
    reserved = settings.reserved_concurrency if settings is not None else None
    return reserved or math.inf
