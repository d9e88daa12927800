"""Copies and backups from and to a database: everything arrives, and a house goes on with it."""

from __future__ import annotations

import asyncio
from pathlib import Path

from click.testing import CliRunner

from serein.cli.main import serein
from serein.store.keeping.addresses import opened_source, opened_store
from serein.store.keeping.backups import Backup, manifests, read_manifest, restore_backup
from serein.store.keeping.copying import copy_store
from serein.store.keeping.vaults import DirectoryVault
from tests.store.keeping.filled import FORMED, everything, fill


def test_there_and_back(url: str, tmp_path: Path) -> None:
    async def story() -> None:
        async with opened_store(str(tmp_path / "a")) as store:
            await fill(store, rows=2500)
            before = await everything(store)
        async with (
            opened_source(str(tmp_path / "a")) as given,
            opened_store(url) as target,
        ):
            copied = await copy_store(given, target)
            assert (copied.rows, copied.blobs) == (5003, 3)
        async with opened_store(url) as store:
            # The cached table is one on every node from now on.
            found = await store.survey(lambda snapshot: snapshot.get(FORMED, "2"))
            assert found is not None
        async with (
            opened_source(url) as given,
            opened_store(str(tmp_path / "b")) as target,
        ):
            await copy_store(given, target)
            assert await everything(target) == before

    asyncio.run(story())


def test_a_backup_of_a_database(url: str, tmp_path: Path) -> None:
    async def story() -> None:
        vault = DirectoryVault(tmp_path / "vault")
        async with opened_store(url) as store:
            await fill(store)
        async with opened_source(url) as source:
            await Backup(source, vault, 1_760_000_000.0).run()
        async with opened_store(url) as store:
            before = await everything(store)
        async with opened_store(str(tmp_path / "restored")) as target:
            await restore_backup(vault, read_manifest(vault, manifests(vault)[0]), target)
            assert await everything(target) == before

    asyncio.run(story())


def test_the_doctor_looks_at_a_database(url: str) -> None:
    async def make() -> None:
        async with opened_store(url) as store:
            await fill(store)

    asyncio.run(make())
    told = CliRunner().invoke(serein, ["doctor", "--store", url, "--json"])
    assert '"103 records in 3 tables' in told.output, told.output
    assert "0 blobs, all there" in told.output
    told = CliRunner().invoke(serein, ["doctor", "--store", url + "nowhere=1", "--json"])
    assert told.exit_code == 1
