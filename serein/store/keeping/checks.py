"""Whether the tables of a data directory are whole: what `serein doctor` asks of a store."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import apsw
import msgspec

from serein.store.errors import StoreDamaged, StoreError
from serein.store.interface import Snapshot
from serein.store.keeping.copying import raw_tables
from serein.store.keeping.sources import connect

PROBLEMS_MAX = 20


class TableFindings(msgspec.Struct):
    """What a look at all records found."""

    tables: int = 0
    records: int = 0
    bytes: int = 0
    damaged: list[str] = []


def check_file(directory: Path) -> list[str]:
    """What SQLite finds wrong with the file of tables; empty when it is whole. Raises StoreError if it is none."""
    connection = connect(directory)
    try:
        rows: Any = connection.execute(f"PRAGMA integrity_check({PROBLEMS_MAX})").fetchall()
        return [str(row[0]) for row in rows if row[0] != "ok"]
    except apsw.Error as error:
        return [str(error)]
    finally:
        connection.close(True)


def check_tables(snapshot: Snapshot) -> TableFindings:
    """Read every record; each is compared with its checksum. A table ends at its first damaged record."""
    findings = TableFindings()
    for table in raw_tables(snapshot):
        findings.tables += 1
        try:
            for _, value in snapshot.scan_rows(table):
                findings.records += 1
                findings.bytes += len(value)
        except (StoreDamaged, StoreError) as error:
            findings.damaged.append(str(error))
    return findings
