"""Extensions of one environment: who has registered, who waits for the next event, and what they are told.

https://docs.aws.amazon.com/lambda/latest/dg/runtimes-extensions-api.html
"""

from __future__ import annotations

from collections import deque
from typing import Any, Protocol

import orjson

EXTENSIONS_MAX = 10
EVENTS_MAX = 64
NAME_LENGTH_MAX = 255
_EVENTS = frozenset({"INVOKE", "SHUTDOWN"})


class Waiter(Protocol):
    """A connection on which an extension asked for its next event."""

    def give_extension_event(self, identifier: str, event: bytes) -> None:
        """Answer it."""
        ...


class Extension:
    """One registered extension."""

    def __init__(self, identifier: str, name: str, events: frozenset[str]) -> None:
        self.identifier = identifier
        self.name = name
        self.events = events
        self.waiter: Waiter | None = None
        self.asked = False  # whether it has asked for an event at least once
        self._queue: deque[bytes] = deque(maxlen=EVENTS_MAX)

    def tell(self, event: dict[str, Any]) -> None:
        """Give it an event now, or when it asks."""
        text = orjson.dumps(event)
        if self.waiter is None:
            self._queue.append(text)
            return
        waiter, self.waiter = self.waiter, None
        waiter.give_extension_event(self.identifier, text)

    def wait(self, waiter: Waiter) -> None:
        """It asks for its next event."""
        self.asked = True
        if self._queue:
            waiter.give_extension_event(self.identifier, self._queue.popleft())
        else:
            self.waiter = waiter


class Extensions:
    """All of an environment's extensions. `expected` are the external ones that were started with it."""

    def __init__(self) -> None:
        self.expected = 0
        self._registered: dict[str, Extension] = {}

    def __bool__(self) -> bool:
        return bool(self._registered) or self.expected > 0

    def register(self, identifier: str, name: str, events: list[Any]) -> str | None:
        """Take an extension on; the words of the refusal where it may not."""
        if not name or len(name) > NAME_LENGTH_MAX:
            return "Extension.InvalidExtensionName"
        if len(self._registered) >= EXTENSIONS_MAX:
            return "ErrTooManyExtensions"
        if not all(isinstance(event, str) and event in _EVENTS for event in events):
            return "Extension.InvalidEventType"
        self._registered[identifier] = Extension(identifier, name, frozenset(events))
        return None

    def find(self, identifier: str) -> Extension | None:
        """The extension of that identifier."""
        return self._registered.get(identifier)

    @property
    def are_initialised(self) -> bool:
        """Whether every one that was started has registered and asked for its first event."""
        ready = [extension for extension in self._registered.values() if extension.asked]
        return len(ready) >= max(self.expected, len(self._registered))

    @property
    def are_waiting(self) -> bool:
        """Whether all that are told of invocations have done with the last one."""
        return all(
            extension.waiter is not None
            for extension in self._registered.values()
            if "INVOKE" in extension.events
        )

    def tell_invoke(self, facts: dict[str, Any]) -> None:
        """An invocation begins."""
        event = {
            "eventType": "INVOKE",
            "deadlineMs": facts["deadline_ms"],
            "requestId": facts["id"],
            "invokedFunctionArn": facts["arn"],
            "tracing": {"type": "X-Amzn-Trace-Id", "value": facts.get("trace") or ""},
        }
        self._tell("INVOKE", event)

    def tell_shutdown(self, reason: str, deadline_ms: int) -> bool:
        """The environment ends; whether anybody wants to know."""
        event = {"eventType": "SHUTDOWN", "shutdownReason": reason, "deadlineMs": deadline_ms}
        return self._tell("SHUTDOWN", event)

    def forget(self, waiter: Waiter) -> None:
        """A connection is gone."""
        for extension in self._registered.values():
            if extension.waiter is waiter:
                extension.waiter = None

    def _tell(self, kind: str, event: dict[str, Any]) -> bool:
        told = [e for e in self._registered.values() if kind in e.events]
        for extension in told:
            extension.tell(event)
        return bool(told)
