"""An answer that is passed on while the function still writes it.

https://docs.aws.amazon.com/lambda/latest/dg/configuration-response-streaming.html
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Coroutine
from typing import Any

import orjson

from serein.base.errors import AwsError
from serein.runtimes.spec import Outcome

HELD_BYTES_MAX = 1024 * 1024
HTTP_INTEGRATION = "application/vnd.awslambda.http-integration-response"
# https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html: 200 MB; what is over is not passed on
STREAMED_BYTES_MAX = 200 * 1024 * 1024
_PRELUDE_END = b"\0" * 8
_PRELUDE_BYTES_MAX = 64 * 1024

Run = Coroutine[Any, Any, tuple[str, Outcome]]


class StreamedAnswer:
    """Takes what a function writes, and gives it to one reader.

    `start` runs the invocation until the answer begins; then `pieces` is what comes, and `outcome` is set after the last
    piece. A reader that goes away leaves the function to run to its end, unheard.
    """

    def __init__(self) -> None:
        self.content_type = ""
        self.version = ""
        self.outcome: Outcome | None = None
        self.is_streamed = False
        self._pieces: deque[bytes] = deque()
        self._bytes = 0
        self._bell = asyncio.Event()
        self._task: asyncio.Task[tuple[str, Outcome]] | None = None
        self._gone = False
        self._total = 0

    # What the runtime calls.

    def routed(self, version: str) -> None:
        """Which version it is that runs."""
        self.version = version

    def begin(self, content_type: str) -> None:
        """The answer begins."""
        self.is_streamed = True
        self.content_type = content_type
        self._bell.set()

    def write(self, data: bytes) -> None:
        """The next piece."""
        self._total += len(data)
        if not self._gone and self._total <= STREAMED_BYTES_MAX:
            self._pieces.append(data)
            self._bytes += len(data)
            self._bell.set()

    @property
    def full(self) -> bool:
        """Whether the reader is behind."""
        return self._bytes >= HELD_BYTES_MAX

    # What the reader calls.

    async def start(self, run: Run) -> None:
        """Run until the answer begins, or is there as a whole. Raises AwsError when nothing could be run."""
        self._task = asyncio.ensure_future(run)
        self._task.add_done_callback(lambda _: self._bell.set())
        try:
            await self._wait()
        except asyncio.CancelledError:
            self._task.cancel()
            raise
        if self._task.done() and not self.is_streamed:
            _, outcome = self._task.result()
            self._take_whole(outcome)

    def _take_whole(self, outcome: Outcome) -> None:
        """An answer that was not streamed is one piece."""
        self.content_type = "application/json"
        self.outcome = outcome
        if outcome.error is None and outcome.payload:
            self._pieces.append(outcome.payload)
            self._bytes += len(outcome.payload)

    async def pieces(self) -> AsyncIterator[bytes]:
        """What comes, to its end."""
        assert self._task is not None
        try:
            while True:
                while self._pieces:
                    piece = self._pieces.popleft()
                    self._bytes -= len(piece)
                    yield piece
                if self._task.done():
                    break
                await self._wait()
            if self.outcome is None:
                self.outcome = self._ended()
        finally:
            self._gone = True
            self._pieces.clear()
            self._bytes = 0

    def _ended(self) -> Outcome:
        assert self._task is not None
        if self._total > STREAMED_BYTES_MAX:
            message = f"Response payload size exceeded maximum allowed payload size ({STREAMED_BYTES_MAX} bytes)."
            kind = "Function.ResponseSizeTooLarge"
            payload = orjson.dumps({"errorMessage": message, "errorType": kind})
            return Outcome(payload=payload, error="unhandled", error_type=kind)
        try:
            return self._task.result()[1]
        except AwsError as error:
            payload = orjson.dumps({"errorMessage": error.message, "errorType": error.code})
            return Outcome(payload=payload, error="unhandled", error_type=error.code)

    async def _wait(self) -> None:
        self._bell.clear()
        assert self._task is not None
        if not (self._pieces or self._task.done()):
            await self._bell.wait()


async def split_prelude(pieces: AsyncIterator[bytes]) -> tuple[dict[str, Any] | None, bytes]:
    """The JSON before eight zero bytes at the beginning of an HTTP integration's answer, and what of the body came with it.

    None when there is no such thing.
    """
    held = b""
    async for piece in pieces:
        held += piece
        end = held.find(_PRELUDE_END)
        if end >= 0:
            try:
                told = orjson.loads(held[:end])
            except orjson.JSONDecodeError:
                return None, held
            rest = held[end + len(_PRELUDE_END) :]
            return (told, rest) if isinstance(told, dict) else (None, held)
        if len(held) > _PRELUDE_BYTES_MAX:
            break
    return None, held
