"""A newer Serein, for tests of upgrades: the same, but it knows one more format of the database, whose step makes a table."""

from __future__ import annotations

from serein.cli.main import main
from serein.store.postgresql.formats import Formats
from serein.store.postgresql.store import PostgresStore

NEWER = Formats(newest=2, steps={2: ("CREATE TABLE {schema}.added (name text PRIMARY KEY)",)})

if __name__ == "__main__":
    assert PostgresStore.__init__.__kwdefaults__ is not None
    PostgresStore.__init__.__kwdefaults__["formats"] = NEWER
    main()
