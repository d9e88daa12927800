"""Plain HTTP clients of several nodes that note what they saw, and what goes wrong meanwhile.

The requests bear a key that nobody knows, so in open mode their signature is not checked: a client costs little.
"""

from __future__ import annotations

import http.client
import json
import random
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import urlsplit

from tests.store.postgresql.nodes import Node
from tests.store.postgresql.server import PostgresServer

ANSWER_S_MAX = 12.0


class NoAnswer(Exception):
    """Whether it was done is not known."""


class Refused(Exception):
    """The node said that it did not do it."""

    def __init__(self, code: str, status: int) -> None:
        super().__init__(f"{status} {code}")
        self.code = code
        self.status = status


class Caller:
    """Calls one node after another, each operation on one node."""

    def __init__(self, nodes: Sequence[Node], chance: random.Random) -> None:
        self._nodes = nodes
        self._chance = chance
        self._connections: dict[str, http.client.HTTPConnection] = {}

    def call(self, service: str, operation: str, params: dict[str, Any]) -> dict[str, Any]:
        """The answer of some node. Raises Refused, NoAnswer."""
        endpoint = self._chance.choice(self._nodes).endpoint
        prefix, version = {
            "dynamodb": ("DynamoDB_20120810", "1.0"),
            "sqs": ("AmazonSQS", "1.0"),
        }[service]
        at = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
        headers = {
            "X-Amz-Target": f"{prefix}.{operation}",
            "Content-Type": f"application/x-amz-json-{version}",
            "X-Amz-Date": at,
            "Authorization": f"AWS4-HMAC-SHA256 Credential=test/{at[:8]}/us-east-1/{service}/aws4_request, "
            "SignedHeaders=host;x-amz-date, Signature=" + "0" * 64,
        }
        try:
            connection = self._connection(endpoint)
        except OSError as error:
            raise Refused(f"nobody listens: {error}", 503) from error
        try:
            connection.request("POST", "/", json.dumps(params), headers)
            response = connection.getresponse()
            body = response.read()
        except (OSError, http.client.HTTPException) as error:
            self._connections.pop(endpoint).close()
            raise NoAnswer from error
        if response.status == 200:
            answer: dict[str, Any] = json.loads(body) if body else {}
            return answer
        code = str(json.loads(body).get("__type", "")).rpartition("#")[2]
        if b"Nothing was changed" in body:
            raise Refused(code, 503)
        if response.status == 500:
            raise NoAnswer
        raise Refused(code, response.status)

    def _connection(self, endpoint: str) -> http.client.HTTPConnection:
        made = self._connections.get(endpoint)
        if made is None:
            made = http.client.HTTPConnection(urlsplit(endpoint).netloc, timeout=ANSWER_S_MAX)
            made.connect()
            self._connections[endpoint] = made
        return made


class Trouble:
    """Kills nodes, makes them stand still, cuts their connections, one thing after the other."""

    def __init__(self, nodes: Sequence[Node], server: PostgresServer, seed: int) -> None:
        self._nodes = nodes
        self._server = server
        self._chance = random.Random(seed)
        self.happened: list[str] = []

    def go_through(self, count: int) -> None:
        """So many mishaps, with a moment of peace before and after."""
        time.sleep(1)
        for _ in range(count):
            self.happen()
        time.sleep(1)

    def happen(self) -> None:
        """One mishap, from beginning to end."""
        what = self._chance.choice(["kill", "pause", "cut", "cut"])
        self.happened.append(what)
        if what == "cut":
            self._server.sql(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'serein' "
                f"AND (hashint4(pid) + {self._chance.randrange(1000)}) % 3 = 0"
            )
            time.sleep(self._chance.uniform(0.1, 0.4))
            return
        node = self._chance.choice(self._nodes)
        if what == "kill":
            node.kill()
            time.sleep(self._chance.uniform(0.0, 0.5))
            node.start()
        else:
            node.pause()
            time.sleep(self._chance.uniform(0.5, 2.5))
            node.resume()
            time.sleep(0.2)


def run_all(
    works: Sequence[Callable[[threading.Event], None]], trouble: Callable[[], None]
) -> None:
    """Let everybody work until the trouble is over. Raises what went wrong in any of them."""
    stop = threading.Event()
    failures: list[BaseException] = []

    def guarded(work: Callable[[threading.Event], None]) -> None:
        try:
            work(stop)
        except BaseException as error:
            failures.append(error)
            stop.set()

    threads = [threading.Thread(target=guarded, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    try:
        trouble()
    finally:
        stop.set()
        for thread in threads:
            thread.join(90)
    assert not failures, failures
