"""Nodes and the database itself killed under load: what was acknowledged is there, on the nodes that are left.

`SEREIN_CRASHES=50 pytest …/test_crash.py` kills more often, `SEREIN_CRASH_SEED` chooses other instants.
"""

from __future__ import annotations

import os
import random
import time
from collections.abc import Iterator

import pytest

from tests.flows.crash_load import Load
from tests.store.postgresql.nodes import Node
from tests.store.postgresql.server import PostgresServer, binaries_or_none

LIVES = int(os.environ.get("SEREIN_CRASHES", "2"))
SEED = int(os.environ.get("SEREIN_CRASH_SEED", "20261121"))


@pytest.mark.crash
def test_a_killed_node_loses_nothing_and_the_other_goes_on(url: str) -> None:
    chance = random.Random(SEED)
    nodes = [Node(url), Node(url)]
    try:
        for node in nodes:
            node.start()
        load = Load(nodes[0].endpoint, SEED)
        load.prepare()
        before = 0
        for life in range(LIVES):
            dying, left = nodes[life % 2], nodes[1 - life % 2]
            turn_to(load, dying)
            load.start()
            time.sleep(chance.uniform(0.5, 1.5))
            dying.kill()
            load.stop()
            assert load.acknowledged > before, load.refusals[-3:]
            before = load.acknowledged
            turn_to(load, left)
            load.check_rows()
            dying.start()
        # What goes on by itself waits until the lease of the dead has run out: once, at the end.
        load.check()
        load.check_queues()
        assert not load.refusals, load.refusals[:3]
    finally:
        for node in nodes:
            node.kill()


def turn_to(load: Load, node: Node) -> None:
    """Let the load's clients use this node."""
    load.endpoint = node.endpoint
    load._clients.clear()


@pytest.fixture
def safe_server(server: PostgresServer) -> Iterator[PostgresServer]:
    """A server of this test's own, that syncs what it commits."""
    folder = binaries_or_none()
    assert folder is not None
    made = PostgresServer(folder, safe=True)
    try:
        made.start()
        yield made
    finally:
        made.stop()


@pytest.mark.crash
def test_the_database_may_crash_under_load(safe_server: PostgresServer) -> None:
    chance = random.Random(SEED)
    node = Node(safe_server.url())
    try:
        node.start()
        load = Load(node.endpoint, SEED)
        load.prepare()
        before = 0
        for _ in range(LIVES):
            load.start()
            time.sleep(chance.uniform(0.5, 1.5))
            safe_server.crash()
            safe_server.start()
            time.sleep(1.0)
            load.stop()
            assert load.acknowledged > before, load.refusals[-3:]
            before = load.acknowledged
            load.check_rows()
        load.check()
        load.check_queues()
        # A request that met the crash was refused, and said so.
        assert all("Nothing was changed" in words for words in load.refusals), load.refusals[:3]
    finally:
        node.kill()
