"""Nodes that advertise an address are one place for functions: what is warm on one serves calls that arrive at another."""

from __future__ import annotations

import re
import socket
import time
import urllib.error
import urllib.request
from collections.abc import Iterator

import pytest

from tests.flows.pinned import Pinned
from tests.flows.test_placement import SLOW_TO_START, invoke, make
from tests.store.postgresql.nodes import Node

pytestmark = pytest.mark.xdist_group("nodes on postgresql")


class Reached(Pinned):
    """A connection to a node, which is no worker process."""

    def __init__(self, endpoint: str) -> None:
        try:
            super().__init__(endpoint)
        except KeyError:
            pass


@pytest.fixture
def nodes(url: str) -> Iterator[list[Node]]:
    """Two nodes that know each other."""
    made = [Node(url, "--advertise", f"127.0.0.1:{port}", port=port) for port in free_ports(2)]
    try:
        for node in made:
            node.start()
        yield made
    finally:
        for node in made:
            node.kill()


def free_ports(count: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


def handed_over(node: Node) -> int:
    with urllib.request.urlopen(f"{node.endpoint}/_serein/metrics", timeout=5) as page:
        text = page.read().decode()
    found = re.search(r"^serein_invocations_handed_over_total (\d+)$", text, re.M)
    assert found
    return int(found[1])


def test_a_function_that_is_slow_to_start_starts_on_one_node(nodes: list[Node]) -> None:
    make(nodes[0], "slow", SLOW_TO_START)
    lines = [Reached(node.endpoint) for node in nodes]
    time.sleep(1)  # the second has rung, and the first has looked
    born = set()
    for number in range(8):
        status, answer = invoke(lines[number % 2], "slow", {"n": number})
        assert (status, answer["echo"]) == (200, {"n": number})
        born.add(answer["born"])
    assert len(born) == 1
    assert handed_over(nodes[1]) == 4
    # Strangers have no part in it.
    page = f"{nodes[0].endpoint}/_serein/peers"
    with pytest.raises(urllib.error.HTTPError, match="403"):
        urllib.request.urlopen(page, data=b"anything", timeout=5)
    # A node that is gone is not missed.
    nodes[0].kill()
    status, answer = invoke(lines[1], "slow", {"n": 8})
    assert (status, answer["echo"]) == (200, {"n": 8})
