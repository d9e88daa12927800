"""What this node knows of the stamps, and the caches that go by them. See `schema.py`."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import TYPE_CHECKING

from serein.store.forms import Forms
from serein.store.postgresql.schema import number, text
from serein.store.postgresql.tables import SqlTable
from serein.store.tables import AnyTable, BytesTable

if TYPE_CHECKING:
    from psycopg.pq.abc import PGresult


class Stamps:
    """The stamps as of `total`, up to which this node's caches are true."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self.total = 0
        self.of: dict[str, int] = {}
        self.stamped: set[str] = set()
        """Names of the stamped tables in use."""
        self._number = 0

    def declare(self, table: AnyTable) -> bool:
        """Whether a table is stamped by what its declaration says."""
        is_cached = not isinstance(table, BytesTable) and (
            (table.cached and not table.busy) or table.watched
        )
        if is_cached:
            self.stamped.add(table.name)
        return is_cached

    def new_number(self) -> int:
        """A number that was never given before, on any node, and that is greater than all before on this one.

        From the clock (microseconds, and 8 random bits): no two nodes need to agree on it.
        """
        made = (int(self._now() * 1_000_000) << 8) | secrets.randbits(8)
        self._number = made if made > self._number else self._number + 1
        return self._number

    def used_up_to(self, last: int) -> None:
        """Numbers up to `last` were given out elsewhere."""
        self._number = max(self._number, last)

    def forget(self, forms: Forms[SqlTable]) -> None:
        """Know nothing: the database has gone back in time (a standby that was behind, a restored state)."""
        self.total, self.of = 0, {}
        for form in list(forms.by_table.values()):
            if form.cache:
                form.cache.clear()

    def adopt(self, total: int, found: PGresult, forms: Forms[SqlTable]) -> set[str]:
        """Take over newer stamps: what is cached of tables that have changed is forgotten. The names that changed."""
        stamps = read_stamps(found)
        changed = {name for name, stamp in stamps.items() if self.of.get(name) != stamp}
        for table, form in list(forms.by_table.items()):
            if table.name in changed and form.cache:
                form.cache.clear()
        self.total = total
        self.of = stamps
        return changed


def read_stamps(found: PGresult) -> dict[str, int]:
    """The answer to `Schema.stamps`."""
    return {text(found, row, 0): number(found, row, 1) for row in range(found.ntuples)}
