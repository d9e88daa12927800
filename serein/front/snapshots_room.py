"""`/_serein/snapshots`: the states that a running house keeps under names, and going back to one.

GET                                            {"data", "snapshots": [{"name", "taken_at", …}]}
POST {"restore": NAME, "keep_as": OTHER}       the house is again as it was at NAME; answered when it is
POST {"save": NAME}, {"delete": NAME}          of a house in memory; a data directory is kept by `serein snapshot` itself
"""

from __future__ import annotations

from typing import Protocol

from serein.front.caretakers import Params, Refused, Room
from serein.store.errors import StoreError


class SnapshotKeeper(Protocol):
    """Keeps the states of one house. Everything raises StoreError in words for the user."""

    @property
    def data(self) -> str | None:
        """The data directory, where there is one."""
        ...

    def list(self) -> list[dict[str, object]]: ...
    async def save(self, name: str) -> None: ...
    async def delete(self, name: str) -> None: ...

    async def restore(self, name: str, keep_as: str | None) -> dict[str, object]:
        """Let the house be what it was; how long its clients had to wait (`paused_s`), and what was kept under which name."""
        ...


NO_SNAPSHOTS = (
    "This house keeps no snapshots of itself: its data is in a database. `serein backup VAULT --store URL` keeps a state "
    "of it, `serein restore VAULT --store URL` brings one back into an empty database, `serein store copy URL DIRECTORY` "
    "branches one off."
)


class SnapshotsRoom:
    """The snapshots of one house; `keeper` None where it has none."""

    def __init__(self, keeper: SnapshotKeeper | None) -> None:
        self._keeper = keeper

    def room(self) -> Room:
        """Its page."""
        return Room(
            works={"GET": ("ListSnapshots", self._list), "POST": ("RestoreSnapshot", self._do)}
        )

    async def _list(self, params: Params) -> object:
        keeper = self._found()
        return {"data": keeper.data, "snapshots": keeper.list()}

    async def _do(self, params: Params) -> object:
        keeper = self._found()
        try:
            match params:
                case {"restore": str(name), **rest} if rest.keys() <= {"keep_as"}:
                    keep_as = rest.get("keep_as")
                    if keep_as is not None and not isinstance(keep_as, str):
                        raise ValueError("keep_as is a name.")
                    return await keeper.restore(name, keep_as)
                case {"save": str(name), **rest} if not rest:
                    await keeper.save(name)
                case {"delete": str(name), **rest} if not rest:
                    await keeper.delete(name)
                case _:
                    raise ValueError('Say {"restore": NAME}, {"save": NAME} or {"delete": NAME}.')
        except StoreError as error:
            raise Refused(_sentence(str(error)), code="SnapshotRefused", status=409) from error
        return await self._list({})

    def _found(self) -> SnapshotKeeper:
        if self._keeper is None:
            raise Refused(NO_SNAPSHOTS, code="SnapshotRefused", status=409)
        return self._keeper


def _sentence(words: str) -> str:
    return words[:1].upper() + words[1:].rstrip(".") + "."
