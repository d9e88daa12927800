"""Restarts, TLS, several worker processes: the same port, the same names, one cache.

https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/DAXEncryptionInTransit.html
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import time
import urllib.request

import pytest
from amazondax.DaxError import DaxClientError
from botocore.exceptions import ClientError

from tests.running import RunningSerein
from tests.services.dax.conftest import Running, make_role

KEY = {"k": {"S": "a"}}


def make_table(running, name: str = "lives") -> None:
    running.client("dynamodb").create_table(
        TableName=name,
        AttributeDefinitions=[{"AttributeName": "k", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "k", "KeyType": "HASH"}],
        BillingMode="PAY_PER_REQUEST",
    )


def patiently(call, **params):
    """Ask again while nobody listens."""
    until = time.monotonic() + 15
    while time.monotonic() < until:
        with contextlib.suppress(Exception):
            return call(**params)
    return call(**params)


def test_a_client_outlives_the_server(tmp_path):
    """Its lists of names and its port are still those that it knows."""
    with RunningSerein(tmp_path / "data") as serein:
        running = Running(serein)
        make_table(running)
        endpoint = running.make_cluster("kept", make_role(running.client("iam")))
        other = running.make_cluster("other", make_role(running.client("iam"), "other"))
        with running.dax(endpoint) as client:
            client.put_item(TableName="lives", Item={**KEY, "one": {"S": "1"}, "two": {"N": "2"}})
            serein.kill()
            serein.start()
            assert running.endpoint_of("kept") == endpoint
            assert running.endpoint_of("other") == other
            found = patiently(client.get_item, TableName="lives", Key=KEY)
            assert found["Item"] == {**KEY, "one": {"S": "1"}, "two": {"N": "2"}}
            item = {**KEY, "one": {"S": "3"}, "two": {"N": "4"}}
            patiently(client.put_item, TableName="lives", Item=item)
            stored = running.client("dynamodb").get_item(TableName="lives", Key=KEY)["Item"]
            assert stored == item
        running.client("dax").delete_cluster(ClusterName="kept")
        gone = running.client("dax").exceptions.ClusterNotFoundFault
        until = time.monotonic() + 10
        with contextlib.suppress(gone):
            while time.monotonic() < until:
                running.endpoint_of("kept")
        with pytest.raises(DaxClientError):
            running.dax(endpoint)


def test_clients_come_encrypted(tmp_path, monkeypatch):
    data = tmp_path / "data"
    with RunningSerein(data) as serein:
        running = Running(serein)
        make_table(running)
        endpoint = running.make_cluster(
            "safe", make_role(running.client("iam")), ClusterEndpointEncryptionType="TLS"
        )
        assert endpoint.startswith("daxs://")
        (certificate,) = data.rglob("serein.crt")
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        with running.dax(endpoint) as client:
            client.put_item(TableName="lives", Item=KEY)
            assert client.get_item(TableName="lives", Key=KEY)["Item"] == KEY
        with pytest.raises(DaxClientError):
            running.dax(endpoint.replace("daxs", "dax"))


def test_worker_processes_share_one_cluster(tmp_path):
    """Whichever process the API's calls reach, there is one listener and one cache; it moves when its process ends."""
    with RunningSerein(tmp_path / "data", "--workers", "2") as serein:
        running = Running(serein)
        make_table(running)
        endpoint = running.make_cluster("shared", make_role(running.client("iam")))
        clients = [running.dax(endpoint) for _ in range(4)]
        try:
            for number in range(12):
                value = {"S": str(number)}
                clients[number % 4].put_item(TableName="lives", Item={**KEY, "v": value})
                for client in clients:
                    assert client.get_item(TableName="lives", Key=KEY)["Item"]["v"] == value
            os.kill(holder_of(serein, "dax.listeners"), signal.SIGKILL)
            put = {"TableName": "lives", "Item": {**KEY, "v": {"S": "after"}}}
            patiently(clients[0].put_item, **put)
            for client in clients:
                found = patiently(client.get_item, TableName="lives", Key=KEY)
                assert found["Item"]["v"] == {"S": "after"}
        finally:
            for client in clients:
                client.close()


def holder_of(serein: RunningSerein, lease: str) -> int:
    """The process that has a lease."""
    with urllib.request.urlopen(f"{serein.endpoint}/_serein/health") as answer:
        told = json.load(answer)
    (pid,) = [one["pid"] for one in told["workers"] if lease in one["leases"]]
    return int(pid)


def test_a_reset_leaves_nothing_of_a_cluster():
    with RunningSerein(None) as serein:
        running = Running(serein)
        make_table(running)
        endpoint = running.make_cluster("gone", make_role(running.client("iam")))
        with running.dax(endpoint) as client:
            client.put_item(TableName="lives", Item=KEY)
            url = f"{serein.endpoint}/_serein/reset"
            with urllib.request.urlopen(urllib.request.Request(url, method="POST")) as answer:
                assert answer.status < 300
            with pytest.raises((ClientError, OSError)):
                client.get_item(TableName="lives", Key=KEY)
        make_table(running)
        again = running.make_cluster("again", make_role(running.client("iam")))
        with running.dax(again) as client:
            assert "Item" not in client.get_item(TableName="lives", Key=KEY)
