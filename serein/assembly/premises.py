"""A port with the connections to it, and the house that answers there: another can take its place between two requests.

    premises = Premises(config)
    await premises.start()
    await premises.restore("before", None)     the house is as it was; clients have waited for a moment

A house knows the store from hundreds of places: decoded records, compiled policies, warm functions, pollers, timers. None of it may
outlive what it came from, so to go back to a snapshot the house is stopped and another is built over the restored store, in
some milliseconds; listeners and connections stay. Requests that come meanwhile wait, those under way have `GRACE_S` to finish and are
then refused as by a full disk, with the service's own 503, which clients repeat.

With several worker processes all of them hold (`cli/supervisor.py` tells them), and the one that was asked exchanges the tables.
"""

from __future__ import annotations

import asyncio
import gc
import socket
import time
from collections.abc import Callable, Sequence
from typing import TypeVar

import msgspec

from serein.assembly.config import Config, StartFailure
from serein.assembly.house import House
from serein.kernel.crew import Crew
from serein.store.errors import StoreError
from serein.store.keeping import restoring, snapshots
from serein.store.memory import MemoryState, MemoryStore
from serein.wire.http import HttpRequest

T = TypeVar("T")

GRACE_S = 0.4
"""For requests under way when the house is to be rebuilt."""
SNAPSHOTS_MAX = 100
"""Of a house in memory."""
UNDER_WAY = "another restore is under way: wait for it"
IN_FOLDER = "take snapshots of a data directory with `serein snapshot`, on the machine it lies on"


class Premises:
    """What `serein up` runs. `tune` is called when a house stands; `on_failure` with words when none can be built again."""

    def __init__(
        self,
        config: Config,
        *,
        crew: Crew | None = None,
        tune: Callable[[], None] = lambda: None,
        on_failure: Callable[[str], None] = lambda words: None,
    ) -> None:
        self.config = config
        self.crew = crew
        self._tune = tune
        self._on_failure = on_failure
        self._memory = MemoryStore() if config.data is None and config.store is None else None
        self._states: dict[str, tuple[snapshots.About, MemoryState]] = {}
        self._restoring: asyncio.Task[dict[str, object]] | None = None
        self._moving = asyncio.Lock()
        """Held while a house starts, leaves or stops."""
        self._is_held = False
        self._tasks: set[asyncio.Task[None]] = set()
        self._alone: asyncio.Future[None] | None = None
        self._again: asyncio.Future[None] | None = None
        self.house = self._build()
        if crew is not None:
            crew.hub.on_order = self._obey

    def _build(self) -> House:
        keeper = self if self.config.store is None else None
        return House(self.config, crew=self.crew, store=self._memory, snapshots=keeper)

    async def start(self, sockets: Sequence[socket.socket] = ()) -> None:
        """Open and listen, as `House.start`. Raises StartFailure."""
        async with self._moving:
            await self.house.start(sockets)
        if self.crew is None and self.config.data is not None:
            await asyncio.to_thread(restoring.tidy, self.config.data)
        self._tune()

    async def stop(self) -> None:
        """Let requests under way finish, then stop."""
        if self._restoring is not None and self.crew is None:
            await asyncio.wait([self._restoring])
        async with self._moving:
            if not self._is_held:
                await self.house.stop()
            elif self.house.server is not None:
                await self.house.server.stop(0.0)

    # Out of one house and into the next.

    async def _hold(self) -> None:
        async with self._moving:
            server = self.house.server
            assert server is not None
            self._is_held = True
            await server.hold(GRACE_S, self.house.front.unavailable, _is_about_snapshots)
            await self.house.leave()

    async def _go_on(self) -> None:
        async with self._moving:
            server, endpoint = self.house.server, self.house.endpoint
            if not self._is_held or server is None:
                return
            self.house = self._build()
            try:
                await self.house.take_over(server, endpoint)
            except StartFailure as error:
                self._on_failure(str(error))
                return
            self._is_held = False
        asyncio.get_running_loop().call_later(GRACE_S, self._forget_the_old)

    def _forget_the_old(self) -> None:
        # What was frozen of the house that has left is garbage now.
        gc.unfreeze()
        gc.collect()
        self._tune()

    async def _exchange(self, work: Callable[[], T]) -> tuple[T, float]:
        """Run `work` on a thread while no process has the store open; what it gave, and how long clients waited (seconds)."""
        started = time.perf_counter()
        if self.crew is not None:
            await self._be_alone(self.crew)
        try:
            if self.crew is None:
                await self._hold()
            done = await asyncio.to_thread(work)
        finally:
            if self.crew is None:
                await self._go_on()
            else:
                await self._be_together(self.crew)
        return done, time.perf_counter() - started

    async def _be_alone(self, crew: Crew) -> None:
        self._alone = asyncio.get_running_loop().create_future()
        crew.hub.tell("hold")
        await self._alone

    async def _be_together(self, crew: Crew) -> None:
        self._again = asyncio.get_running_loop().create_future()
        crew.hub.tell("go on")
        await self._again

    def _obey(self, order: str) -> None:
        """What the supervisor wants of every worker process, or tells the one that wants to be alone."""
        if order in ("hold", "go on"):
            obey = self._hold_for_others if order == "hold" else self._go_on_for_others
            self._tasks.add(task := asyncio.ensure_future(obey()))
            task.add_done_callback(self._tasks.discard)
        elif self._alone is not None and not self._alone.done():
            if order == "alone":
                self._alone.set_result(None)
            else:
                self._alone.set_exception(StoreError(UNDER_WAY))

    async def _hold_for_others(self) -> None:
        assert self.crew is not None
        await self._hold()
        self.crew.hub.tell("held")

    async def _go_on_for_others(self) -> None:
        assert self.crew is not None
        await self._go_on()
        if not self._is_held:
            self.crew.hub.tell("ready", self.house.owner, [])
        if self._again is not None and not self._again.done():
            self._again.set_result(None)

    # What the house's snapshots page asks for (`front/snapshots_room.py`).

    @property
    def data(self) -> str | None:
        """See `SnapshotKeeper`."""
        return None if self.config.data is None else str(self.config.data.absolute())

    def list(self) -> list[dict[str, object]]:
        """See `SnapshotKeeper`."""
        if self.config.data is not None:
            found = snapshots.list_snapshots(self.config.data)
        else:
            found = [about for about, _ in self._states.values()]
        return [msgspec.to_builtins(about) for about in found]

    async def save(self, name: str) -> None:
        """See `SnapshotKeeper`."""
        store = self._in_memory()
        if snapshots.check_name(name) in self._states:
            raise StoreError(
                f"there is a snapshot {name} already: choose another name, or delete it"
            )
        if len(self._states) >= SNAPSHOTS_MAX:
            raise StoreError(f"there are {SNAPSHOTS_MAX} snapshots already: delete one")
        self._keep(name, store.state())

    async def delete(self, name: str) -> None:
        """See `SnapshotKeeper`."""
        self._in_memory()
        self._state(name)
        del self._states[name]

    async def restore(self, name: str, keep_as: str | None) -> dict[str, object]:
        """See `SnapshotKeeper`. Goes on to its end, whether or not its caller waits."""
        if self._restoring is not None:
            raise StoreError(UNDER_WAY)
        now = self.house.clock.wall()
        taken = [str(one["name"]) for one in self.list()]
        kept = keep_as or snapshots.name_for_the_present(now, taken)
        work = self._restore_memory if self._memory is not None else self._restore_folder
        self._restoring = task = asyncio.ensure_future(work(name, kept, now))
        task.add_done_callback(self._restored)
        return await asyncio.shield(task)

    def _restored(self, task: asyncio.Task[dict[str, object]]) -> None:
        self._restoring = None
        if not task.cancelled():
            task.exception()  # Seen: whoever asked may be gone.

    async def _restore_folder(self, name: str, kept: str, now: float) -> dict[str, object]:
        data = self.config.data
        assert data is not None
        ready = await asyncio.to_thread(restoring.prepare, data, name, kept, now)
        try:
            _, paused_s = await self._exchange(ready.exchange)
        finally:
            await asyncio.to_thread(ready.abandon)
        return {"restored": name, "kept_as": kept, "paused_s": round(paused_s, 4)}

    async def _restore_memory(self, name: str, kept: str, now: float) -> dict[str, object]:
        store = self._in_memory()
        state = self._state(name)
        if snapshots.check_name(kept) in self._states:
            raise StoreError(
                f"there is a snapshot {kept} already: choose another name, or delete it"
            )

        def become() -> None:
            self._keep(kept, store.state())
            store.become(state)

        _, paused_s = await self._exchange(become)
        return {"restored": name, "kept_as": kept, "paused_s": round(paused_s, 4)}

    def _in_memory(self) -> MemoryStore:
        if self._memory is None:
            raise StoreError(IN_FOLDER)
        return self._memory

    def _state(self, name: str) -> MemoryState:
        try:
            return self._states[snapshots.check_name(name)][1]
        except KeyError:
            there = ", ".join(self._states) or "none"
            raise StoreError(f"there is no snapshot {name} (there: {there})") from None

    def _keep(self, name: str, state: MemoryState) -> None:
        if len(self._states) >= SNAPSHOTS_MAX:
            # Of those that restoring has kept by itself the oldest goes.
            del self._states[next(iter(self._states))]
        sizes = [len(row) for table in state.tables.values() for row in table.rows.values()]
        about = snapshots.About(
            name=name,
            taken_at=self.house.clock.wall(),
            table_bytes=sum(sizes),
            blobs=len(state.blobs),
            blob_bytes=sum(len(content) for content, _ in state.blobs.values()),
            shared=True,
        )
        self._states[name] = (about, state)


def _is_about_snapshots(request: HttpRequest) -> bool:
    return request.path == "/_serein/snapshots"
